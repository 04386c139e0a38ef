"""Loading other projects' weights files, strictly.

Only tensors are unpickled (``weights_only=True``), and every key must be matched: what a file
holds beside the network is named by its format (:mod:`mendpix.networks.released_formats`).
"""

import pickle
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from mendpix.errors import WeightsError
from mendpix.networks.released_formats import (
    RELEASED_FORMATS,
    ReleasedFormat,
    Tensors,
    strip_wrappers,
)
from mendpix.weights.safetensors_header import check_header


def load(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The network in another project's file, and a card that says so.

    Raises:
        WeightsError: unreadable, of no known format, or with keys that do not match.
    """
    network, card = build_from_tensors(_read(path), str(path))
    return network, {**card, "file": path.name}


def build_from_tensors(content: object, source: str) -> tuple[nn.Module, dict[str, Any]]:
    """As :func:`load`, from a file's content: tensors by key, alone or among other entries."""
    candidates = list(_find_tensors(content))
    for name, released in RELEASED_FORMATS.items():
        for candidate in candidates:
            tensors = released.strip_prefix(strip_wrappers(candidate))
            if released.matches(tensors):
                return _build_network(released, tensors, source), _make_card(name, released)
    keys = [key for candidate in candidates for key in candidate]
    detail = f"its keys begin {', '.join(keys[:3])}" if keys else "it holds no tensors"
    raise WeightsError(
        f"{source} is of no known format: {detail}; known are {', '.join(RELEASED_FORMATS)}"
    )


def _build_network(released: ReleasedFormat, tensors: Tensors, source: str) -> nn.Module:
    network = released.build(tensors)
    names = released.map_names(network)
    used = {key: value for key, value in tensors.items() if not released.is_unused(key)}
    check_tensors(network.state_dict(), used, source, names)
    state = {ours: released.convert(theirs, used[theirs]) for ours, theirs in names.items()}
    network.load_state_dict(state)
    return network


def check_tensors(
    wanted: Tensors, given: Tensors, source: str, names: Mapping[str, str] | None = None
) -> None:
    """Check that tensors are exactly those wanted, by name and shape.

    Args:
        names: what the file calls each tensor wanted; the same name unless given.

    Raises:
        WeightsError: lists what is missing, unexpected and of another shape.
    """
    shapes = {(names or {}).get(key, key): tuple(value.shape) for key, value in wanted.items()}
    faults = {
        "missing": [key for key in shapes if key not in given],
        "unexpected": [key for key in given if key not in shapes],
        "misshapen": [
            f"{key} {tuple(given[key].shape)} for {shape}"
            for key, shape in shapes.items()
            if key in given and tuple(given[key].shape) != shape
        ],
    }
    parts = [f"{len(keys)} {fault}: {_join_names(keys)}" for fault, keys in faults.items() if keys]
    if parts:
        raise WeightsError(f"{source} does not hold this network's tensors ({'; '.join(parts)})")


def _join_names(names: list[str], most: int = 12) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _read(path: Path) -> object:
    try:
        if path.suffix == ".safetensors":
            check_header(path)
            return load_file(path)
        with warnings.catch_warnings():  # about pickle protocols, before the error that matters
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as problem:
        raise WeightsError(f"{path} is damaged: {problem}") from None
    except pickle.UnpicklingError:
        raise WeightsError(
            f"{path} is no file of tensors alone, and nothing else is unpickled, since that can "
            "run code; ask its source for a state dict"
        ) from None
    except WeightsError:
        raise
    except Exception as problem:  # a file that is no pickle makes the unpickler raise anything
        detail = " ".join(str(problem).split())[:120]
        raise WeightsError(f"{path} is damaged or no weights file: {detail}") from None


def _find_tensors(content: object) -> Iterator[Tensors]:
    """Every dictionary of tensors in a file: the whole, or an entry such as ``state_dict``."""
    if not isinstance(content, Mapping):
        return
    if content and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in content.items()):
        yield content
        return
    for value in content.values():
        yield from _find_tensors(value)


def _make_card(name: str, released: ReleasedFormat) -> dict[str, Any]:
    return {
        "format": name,
        "source": released.source,
        "licence": "unknown: ask the source",
        "data": [],
        "values": released.values,
    }
