"""Descriptions of exported networks: what is fed, what is read, what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mendpix.errors import WeightsError
from mendpix.inpainting.onnx.description import OnnxDescription

PHOTO = np.array([[[0.0, 0.5, 1.0], [0.2, 0.4, 0.6]]], dtype=np.float32)
HOLE = np.array([[True, False]])


def fed(planes: list[str], **more: Any) -> np.ndarray:
    return OnnxDescription.of({"inputs": {"x": planes}, **more}, "a test").feed(PHOTO, HOLE)["x"]


def test_planes_by_name() -> None:
    both = fed(["hole", "valid", "valid-half"])
    np.testing.assert_array_equal(both, [[[[1, 0]], [[0, 1]], [[-0.5, 0.5]]]])
    np.testing.assert_allclose(fed(["photo"])[0, :, 0, 0], [0, 0.5, 1])
    np.testing.assert_allclose(fed(["photo"], values=[-1, 1])[0, :, 0, 0], [-1, 0, 1])
    np.testing.assert_allclose(
        fed(["known"], values=[-1, 1])[0, :, 0].T, [[0, 0, 0], [-0.6, -0.2, 0.2]], atol=1e-6
    )
    np.testing.assert_array_equal(fed(["hole"], hole_values=[0, 255])[0, 0], [[255, 0]])
    assert fed(["valid-half", "known"]).shape == (1, 4, 1, 2)


def test_the_picture_comes_back_in_its_own_range() -> None:
    adapter = OnnxDescription.of({"inputs": {"x": "photo"}, "output_values": [0, 255]}, "a test")
    output = np.array([0, 127.5, 300], np.float32).reshape(1, 3, 1, 1)
    np.testing.assert_allclose(adapter.read(output), [[[0, 0.5, 1]]])
    plain = OnnxDescription.of({"inputs": {"x": "photo"}, "values": [-1, 1]}, "a test")
    for size in (1, 4):
        image = np.random.default_rng(size).random((size, size, 3), dtype=np.float32)
        back = plain.read(plain.feed(image, np.zeros((size, size), bool))["x"])
        np.testing.assert_allclose(back, image, atol=1e-6)


@pytest.mark.parametrize(
    "table",
    [
        {"inputs": {"x": ["photo", "hole"]}},
        {"inputs": {"a": ["known"], "b": ["valid"]}, "values": [-1.0, 1.0], "size": 512},
        {"inputs": {"x": ["photo"]}, "hole_shape": "centre", "hole_side": 56, "start": "telea"},
    ],
)
def test_tables_come_back(table: dict[str, Any], tmp_path: Path) -> None:
    adapter = OnnxDescription.of(table, "a test")
    again = OnnxDescription.of(adapter.table(), "a test")
    assert again == adapter
    path = tmp_path / "net.json"
    path.write_text(json.dumps(table))
    assert OnnxDescription.read_from(path) == adapter


def test_toml_and_what_it_means_to_windows(tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    path.write_text('multiple = 8\n[inputs]\nimage = "photo"\nmask = "hole"\n')
    needs = OnnxDescription.read_from(path).requirements(largest=99)
    assert (needs.multiple, needs.size, needs.centred, needs.largest) == (8, None, False, 99)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "describes no inputs"),
        ({"inputs": {}}, "describes no inputs"),
        ({"inputs": {"x": ["phot"]}}, "it can be made of photo, known, hole"),
        ({"inputs": {"x": []}}, "it can be made of"),
        ({"inputs": {"x": "photo"}, "sise": 3}, "did you mean 'size'"),
        ({"inputs": {"x": "photo"}, "size": 0}, "size as 0"),
        ({"inputs": {"x": "photo"}, "values": [1, 1]}, "values as"),
        ({"inputs": {"x": "photo"}, "values": "0 to 1"}, "values as"),
        ({"inputs": {"x": "photo"}, "hole_shape": "round"}, "hole_shape as 'round'"),
        ({"inputs": {"x": "photo"}, "start": 3}, "start as 3"),
        (5, "describes itself by 5, not a table"),
        ([1], r"describes itself by \[1\], not a table"),
        ({"inputs": {"x": [["photo"]]}}, "it can be made of"),
        ({"inputs": {"x": "photo"}, "values": [0, 10**400]}, "two numbers that differ"),
        ({"inputs": {"x": "photo"}, "values": [0, 10**5000]}, "two numbers that differ"),
        ({"inputs": {"x": "photo"}, "values": [0, float("nan")]}, "two numbers that differ"),
        ({"inputs": {"x": "photo"}, "multiple": 10**9}, "it must be 1 to 1024"),
        ({"inputs": {"x": "photo"}, "size": 10**6}, "it must be 8 to 8192"),
        ({"inputs": {"x": "photo"}, "size": 1}, "it must be 8 to 8192"),
    ],
)
def test_wrong_tables_are_one_line(table: Any, message: str) -> None:
    with pytest.raises(WeightsError, match=message) as caught:
        OnnxDescription.of(table, "net.toml")
    assert str(caught.value).startswith("net.toml") and "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "net.toml").write_text("inputs = ")
    with pytest.raises(WeightsError, match="cannot be read"):
        OnnxDescription.read_from(tmp_path / "net.toml")
    (tmp_path / "net.json").write_text("[1]")
    with pytest.raises(WeightsError, match="holds no table"):
        OnnxDescription.read_from(tmp_path / "net.json")
