"""Graphs of strangers: loops are found wherever they are, and refused unless trusted."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from graphs import FREE, saved
from onnx import TensorProto, helper, numpy_helper

from mendpix.errors import WeightsError
from mendpix.inpainting.onnx.screening import check_graph, check_operators
from mendpix.inpainting.registry import load
from mendpix.weights import cards

CARD = {"adapter": {"inputs": {"photo": ["photo"], "hole": ["hole"]}}}
COPY = helper.make_node("Identity", ["photo"], ["image"])
INPUTS = {"photo": [*FREE[:1], 3, *FREE[2:]], "hole": [*FREE[:1], 1, *FREE[2:]]}


def write(path: Path, rounds: int) -> Path:
    """A graph that copies its photo so many times in a loop."""
    scalar = helper.make_tensor_value_info
    photo = scalar("x", TensorProto.FLOAT, INPUTS["photo"])
    result = scalar("y", TensorProto.FLOAT, INPUTS["photo"])
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Identity", ["x"], ["y"])],
        "body",
        [scalar("i", TensorProto.INT64, []), scalar("c", TensorProto.BOOL, []), photo],
        [scalar("d", TensorProto.BOOL, []), result],
    )
    loop = helper.make_node("Loop", ["count", "go", "photo"], ["image"], body=body)
    saved(path, [loop], INPUTS, {"image": INPUTS["photo"]}, card=CARD)
    model = onnx.load(path)
    for name, value in (("count", np.int64(rounds)), ("go", np.bool_(True))):
        model.graph.initializer.append(numpy_helper.from_array(np.array(value), name))
    onnx.save(model, path)
    return path


def test_a_loop_needs_trust(tmp_path: Path) -> None:
    path = write(tmp_path / "loop.onnx", 2**60)
    with pytest.raises(WeightsError, match="has the operators Loop, which may run without end"):
        load(path)
    photo, hole = np.full((8, 8, 3), 0.5, np.float32), np.zeros((8, 8), bool)
    hole[3, 3] = True
    filled = load(write(tmp_path / "short.onnx", 3), trust=True)(photo, hole)
    assert filled.shape == photo.shape


def test_a_loop_in_a_function_is_found(tmp_path: Path) -> None:
    path = write(tmp_path / "loop.onnx", 1)
    model = onnx.load(path)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    model.functions.append(
        helper.make_function("own", "F", ["photo"], ["image"], list(model.graph.node), opsets)
    )
    del model.graph.node[:]
    model.graph.node.append(helper.make_node("F", ["photo"], ["image"], domain="own"))
    onnx.save(model, path)
    with pytest.raises(WeightsError, match="Loop"):
        check_operators(path)


def test_other_graphs_pass(tmp_path: Path) -> None:
    path = tmp_path / "plain.onnx"
    check_operators(saved(path, [COPY], INPUTS, {"image": INPUTS["photo"]}))
    for bundled in cards.list_bundled().values():
        for file in (bundled, bundled.with_suffix(".safetensors")):
            (tmp_path / file.name).write_bytes(file.read_bytes())
        check_graph(tmp_path / bundled.name)


def test_what_is_no_graph_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "cut.onnx"
    whole = write(tmp_path / "loop.onnx", 1).read_bytes()
    for content in (b"\xff\xff\xff", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(WeightsError, match="not an ONNX file, or it is cut short"):
            check_operators(path)


def test_a_tensor_above_2_gib_needs_trust(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Expand", ["one", "shape"], ["big"]),
        helper.make_node("ReduceSum", ["big"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "zero"], ["nothing"]),
        helper.make_node("Sub", ["hole", "hole"], ["empty"]),
        helper.make_node("Add", ["photo", "empty"], ["same"]),
        helper.make_node("Add", ["same", "nothing"], ["image"]),
    ]
    path, given = tmp_path / "big.onnx", {"one": 1.0, "zero": 0.0}

    def make(side: int, card: dict[str, object] | None) -> None:
        saved(path, nodes, INPUTS, {"image": INPUTS["photo"]}, given, card)
        model = onnx.load(path)
        shape = np.array([side, side, 2], np.int64)
        model.graph.initializer.append(numpy_helper.from_array(shape, "shape"))
        onnx.save(model, path)

    make(2**15, None)
    with pytest.raises(WeightsError, match=r"a tensor big of 8.0 GiB or more.*--trust"):
        load(path, adapter=CARD["adapter"])
    assert load(path, adapter=CARD["adapter"], trust=True).channels == "any"
    make(2**15, CARD)
    check_graph(path)
    make(16, None)
    check_graph(path)
