"""What a stranger's graph may not do unasked: run for ever. Read without loading the graph.

An ONNX file is a protocol-buffers message, see https://onnx.ai/onnx/api/serialization.html; only
the names of the operators are looked at, at the top of the graph and of its functions. (A graph
inside a graph needs one of the refused operators around it.)
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mendpix.errors import WeightsError
from mendpix.weights import cards
from mendpix.weights.onnx_metadata import iterate_fields

ENDLESS = frozenset({"If", "Loop", "Scan", "SequenceMap"})
"""Operators that hold graphs of their own: how long they run cannot be told beforehand."""

_MODEL_GRAPH, _MODEL_FUNCTIONS = 7, 25  # numbers of fields
_GRAPH_NODE, _FUNCTION_NODE, _NODE_OPERATOR = 1, 7, 4


def check_operators(path: Path) -> None:
    """Refuse a graph with loops or branches; those that come with the package are trusted.

    Raises:
        WeightsError: names the operators, and how to run it all the same.
    """
    if path.resolve().parent == cards.BUNDLED.resolve():
        return
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            found = sorted(ENDLESS & set(_list_operators(file, size)))
    except ValueError:
        raise WeightsError(f"{path} is not an ONNX file, or it is cut short") from None
    if found:
        raise WeightsError(
            f"{path} has the operators {', '.join(found)}, which may run without end; "
            "if you trust who made it, allow it with --trust (trust=True)"
        )


def _list_operators(file: BinaryIO, size: int) -> Iterator[str]:
    nodes = {_MODEL_GRAPH: _GRAPH_NODE, _MODEL_FUNCTIONS: _FUNCTION_NODE}
    for field, length in _walk(file, size):
        if field in nodes:
            for inner, extent in _walk(file, file.tell() + length):
                if inner == nodes[field]:
                    yield from _read_operator(file, file.tell() + extent)


def _read_operator(file: BinaryIO, stop: int) -> Iterator[str]:
    for field, length in _walk(file, stop):
        if field == _NODE_OPERATOR:
            yield file.read(length).decode("utf-8", "replace")


def _walk(file: BinaryIO, stop: int) -> Iterator[tuple[int, int]]:
    """Each field up to ``stop``; whatever its reader did, the next one follows its end."""
    for field, length in iterate_fields(file, stop):
        end = file.tell() + length
        yield field, length
        file.seek(end)
