"""Frozen feature networks without torchvision, named by their weights, shared by all who ask.

==============  ==========================================================================
``vgg16``       torchvision's VGG-16 (partial convolutions, LPIPS)
``vgg19``       torchvision's VGG-19
``vgg19-caffe`` the Oxford release of VGG-19 (Gatys, EnhanceNet)
``alexnet``     torchvision's AlexNet (LPIPS)
``inception``   TensorFlow's Inception-v3 (FID and its kin): a program, not for :func:`load`
==============  ==========================================================================

One never stands in for another.
"""

from functools import cache
from pathlib import Path

from torch import nn

from mendpix.networks.features import inception, weight_files
from mendpix.networks.features.network import LAYOUTS, FeatureNetwork, Pooling
from mendpix.networks.features.weight_files import Source, identity, source_of, tensors_of

__all__ = [
    "LAYOUTS",
    "FeatureNetwork",
    "Pooling",
    "Source",
    "fetch",
    "find",
    "identity",
    "load",
    "table",
    "used",
]


def table() -> dict[str, Source]:
    """Every network by name, with where its weights come from."""
    return {**weight_files.SOURCES, inception.NAME: inception.SOURCE}


def find(name: str) -> Path | None:
    """The file that holds a network's weights on this machine, None without one.

    Raises:
        WeightsError: there is no network of that name.
    """
    return inception.find() if name == inception.NAME else weight_files.find(name)


def fetch(name: str) -> Path:
    """The file of a network's weights in MENDPIX_HOME, made or downloaded if it is not there.

    Raises:
        WeightsError: an unknown name, or weights that could not be fetched.
    """
    return inception.fetch() if name == inception.NAME else weight_files.fetch(name)


def load(name: str, pooling: Pooling = "max", normalise: bool = True) -> FeatureNetwork:
    """The feature network of this name; everybody who asks for the same one gets the same one.

    Sharing is what lets terms of an objective read one pass; moving it moves it for all.

    Args:
        name: ``"vgg16"``, ``"vgg19"``, ``"vgg19-caffe"`` or ``"alexnet"``.
        pooling, normalise: as in :class:`FeatureNetwork`.

    Raises:
        WeightsError: an unknown name, or weights that are not at hand and could not be fetched.
    """
    return _loaded(name, pooling, normalise)


@cache  # which tells f("a") from f("a", "max"): so all arguments are given it
def _loaded(name: str, pooling: Pooling, normalise: bool) -> FeatureNetwork:
    network = FeatureNetwork(source_of(name).layout, tensors_of(name), pooling, normalise)
    network.source = name
    return network


def used(module: nn.Module) -> dict[str, str]:
    """The feature networks inside a module by name, with their hashes: for cards.

    Those made from tensors of the caller's own have no name and are left out.
    """
    found = {part.source for part in module.modules() if isinstance(part, FeatureNetwork)}
    return {name: identity(name) for name in sorted(found - {""})}
