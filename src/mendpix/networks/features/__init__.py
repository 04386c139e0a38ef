"""Frozen pretrained feature networks without torchvision, by the name of their weights.

==============  ==========================================================================
``vgg16``       torchvision's VGG-16 (partial convolutions, LPIPS)
``vgg19``       torchvision's VGG-19
``vgg19-caffe`` the Oxford release of VGG-19 (Gatys, EnhanceNet)
``alexnet``     torchvision's AlexNet (LPIPS)
``inception``   TensorFlow's Inception-v3 (FID, KID, U-IDS, P-IDS): TorchScript, not for
                :func:`load`
==============  ==========================================================================

One is never used in place of another.
"""

from functools import cache
from pathlib import Path

from torch import nn

from mendpix.networks.features import inception_network, weight_files
from mendpix.networks.features.feature_network import LAYOUTS, FeatureNetwork, Pooling
from mendpix.networks.features.weight_files import hash_tensors, load_tensors
from mendpix.weights.feature_networks import (
    INCEPTION,
    WeightsSource,
    find,
    find_source,
    list_sources,
)

__all__ = [
    "LAYOUTS",
    "FeatureNetwork",
    "Pooling",
    "WeightsSource",
    "fetch",
    "find",
    "hash_tensors",
    "hash_used_networks",
    "list_sources",
    "load",
]


def fetch(name: str) -> Path:
    """The file of a network's weights in MENDPIX_HOME, made or downloaded if it is not there.

    Raises:
        WeightsError: an unknown name, or weights that could not be fetched.
    """
    return inception_network.fetch() if name == INCEPTION else weight_files.fetch(name)


def load(name: str, pooling: Pooling = "max", normalise: bool = True) -> FeatureNetwork:
    """Load a feature network; the same arguments return the same object.

    Sharing lets terms of an objective read one forward pass; moving it to a device moves it for
    all of them.

    Args:
        name: ``"vgg16"``, ``"vgg19"``, ``"vgg19-caffe"`` or ``"alexnet"``.
        pooling, normalise: as in :class:`FeatureNetwork`.

    Raises:
        WeightsError: an unknown name, or weights that are not at hand and could not be fetched.
    """
    return _load_cached(name, pooling, normalise)


@cache  # treats f("a") and f("a", "max") as different, so load() passes all arguments
def _load_cached(name: str, pooling: Pooling, normalise: bool) -> FeatureNetwork:
    network = FeatureNetwork(find_source(name).layout, load_tensors(name), pooling, normalise)
    network.source = name
    return network


def hash_used_networks(module: nn.Module) -> dict[str, str]:
    """Hashes of the feature networks inside a module, by name: for cards.

    Those made from tensors of the caller's own have no name and are left out.
    """
    names = {part.source for part in module.modules() if isinstance(part, FeatureNetwork)}
    return {name: hash_tensors(name) for name in sorted(names - {""})}
