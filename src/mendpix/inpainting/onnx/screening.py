"""What a stranger's graph may not do unasked: run for ever, or take all memory.

An ONNX file is a protocol-buffers message, see https://onnx.ai/onnx/api/serialization.html. The
names of the operators are read without loading the graph, at its top and that of its functions.
(A graph inside a graph needs one of the refused operators around it.) Sizes are those that the
runtime infers when it opens the graph, before anything is computed.
"""

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from mendpix.errors import WeightsError
from mendpix.weights import cards
from mendpix.weights.onnx_metadata import iterate_fields, read_metadata

ENDLESS = frozenset({"If", "Loop", "Scan", "SequenceMap"})
"""Operators that hold graphs of their own: how long they run cannot be told beforehand."""

LARGEST_TENSOR = 2**31
"""Bytes of a tensor between two operators."""

_MODEL_GRAPH, _MODEL_FUNCTIONS = 7, 25  # numbers of fields
_GRAPH_NODE, _FUNCTION_NODE, _NODE_OUTPUT, _NODE_OPERATOR = 1, 7, 2, 4
_GRAPH_OUTPUT, _VALUE_NAME = 12, 1
_BYTES = {"tensor(double)": 8, "tensor(int64)": 8, "tensor(float16)": 2, "tensor(uint8)": 1}


def check_graph(path: Path) -> None:
    """Refuse a graph with loops or branches, or with a tensor above 2 GiB whatever the picture.

    Those that come with the package are trusted; the sizes of those with a card of ours, too.

    Raises:
        WeightsError: names the operators or the tensor, and how to run it all the same.
    """
    if path.resolve().parent == cards.BUNDLED.resolve():
        return
    check_operators(path)
    if cards.CARD not in read_metadata(path):
        check_sizes(path)


def check_operators(path: Path) -> None:
    """Refuse a graph with loops or branches.

    Raises:
        WeightsError: names the operators, and how to run it all the same.
    """
    found = sorted(ENDLESS & {text for field, text in _read_nodes(path) if field == _NODE_OPERATOR})
    if found:
        raise WeightsError(
            f"{path} has the operators {', '.join(found)}, which may run without end; "
            "if you trust who made it, allow it with --trust (trust=True)"
        )


def check_sizes(path: Path) -> None:
    """Refuse a graph with a tensor above :data:`LARGEST_TENSOR` even where free axes have length 1.

    Raises:
        WeightsError: names the tensor and its size; or the graph cannot be opened.
    """
    for tensor in _infer_tensors(path):
        size = _BYTES.get(tensor.type, 4) * prod(n for n in tensor.shape if isinstance(n, int))
        if size > LARGEST_TENSOR:
            raise WeightsError(
                f"{path} makes a tensor {tensor.name} of {size / 2**30:.1f} GiB or more, which "
                "can take all memory; if you trust who made it, allow it with --trust (trust=True)"
            )


def _infer_tensors(path: Path) -> list[Any]:
    """Every tensor of the graph, with the shape that the runtime infers.

    Messages of one field that lie one behind another are one message: outputs appended to the
    graph make the runtime tell their shapes.
    """
    from mendpix.inpainting.onnx import filler  # noqa: F401  it turns telemetry off
    import onnxruntime  # isort: skip

    names = {text for field, text in _read_nodes(path) if field == _NODE_OUTPUT and text}
    session = onnxruntime.SessionOptions()
    session.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session.log_severity_level = 4
    folder = str(path.resolve().parent)
    session.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
    providers, graph = ["CPUExecutionProvider"], path.read_bytes()
    try:
        known = onnxruntime.InferenceSession(graph, session, providers=providers).get_outputs()
        names -= {one.name for one in known}
        values = (_pack(_GRAPH_OUTPUT, _pack(_VALUE_NAME, name.encode())) for name in names)
        graph += _pack(_MODEL_GRAPH, b"".join(values))
        tensors = onnxruntime.InferenceSession(graph, session, providers=providers).get_outputs()
    except Exception as problem:  # onnxruntime has a dozen kinds without a common parent
        detail = " ".join(str(problem).split())[:200]
        raise WeightsError(f"{path} cannot be opened: {detail}") from None
    return list(tensors)


def _pack(field: int, content: bytes) -> bytes:
    """A field with a length."""
    return _pack_varint(field << 3 | 2) + _pack_varint(len(content)) + content


def _pack_varint(value: int) -> bytes:
    """Seven bits a byte, lowest first."""
    low = bytes([value & 127 | (128 if value > 127 else 0)])
    return low + (_pack_varint(value >> 7) if value > 127 else b"")


def _read_nodes(path: Path) -> list[tuple[int, str]]:
    """The operator and the outputs of every node, each with the number of its field."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            return list(_list_node_fields(file, size))
    except ValueError:
        raise WeightsError(f"{path} is not an ONNX file, or it is cut short") from None


def _list_node_fields(file: BinaryIO, size: int) -> Iterator[tuple[int, str]]:
    nodes = {_MODEL_GRAPH: _GRAPH_NODE, _MODEL_FUNCTIONS: _FUNCTION_NODE}
    for field, length in _walk(file, size):
        if field in nodes:
            for inner, extent in _walk(file, file.tell() + length):
                if inner == nodes[field]:
                    yield from _read_node(file, file.tell() + extent, field == _MODEL_GRAPH)


def _read_node(file: BinaryIO, stop: int, outputs: bool) -> Iterator[tuple[int, str]]:
    for field, length in _walk(file, stop):
        if field == _NODE_OPERATOR or (outputs and field == _NODE_OUTPUT):
            yield field, file.read(length).decode("utf-8", "replace")


def _walk(file: BinaryIO, stop: int) -> Iterator[tuple[int, int]]:
    """Each field up to ``stop``; whatever its reader did, the next one follows its end."""
    for field, length in iterate_fields(file, stop):
        end = file.tell() + length
        yield field, length
        file.seek(end)
