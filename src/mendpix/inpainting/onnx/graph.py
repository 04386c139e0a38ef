"""A network's graph as an ONNX model, and where its tensors are stored: in it, or beside it."""

import copy
import json
import logging
import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from safetensors.numpy import load_file
from torch import Tensor, nn

from mendpix.errors import WeightsError
from mendpix.inpainting.torch import requirements_of

OPSET = 20
SMALLEST = 64  # values that a tensor has before halving it pays
LARGEST = 65504.0  # of half precision
NETWORK = "network."
"""What the names of a network's tensors begin with in a graph, and in no weights file."""


class _PictureOnly(nn.Module):
    """A network that gives its picture alone."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, photo: Tensor, hole: Tensor) -> Tensor:
        image: Tensor = self.network(photo, hole).image
        return image


def trace(network: nn.Module) -> onnx.ModelProto:
    """A network as an ONNX model: ``photo``, ``hole`` -> ``image``, any batch and size it takes.

    Raises:
        WeightsError: it does something that ONNX has no word for.
    """
    needs = requirements_of(network)
    height, width = _example_size(needs.size, needs.multiple)
    free = torch.export.Dim.DYNAMIC
    axes = {0: free} if needs.size else {0: free, 2: free, 3: free}
    inputs = (torch.rand(2, 3, height, width), torch.zeros(2, 1, height, width))
    with _silence_exporter():
        try:
            program = torch.onnx.export(
                _PictureOnly(network).eval(),
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
    return _drop_notes(program.model_proto)


def _example_size(size: int | None, multiple: int) -> tuple[int, int]:
    """A size to trace at, of two different lengths where it is free."""
    if size is not None:
        return size, size
    steps = max(2, -(-32 // multiple))
    return steps * multiple, (steps + 1) * multiple


@contextmanager
def _silence_exporter() -> Iterator[None]:
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


def _drop_notes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without the exporter's notes, which name this machine's files."""
    del model.metadata_props[:], model.graph.metadata_props[:], model.functions[:]
    model.doc_string = model.graph.doc_string = ""
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    for value in (*model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    return model


def round_to_half(network: nn.Module) -> nn.Module:
    """A copy whose larger tensors hold only what half precision can say.

    Raises:
        WeightsError: a value beyond half precision.
    """
    network = copy.deepcopy(network)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if not _is_worth_halving(value.shape) or not value.is_floating_point():
                continue
            if float(value.abs().max()) > LARGEST:
                raise WeightsError(f"{name} exceeds half precision's {LARGEST:g}; leave out --half")
            value.copy_(value.half().float())
    return network


def _is_worth_halving(shape: Sequence[int]) -> bool:
    return len(shape) > 1 and int(np.prod(shape)) >= SMALLEST


def store_halves(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store larger tensors in half precision where that loses nothing; widen them when used."""
    halves = []
    for tensor in list(model.graph.initializer):
        if tensor.data_type != onnx.TensorProto.FLOAT or not _is_worth_halving(tensor.dims):
            continue
        values = numpy_helper.to_array(tensor)
        half = values.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), values):
            continue
        halves.append((tensor, numpy_helper.from_array(half, f"{tensor.name}.half")))
    return _substitute(model, halves)


def store_beside(model: onnx.ModelProto, weights: Path) -> onnx.ModelProto:
    """Point at the tensors of a safetensors file in place of holding copies of them.

    ONNX calls this external data: a file's name, an offset and a length, of a file beside the
    model. Tensors of lower precision are widened when used. What the file does not hold, such as
    a constant of the graph, stays in the model.

    https://onnx.ai/onnx/repo-docs/ExternalData.html
    """
    offsets, stored = _tensor_offsets(weights), load_file(weights)
    outside = []
    for tensor in list(model.graph.initializer):
        name = tensor.name.removeprefix(NETWORK)
        if name not in stored or not _holds(tensor, stored[name]):
            continue
        kind = onnx.helper.np_dtype_to_tensor_dtype(stored[name].dtype)
        pointer = onnx.TensorProto(name=f"{tensor.name}.stored", dims=tensor.dims, data_type=kind)
        pointer.data_location = onnx.TensorProto.EXTERNAL
        place = {"location": weights.name, "offset": offsets[name], "length": stored[name].nbytes}
        for key, value in place.items():
            pointer.external_data.add(key=key, value=str(value))
        outside.append((tensor, pointer))
    return _substitute(model, outside)


def _holds(tensor: onnx.TensorProto, stored: NDArray[Any]) -> bool:
    """Whether a stored tensor is that of the graph, in value and in layout."""
    values = numpy_helper.to_array(tensor)
    return values.shape == stored.shape and np.array_equal(stored.astype(values.dtype), values)


def _tensor_offsets(path: Path) -> dict[str, int]:
    """Where each tensor of a safetensors file begins, in bytes from the file's start.

    The header is JSON behind its length (8 bytes, little-endian); its offsets count from its end.
    """
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return {name: 8 + length + entry["data_offsets"][0] for name, entry in header.items()}


def _substitute(
    model: onnx.ModelProto, pairs: Sequence[tuple[onnx.TensorProto, onnx.TensorProto]]
) -> onnx.ModelProto:
    """Put other tensors in place of some of the model's, cast to the old ones' type where used."""
    casts = []
    for old, new in pairs:
        model.graph.initializer.remove(old)
        if new.data_type == old.data_type:
            new.name = old.name
        else:
            casts.append(onnx.helper.make_node("Cast", [new.name], [old.name], to=old.data_type))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(new for _, new in pairs)
    return model
