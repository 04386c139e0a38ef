"""Networks as ONNX files that fill without PyTorch, kept only if they fill as PyTorch does."""

import copy
import json
import logging
import secrets
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from mendpix.errors import MendError, WeightsError
from mendpix.inpainting.onnx.description import Adapter
from mendpix.inpainting.onnx.filler import OnnxFiller
from mendpix.inpainting.registry import started
from mendpix.inpainting.torch import NetworkFiller, needs_of, start_of
from mendpix.io import conversion
from mendpix.masks import generate
from mendpix.networks import serialization
from mendpix.types import Photo
from mendpix.weights import cards

OPSET = 20
TOLERANCE = 1e-3
"""By how much, in [0, 1], a filled value may differ from PyTorch's: a quarter of an 8-bit level."""

ROUNDING = 0.5 / 255
"""By how much the filled values may differ on average, in [0, 1], once weights are halved."""

SAMPLES = Path(__file__).with_name("samples")
SMALLEST = 64  # values that a tensor has before halving it pays
LARGEST = 65504.0  # of half precision


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
    source: str | Path, out: str | Path, *, half: bool = False, photos: Path | None = None
) -> Parity:
    """Write a network as an ONNX file that says of itself what it needs.

    Args:
        source: weights file or run folder.
        out: the ``.onnx`` file; one that is there is replaced once the new one has proved right.
        half: keep weights in half precision; they are computed with in single.
        photos: a folder of pictures to compare the fills on; None: two that come along.

    Returns: how its fills agree with PyTorch's; also in the file's card.

    Raises:
        WeightsError: no network in the source, one that cannot be exported, fills that differ by
            more than ``TOLERANCE`` or ``ROUNDING``, or a file that cannot be written.
    """
    out = Path(out)
    if out.suffix != ".onnx":
        raise WeightsError(f"{out} is no .onnx file; use {out.with_suffix('.onnx').name}")
    network, card = serialization.load(source)
    if card["kind"] != "network":
        raise WeightsError(
            f"{source} holds the discriminator {card['network']!r}; it fills nothing"
        )
    kept = rounded(network) if half else network
    model = _packed(graph(kept)) if half else graph(kept)
    card = {**card, "adapter": adapter_of(network).table()}
    pictures = list(_pictures(photos or SAMPLES))
    with _draft(out) as draft:
        _write(model, card, draft)
        parity = compare(network, kept, draft, pictures)
        _accept(parity, str(source))
        _write(model, {**card, "export": _said(half, parity)}, draft)
        draft.replace(out)
    return parity


def _said(half: bool, parity: Parity) -> dict[str, Any]:
    precision = "half, computed in single" if half else "single"
    return {"weights": precision, "opset": OPSET, "torch": torch.__version__, **asdict(parity)}


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


def adapter_of(network: nn.Module) -> Adapter:
    """What a network's export takes and gives."""
    needs = needs_of(network)
    return Adapter(
        inputs={"photo": ("photo",), "hole": ("hole",)},
        output="image",
        multiple=needs.multiple if needs.size is None else 1,
        size=needs.size,
        hole_shape="centre" if needs.centred else "any",
        hole_side=needs.hole_side,
        start=start_of(network),
    )


class _Picture(nn.Module):
    """A network that gives its picture alone."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, photo: Tensor, hole: Tensor) -> Tensor:
        image: Tensor = self.network(photo, hole).image
        return image


def graph(network: nn.Module) -> onnx.ModelProto:
    """A network as an ONNX model: ``photo``, ``hole`` -> ``image``, any batch and size it takes.

    Raises:
        WeightsError: it does something that ONNX has no word for.
    """
    needs = needs_of(network)
    height, width = _example(needs.size, needs.multiple)
    free = torch.export.Dim.DYNAMIC
    axes = {0: free} if needs.size else {0: free, 2: free, 3: free}
    inputs = (torch.rand(2, 3, height, width), torch.zeros(2, 1, height, width))
    with _quiet():
        try:
            program = torch.onnx.export(
                _Picture(network).eval(),
                inputs,
                dynamo=True,
                dynamic_shapes=(axes, axes),
                input_names=["photo", "hole"],
                output_names=["image"],
                opset_version=OPSET,
                optimize=False,  # it folds batch norm into weights, and breaks partial convolution
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as problem:
            detail = " ".join(str(problem.__cause__ or problem).split())[:200]
            name = type(network).__name__
            raise WeightsError(f"{name} cannot be exported: {detail}") from None
    assert program is not None
    return _bare(program.model_proto)


def _example(size: int | None, multiple: int) -> tuple[int, int]:
    """A size to trace at, of two different lengths where it is free."""
    if size is not None:
        return size, size
    steps = max(2, -(-32 // multiple))
    return steps * multiple, (steps + 1) * multiple


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns of its own future and of packages nobody needs; the result is checked."""
    log = logging.getLogger("torch.onnx")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(before)


def _bare(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without the exporter's notes, which name this machine's files."""
    del model.metadata_props[:], model.graph.metadata_props[:], model.functions[:]
    model.doc_string = model.graph.doc_string = ""
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    for value in (*model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    return model


def rounded(network: nn.Module) -> nn.Module:
    """A copy whose larger tensors hold only what half precision can say.

    Raises:
        WeightsError: a value beyond half precision.
    """
    network = copy.deepcopy(network)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if not _pays(value.shape) or not value.is_floating_point():
                continue
            if float(value.abs().max()) > LARGEST:
                raise WeightsError(f"{name} exceeds half precision's {LARGEST:g}; leave out --half")
            value.copy_(value.half().float())
    return network


def _pays(shape: Sequence[int]) -> bool:
    return len(shape) > 1 and int(np.prod(shape)) >= SMALLEST


def _packed(model: onnx.ModelProto) -> onnx.ModelProto:
    """Larger tensors stored in half precision where that loses nothing, and widened when used."""
    casts, halves = [], []
    for tensor in list(model.graph.initializer):
        if tensor.data_type != onnx.TensorProto.FLOAT or not _pays(tensor.dims):
            continue
        values = numpy_helper.to_array(tensor)
        half = values.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), values):
            continue
        name = f"{tensor.name}.half"
        halves.append(numpy_helper.from_array(half, name))
        casts.append(
            onnx.helper.make_node("Cast", [name], [tensor.name], to=onnx.TensorProto.FLOAT)
        )
        model.graph.initializer.remove(tensor)
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(halves)
    return model


@contextmanager
def _draft(out: Path) -> Iterator[Path]:
    draft = out.with_name(f".{secrets.token_hex(4)}.{out.name}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        yield draft
    except OSError as problem:
        raise WeightsError(f"{out} cannot be written: {problem.strerror or problem}") from None
    finally:
        draft.unlink(missing_ok=True)


def _write(model: onnx.ModelProto, card: dict[str, Any], path: Path) -> None:
    onnx.helper.set_model_props(model, {cards.CARD: json.dumps(card)})
    onnx.save(model, str(path))


def compare(network: nn.Module, kept: nn.Module, path: Path, photos: Sequence[Photo]) -> Parity:
    """Fill photos with an exported network and with PyTorch, and see how far apart they are.

    Args:
        network, kept: with its own weights, and with those that the file has.
    """
    exported, own, same = (
        started(filler, threads=1)
        for filler in (OnnxFiller(path), NetworkFiller(network), NetworkFiller(kept))
    )
    largest, rounding = 0.0, []
    for photo in photos:
        hole = generate.draw("lama-thick", (photo.shape[0], photo.shape[1]))
        made = exported(photo, hole)[hole]
        wanted = same(photo, hole)[hole]
        largest = max(largest, float(np.abs(made - wanted).max()))
        if kept is not network:
            rounding.append(float(np.abs(made - own(photo, hole)[hole]).mean()))
    return Parity(largest, float(np.mean(rounding)) if rounding else 0.0, len(photos))


def _pictures(place: Path) -> Iterator[Photo]:
    """The photos of a folder, ``(H, W, 3)`` in [0, 1]."""
    files = sorted(path for path in place.glob("*") if path.suffix.lower() in conversion.FORMATS)
    if not files:
        raise MendError(f"{place} holds no pictures to compare fills on; name another folder")
    for path in files:
        pixels = conversion.read(path).pixels
        if pixels.shape[2] == 1:
            pixels = np.repeat(pixels, 3, axis=2)
        yield pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
