"""Networks as ONNX files that fill without PyTorch, kept only if they fill as PyTorch does."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from mendpix.errors import MendError, WeightsError
from mendpix.inpainting.onnx import graph
from mendpix.inpainting.onnx.description import OnnxDescription
from mendpix.inpainting.onnx.filler import OnnxFiller
from mendpix.inpainting.registry import attach_start
from mendpix.inpainting.torch import NetworkFiller, requirements_of, start_of
from mendpix.io import files
from mendpix.io.atomic import atomic_write
from mendpix.io.formats import FORMATS
from mendpix.io.picture import grey_to_rgb
from mendpix.masks import generate
from mendpix.networks import serialization
from mendpix.types import Photo
from mendpix.weights import cards

TOLERANCE = 1e-3
"""By how much, in [0, 1], a filled value may differ from PyTorch's: a quarter of an 8-bit level."""

ROUNDING = 0.5 / 255
"""By how much the filled values may differ on average, in [0, 1], once weights are halved."""

SAMPLES = Path(__file__).with_name("samples")


@dataclass(frozen=True, slots=True)
class Parity:
    """How an exported network's fills agree with PyTorch's, in [0, 1].

    Attributes:
        largest: difference of any filled value, the weights being the same.
        rounding: mean difference that halving the weights made; 0 where they are single.
        photos: on how many it was measured.
    """

    largest: float
    rounding: float
    photos: int


def export(
    source: str | Path,
    out: str | Path,
    *,
    half: bool = False,
    photos: Path | None = None,
    beside: bool = False,
) -> Parity:
    """Write a network as an ONNX file that says of itself what it needs.

    Args:
        source: weights file or run folder.
        out: the ``.onnx`` file; one that is there is replaced once the new one has proved right.
        half: keep weights in half precision; they are computed with in single.
        photos: a folder of pictures to compare the fills on; None: two that come along.
        beside: leave the tensors and the card in the source, in whose folder ``out`` must lie:
            a small file that is worth nothing without the other. The tensors' precision is the
            source's.

    Returns: how its fills agree with PyTorch's; also in the file's card.

    Raises:
        WeightsError: no network in the source, one that cannot be exported, fills that differ by
            more than ``TOLERANCE`` or ``ROUNDING``, or a file that cannot be written.
    """
    out, weights = Path(out), cards.resolve(source)
    _check_place(out, weights if beside else None)
    network, card = serialization.load(weights)
    if card["kind"] != "network":
        raise WeightsError(
            f"{source} holds the discriminator {card['network']!r}; it fills nothing"
        )
    exported = graph.round_to_half(network) if half and not beside else network
    model = graph.trace(exported)
    if beside:
        model = graph.store_beside(model, weights)
        size = weights.stat().st_size
        card = {cards.TENSORS: {"file": weights.name, "bytes": size, "sha256": card["sha256"]}}
    elif half:
        model = graph.store_halves(model)
    card = {**card, "adapter": describe(network).table()}
    pictures = list(_read_photos(photos or SAMPLES))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(out) as draft:
            _write(model, card, draft)
            parity = compare(network, exported, draft, pictures)
            _accept(parity, str(source))
            _write(model, {**card, "export": _summarize(model, parity)}, draft)
    except OSError as problem:
        raise WeightsError(f"{out} cannot be written: {problem.strerror or problem}") from None
    return parity


def _check_place(out: Path, weights: Path | None) -> None:
    """Refuse another extension, and another folder than that of weights that are pointed at."""
    if out.suffix != ".onnx":
        raise WeightsError(f"{out} is no .onnx file; use {out.with_suffix('.onnx').name}")
    if weights is None:
        return
    if weights.suffix != ".safetensors":
        raise WeightsError(f"{weights} is no .safetensors file; nothing can point into it")
    if out.parent.resolve() != weights.parent.resolve():
        raise WeightsError(f"{out} must lie in {weights.parent}, beside the tensors it points at")


def _summarize(model: onnx.ModelProto, parity: Parity) -> dict[str, Any]:
    kinds = {tensor.data_type for tensor in model.graph.initializer}
    halves = onnx.TensorProto.FLOAT16 in kinds
    precision = "half, computed in single" if halves else "single"
    return {
        "weights": precision,
        "opset": graph.OPSET,
        "torch": torch.__version__,
        **asdict(parity),
    }


def _accept(parity: Parity, source: str) -> None:
    if not parity.largest <= TOLERANCE:
        raise WeightsError(
            f"{source} fills differently once exported, by {parity.largest:.2g} where "
            f"{TOLERANCE:g} is allowed; nothing was written"
        )
    if not parity.rounding <= ROUNDING:
        raise WeightsError(
            f"{source} fills differently with weights in half precision, by {parity.rounding:.2g} "
            f"on average where {ROUNDING:.2g} is allowed; export it without --half"
        )


def describe(network: nn.Module) -> OnnxDescription:
    """What a network's export takes and gives."""
    needs = requirements_of(network)
    return OnnxDescription(
        inputs={"photo": ("photo",), "hole": ("hole",)},
        output="image",
        multiple=needs.multiple if needs.size is None else 1,
        size=needs.size,
        hole_shape="centre" if needs.centred else "any",
        hole_side=needs.hole_side,
        start=start_of(network),
    )


def _write(model: onnx.ModelProto, card: dict[str, Any], path: Path) -> None:
    onnx.helper.set_model_props(model, {cards.CARD: json.dumps(card)})
    onnx.save(model, str(path))


def compare(network: nn.Module, rounded: nn.Module, path: Path, photos: Sequence[Photo]) -> Parity:
    """Fill photos with an exported network and with PyTorch, and see how far apart they are.

    Args:
        network, rounded: with its own weights, and with those that the file has.
    """
    exported, own, same = (
        attach_start(filler, threads=1)
        for filler in (OnnxFiller(path), NetworkFiller(network), NetworkFiller(rounded))
    )
    largest, rounding = 0.0, []
    for photo in photos:
        hole = generate.draw("lama-thick", (photo.shape[0], photo.shape[1]))
        filled = exported(photo, hole)[hole]
        expected = same(photo, hole)[hole]
        largest = max(largest, float(np.abs(filled - expected).max()))
        if rounded is not network:
            rounding.append(float(np.abs(filled - own(photo, hole)[hole]).mean()))
    return Parity(largest, float(np.mean(rounding)) if rounding else 0.0, len(photos))


def _read_photos(folder: Path) -> Iterator[Photo]:
    """The photos of a folder, ``(H, W, 3)`` in [0, 1]."""
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in FORMATS)
    if not paths:
        raise MendError(f"{folder} holds no pictures to compare fills on; name another folder")
    for path in paths:
        pixels = grey_to_rgb(files.read(path).pixels)
        yield pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
