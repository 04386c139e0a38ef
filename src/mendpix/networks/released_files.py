"""Other people's weights files, opened: tensors alone, each of them accounted for.

Nothing but tensors is ever unpickled (``weights_only=True``), and no key is passed over in
silence: what a format holds beside the network is named by its adapter.
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
from mendpix.networks.released_formats import ADAPTERS, Adapter, Tensors


def load(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The network in another project's file, and a card that says so.

    Raises:
        WeightsError: unreadable, of no known format, or with keys that do not match.
    """
    network, card = load_tensors(_read(path), str(path))
    return network, {**card, "file": path.name}


def load_tensors(held: object, source: str) -> tuple[nn.Module, dict[str, Any]]:
    """As :func:`load`, of what a file held: tensors by key, alone or among other entries."""
    found = list(_candidates(held))
    for name, adapter in ADAPTERS.items():
        for tensors in found:
            bare = adapter.bare(tensors)
            if adapter.knows(bare):
                return _adapted(adapter, bare, source), _card(name, adapter)
    keys = [key for tensors in found for key in tensors]
    said = f"its keys begin {', '.join(keys[:3])}" if keys else "it holds no tensors"
    raise WeightsError(f"{source} is of no known format: {said}; known are {', '.join(ADAPTERS)}")


def _adapted(adapter: Adapter, tensors: Tensors, source: str) -> nn.Module:
    network = adapter.build(tensors)
    names = adapter.names(network)
    used = {key: value for key, value in tensors.items() if not adapter.unused(key)}
    check(network.state_dict(), used, source, names)
    found = {ours: adapter.converted(theirs, used[theirs]) for ours, theirs in names.items()}
    network.load_state_dict(found)
    return network


def check(
    wanted: Tensors, given: Tensors, source: str, names: Mapping[str, str] | None = None
) -> None:
    """Refuse tensors that are not exactly those wanted, by name and shape.

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
    said = [f"{len(keys)} {fault}: {_listed(keys)}" for fault, keys in faults.items() if keys]
    if said:
        raise WeightsError(f"{source} does not hold this network's tensors ({'; '.join(said)})")


def _listed(names: list[str], most: int = 12) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _read(path: Path) -> object:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():  # of pickle protocols, before the error that matters
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise WeightsError(
            f"{path} is no file of tensors alone, and nothing else is unpickled, since that can "
            "run code; ask its source for a state dict"
        ) from None
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, SafetensorError) as problem:
        detail = " ".join(str(problem).split())[:120]
        raise WeightsError(f"{path} is damaged or no weights file: {detail}") from None


def _candidates(held: object) -> Iterator[Tensors]:
    """Every dictionary of tensors in a file: the whole, or an entry such as ``state_dict``."""
    if not isinstance(held, Mapping):
        return
    if held and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in held.items()):
        yield held
        return
    for value in held.values():
        yield from _candidates(value)


def _card(name: str, adapter: Adapter) -> dict[str, Any]:
    return {
        "format": name,
        "source": adapter.source,
        "licence": "unknown: ask the source",
        "data": [],
        "values": adapter.values,
    }
