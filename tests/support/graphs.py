"""Small ONNX files, for tests of what runs them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FREE = ["n", None, "height", "width"]


def saved(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: dict[str, list[Any]],
    outputs: dict[str, list[Any]],
    constants: dict[str, Any] | None = None,
    card: dict[str, Any] | None = None,
    kind: int = TensorProto.FLOAT,
) -> Path:
    """Write a graph; a card goes into its metadata."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in outputs.items()],
        [
            numpy_helper.from_array(np.asarray(value, np.float32), name)
            for name, value in (constants or {}).items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if card is not None:
        helper.set_model_props(model, {"mendpix": json.dumps(card)})
    onnx.save(model, path)
    return path


def constant(path: Path, value: float = 0.25, card: dict[str, Any] | None = None) -> Path:
    """``image`` is ``photo`` where known and ``value`` in the hole; both in [0, 1]."""
    nodes = [
        helper.make_node("Sub", ["one", "hole"], ["valid"]),
        helper.make_node("Mul", ["photo", "valid"], ["known"]),
        helper.make_node("Mul", ["value", "hole"], ["colour"]),
        helper.make_node("Add", ["known", "colour"], ["image"]),
    ]
    shapes = {"photo": ["n", 3, "h", "w"], "hole": ["n", 1, "h", "w"]}
    given = {"one": 1.0, "value": value}
    return saved(path, nodes, shapes, {"image": ["n", 3, "h", "w"]}, given, card)


def blurred(path: Path, card: dict[str, Any] | None = None, channels: int = 24) -> Path:
    """Two wide convolutions of random weights over ``photo`` and ``hole``."""
    random = np.random.default_rng(0)
    nodes = [
        helper.make_node("Concat", ["photo", "hole"], ["seen"], axis=1),
        helper.make_node("Conv", ["seen", "first"], ["wide"], pads=[2, 2, 2, 2]),
        helper.make_node("Relu", ["wide"], ["bent"]),
        helper.make_node("Conv", ["bent", "second"], ["image"], pads=[2, 2, 2, 2]),
    ]
    weights = {
        "first": random.normal(0, 0.1, (channels, 4, 5, 5)),
        "second": random.normal(0, 0.1, (3, channels, 5, 5)),
    }
    shapes = {"photo": ["n", 3, "h", "w"], "hole": ["n", 1, "h", "w"]}
    return saved(path, nodes, shapes, {"image": ["n", 3, "h", "w"]}, weights, card)
