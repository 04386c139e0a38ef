"""Frozen feature networks without torchvision, named by their weights, shared by all who ask.

==============  ==========================================================================
``vgg16``       torchvision's VGG-16 (partial convolutions, LPIPS)
``vgg19``       torchvision's VGG-19
``vgg19-caffe`` the Oxford release of VGG-19 (Gatys, EnhanceNet)
``alexnet``     torchvision's AlexNet (LPIPS)
==============  ==========================================================================

One never stands in for another.
"""

from functools import cache

from torch import nn

from mendpix.features.files import Source, fetch, find, identity, source_of, table, tensors_of
from mendpix.features.network import LAYOUTS, FeatureNetwork, Pooling

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


@cache
def load(name: str, pooling: Pooling = "max", normalise: bool = True) -> FeatureNetwork:
    """The feature network of this name; everybody who asks for the same one gets the same one.

    Sharing is what lets terms of an objective read one pass; moving it moves it for all.

    Args:
        name: ``"vgg16"``, ``"vgg19"``, ``"vgg19-caffe"`` or ``"alexnet"``.
        pooling, normalise: as in :class:`FeatureNetwork`.

    Raises:
        WeightsError: an unknown name, or weights that are not at hand and could not be fetched.
    """
    network = FeatureNetwork(source_of(name).layout, tensors_of(name), pooling, normalise)
    network.source = name
    return network


def used(module: nn.Module) -> dict[str, str]:
    """The feature networks inside a module by name, with their hashes: for cards.

    Those made from tensors of the caller's own have no name and are left out.
    """
    found = {part.source for part in module.modules() if isinstance(part, FeatureNetwork)}
    return {name: identity(name) for name in sorted(found - {""})}
