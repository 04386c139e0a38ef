"""Saving and loading weights: safetensors with a card, and other projects' released formats.

A file of ours holds the network's tensors and, in its header's metadata, a card as JSON: the
network's name and options, its training data and recipe, the version that wrote it, and a hash of
the tensors. :mod:`mendpix.weights.cards` reads cards without torch.
"""

import json
import typing
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors.torch import load_file
from torch import Tensor, nn

from mendpix import __version__
from mendpix.errors import MendError, WeightsError, did_you_mean
from mendpix.networks import DISCRIMINATORS, NETWORKS, released_files, tensor_file
from mendpix.weights import cards

KINDS = {"network": NETWORKS, "discriminator": DISCRIMINATORS}

Card = dict[str, Any]


def save(path: str | Path, network: nn.Module, card: Mapping[str, Any] | None = None) -> Path:
    """Write a network's weights with its card; replaces a file only once the new one is complete.

    Args:
        network: one of ``NETWORKS`` or ``DISCRIMINATORS``, any device.
        card: further entries: ``recipe``, ``data`` with licences, ... Kind, name, options,
            version and hash are added.

    Raises:
        WeightsError: an unknown network, a card that JSON cannot hold, another suffix than
            ``.safetensors`` (by which files of ours are known), a folder that cannot be written.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        wanted = path.with_suffix(".safetensors").name
        raise WeightsError(f"weights are written as .safetensors but {path} is not; use {wanted}")
    kind, name = find_name(network)
    tensors = {
        key: value.detach().cpu().contiguous() for key, value in _state_dict(network).items()
    }
    full_card = {
        **(card or {}),
        "kind": kind,
        "network": name,
        "options": asdict(typing.cast(Any, network.options)),
        "mendpix": __version__,
        "sha256": digest(tensors),
    }
    try:
        metadata = {cards.CARD: json.dumps(full_card), "format": "pt"}
    except (TypeError, ValueError) as problem:
        raise WeightsError(f"the card for {path} cannot be written as JSON: {problem}") from None
    tensor_file.write(path, tensors, metadata)
    return path


def _state_dict(network: nn.Module) -> dict[str, Tensor]:
    state: dict[str, Tensor] = network.state_dict()
    return state


def digest(tensors: Mapping[str, Tensor]) -> str:
    """The hash of tensors on the CPU; :func:`.cards.hash_tensors` gives a file's, the same."""
    return cards.hash_tensors(
        (name, tuple(value.shape), [_bytes(value)]) for name, value in tensors.items()
    )


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.contiguous().flatten().view(torch.uint8).numpy().data


def load(path: str | Path, device: str | torch.device = "cpu") -> tuple[nn.Module, Card]:
    """The network in a weights file, in eval mode, and its card.

    Our own files are checked against their hash; other people's are recognised by their keys
    (:mod:`~mendpix.networks.released_formats`).

    Args:
        path: a file, or a run folder.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.

    Raises:
        WeightsError: damaged, unknown, made of other tensors than its network has, or for a
            device that is not there.
    """
    target = choose_device(device)
    path = cards.resolve(path)
    if path.suffix == ".safetensors" and _has_card(path):
        network, card = _load_with_card(path)
    else:
        network, card = released_files.load(path)
    kind, name = find_name(network)
    options = asdict(typing.cast(Any, network.options))
    return network.eval().to(target), {**card, "kind": kind, "network": name, "options": options}


def describe(path: str | Path) -> Card:
    """The card of any weights that :func:`load` opens, with the network's own properties.

    Added are ``parameters`` (their number), ``multiple`` of height and width, ``size`` (the only
    one it takes, or None) and ``hole`` (``any``, or ``centre``).

    Raises:
        WeightsError: as for :func:`load`.
    """
    network, card = load(path)
    return {
        **card,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "multiple": getattr(network, "multiple", 1),
        "size": getattr(network, "size", None),
        "hole": getattr(network, "hole_shape", "any"),
    }


def _has_card(path: Path) -> bool:
    """Whether a file has a card; a damaged file or card is an error, not another format."""
    try:
        cards.read_card(path)
    except WeightsError as problem:
        if "holds no card" in str(problem):
            return False
        raise
    return True


def _load_with_card(path: Path) -> tuple[nn.Module, Card]:
    card = cards.read_card(path)
    network = build(card, str(path))
    cards.verify(path)
    tensors = load_file(path)
    released_files.check_tensors(network.state_dict(), tensors, str(path))
    network.load_state_dict(tensors)
    return network, card


def build(card: Card, source: str = "the card") -> nn.Module:
    """The network that a card describes, with untrained weights.

    Raises:
        WeightsError: an unknown network, or options it does not take.
    """
    kind, given = card.get("kind", "network"), card.get("options") or {}
    if not isinstance(given, Mapping):
        raise WeightsError(f"{source} has the options {str(given)[:60]}, which are no table")
    known = KINDS.get(str(kind))
    if known is None:
        raise WeightsError(f"{source} holds a {kind!r}; known are {', '.join(KINDS)}")
    name = str(card.get("network"))
    if name not in known:
        raise WeightsError(
            f"{source} holds the {kind} {name!r}, which is unknown; {did_you_mean(name, known)}"
        )
    network = known[name]
    try:
        options = parse_options(network, given, f"{kind} {name!r}: ")
        return network(options)
    except MendError as problem:
        raise WeightsError(f"{source}: {problem}") from None


def find_options_type(network: type[nn.Module]) -> type[Any]:
    """The options dataclass that a network's constructor takes."""
    hint = typing.get_type_hints(network.__init__)["options"]
    candidates = [hint, *typing.get_args(hint)]
    return next(kind for kind in candidates if isinstance(kind, type) and is_dataclass(kind))


def parse_options(network: type[nn.Module], given: Mapping[str, Any], source: str) -> Any:
    """A network's options from a table of values; the others take their defaults.

    Args:
        source: what stands before "options" in errors, such as ``"network."``.

    Raises:
        WeightsError: a name the network has no option for, or a value it cannot take.
    """
    kind = find_options_type(network)
    known = [field.name for field in fields(kind)]
    for name in given:
        if name not in known:
            raise WeightsError(
                f"{source}options has no option {name!r}; {did_you_mean(name, known)}"
            )
    try:
        return TypeAdapter(kind).validate_python(dict(given))
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        found, message = repr(first["input"])[:60], first["msg"]
        raise WeightsError(
            f"{source}options.{where} is {found}: {message[0].lower()}{message[1:]}"
        ) from None


def find_name(network: nn.Module) -> tuple[str, str]:
    """Kind (network or discriminator) and name of a module.

    Raises:
        WeightsError: it is in neither table.
    """
    for kind, known in KINDS.items():
        for name, known_type in known.items():
            if type(network) is known_type:
                return kind, name
    raise WeightsError(
        f"{type(network).__name__} is in neither NETWORKS nor DISCRIMINATORS; enter it there first"
    )


def convert(other: str | Path, out: str | Path, card: Mapping[str, Any] | None = None) -> Path:
    """Write any weights that :func:`load` opens as a file of ours; returns its path.

    Raises:
        WeightsError: as for :func:`load` and :func:`save`.
    """
    network, known = load(other)
    return save(out, network, {**known, **(card or {})})


def choose_device(device: str | torch.device = "auto") -> torch.device:
    """The device of a name; ``"auto"`` takes CUDA, else Apple's GPU, else the CPU.

    Raises:
        WeightsError: it is no device's name, or not there.
    """
    available = ["cpu"]
    if torch.backends.mps.is_available():
        available.insert(0, "mps")
    if torch.cuda.is_available():
        available.insert(0, "cuda")
    if device == "auto":
        return torch.device(available[0])
    choices = " or ".join(available)
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise WeightsError(f"{device!r} is no device; use auto, {choices}") from None
    beyond = chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count()
    if chosen.type not in available or beyond:
        raise WeightsError(f"device {device} is not there; use auto, {choices}")
    return chosen
