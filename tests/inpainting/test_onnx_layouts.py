"""Strangers' ONNX files: axes in other orders, oblong sizes, outputs of another range."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graphs import saved
from onnx import helper

from mendpix.errors import WeightsError
from mendpix.inpainting.onnx.description import OnnxDescription
from mendpix.inpainting.onnx.filler import OnnxFiller

ADAPTER = {"inputs": {"photo": ["photo"], "hole": ["hole"]}}


def scene(height: int = 45, width: int = 61) -> tuple[np.ndarray, np.ndarray]:
    photo = np.random.default_rng(0).random((height, width, 3), dtype=np.float32)
    hole = np.zeros((height, width), bool)
    hole[12:23, 20:34] = True
    return photo, hole


def paint(path: Path, photo: list[Any], hole: list[Any], axes: list[int] | None = None) -> Path:
    """``image`` is ``photo`` where known and 0.25 in the hole, whose axes are inserted."""
    nodes = [
        helper.make_node("Unsqueeze", ["hole", "axes"], ["full"])
        if axes
        else helper.make_node("Identity", ["hole"], ["full"]),
        helper.make_node("Sub", ["one", "full"], ["valid"]),
        helper.make_node("Mul", ["photo", "valid"], ["known"]),
        helper.make_node("Mul", ["colour", "full"], ["painted"]),
        helper.make_node("Add", ["known", "painted"], ["image"]),
    ]
    given: dict[str, Any] = {"one": 1.0, "colour": 0.25}
    saved(path, nodes, {"photo": photo, "hole": hole}, {"image": photo}, given)
    if axes:
        import onnx

        model = onnx.load(path)
        values = np.array(axes, np.int64)
        model.graph.initializer.append(onnx.numpy_helper.from_array(values, "axes"))
        onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("photo_axes", "hole_axes", "axes"),
    [
        (["n", "h", "w", 3], ["n", "h", "w", 1], None),
        (["n", 3, "h", "w"], ["n", "h", "w"], [1]),
        (["n", "h", "w", 3], ["n", "h", "w"], [3]),
        (["n", 3, "h", "w"], ["h", "w"], [0, 1]),
        (["h", "w", 3], ["h", "w", 1], None),
        ([3, "h", "w"], [1, "h", "w"], None),
    ],
)
def test_axes_in_any_order(
    tmp_path: Path, photo_axes: list[Any], hole_axes: list[Any], axes: list[int] | None
) -> None:
    photo, hole = scene()
    filled = OnnxFiller(paint(tmp_path / "net.onnx", photo_axes, hole_axes, axes), ADAPTER)(
        photo, hole
    )
    np.testing.assert_array_equal(filled, np.where(hole[..., None], np.float32(0.25), photo))


def test_a_layout_that_shapes_do_not_tell(tmp_path: Path) -> None:
    photo, hole = scene()
    free = ["n", "a", "b", "c"]
    path = paint(tmp_path / "net.onnx", free, free)
    filled = OnnxFiller(path, {**ADAPTER, "layout": "NHWC"})(photo, hole)
    np.testing.assert_array_equal(filled[hole], np.full((hole.sum(), 3), 0.25, np.float32))
    with pytest.raises(WeightsError, match="layout as 'HWC'; it must be NCHW or NHWC"):
        OnnxDescription.of({**ADAPTER, "layout": "HWC"}, "net.toml")
    with pytest.raises(WeightsError, match="input hole has 5 axes but a picture of 1 channels"):
        OnnxFiller(paint(tmp_path / "five.onnx", free, [*free, "d"]), ADAPTER)


@pytest.mark.parametrize("size", [(32, 48), (64, 40), (64, 64)])
@pytest.mark.parametrize("described", [True, False])
def test_oblong_fixed_sizes(tmp_path: Path, size: tuple[int, int], described: bool) -> None:
    path = paint(tmp_path / "net.onnx", [1, 3, *size], [1, 1, *size])
    photo, hole = scene(90, 130)
    filler = OnnxFiller(path, {**ADAPTER, "size": list(size)} if described else ADAPTER)
    filled = filler(photo, hole)
    np.testing.assert_allclose(filled[hole], 0.25, atol=1e-6)
    np.testing.assert_array_equal(filled[~hole], photo[~hole])


@pytest.mark.parametrize(
    ("gain", "offset", "described", "seen"),
    [
        (
            2.0,
            -1.0,
            [0, 1],
            r"from -\d.* to .* says \[0.0, 1.0\]; set output_values to \[-1.0, 1.0\]",
        ),
        (1.0, 0.0, [-1, 1], r"says \[-1.0, 1.0\]; set output_values to \[0.0, 1.0\]"),
        (255.0, 0.0, [0, 1], r"to 25\d.* set output_values to \[0.0, 255.0\]"),
        (1.0, 0.0, [0, 255], r"says \[0.0, 255.0\]; set output_values to \[0.0, 1.0\]"),
        (9.0, 3.0, [0, 1], "set output_values to the range that it has"),
    ],
)
def test_an_output_of_another_range(
    tmp_path: Path, gain: float, offset: float, described: list[int], seen: str
) -> None:
    nodes = [
        helper.make_node("Mul", ["photo", "gain"], ["more"]),
        helper.make_node("Add", ["more", "offset"], ["image"]),
    ]
    shape = ["n", 3, "h", "w"]
    path = saved(
        tmp_path / "net.onnx",
        nodes,
        {"photo": shape},
        {"image": shape},
        {"gain": gain, "offset": offset},
    )
    photo, hole = scene()
    adapter = {"inputs": {"photo": ["photo"]}, "output_values": described}
    with pytest.raises(WeightsError, match=seen) as caught:
        OnnxFiller(path, adapter)(photo, hole)
    assert "\n" not in str(caught.value)
    right = {"inputs": {"photo": ["photo"]}, "output_values": [offset, gain + offset]}
    filled = OnnxFiller(path, right)(photo, hole)
    np.testing.assert_array_equal(filled[~hole], photo[~hole])
