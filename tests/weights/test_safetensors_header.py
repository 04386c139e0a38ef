"""Headers of safetensors files: what is plain passes, all else is one line and an end."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from mendpix.errors import WeightsError
from mendpix.weights import cards
from mendpix.weights.safetensors_header import SIZES, check_header

NAN = float("nan")
HEADER = {
    "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
    "b": {"dtype": "U8", "shape": [], "data_offsets": [8, 9]},
}


def write(path: Path, header: Any, body: bytes = bytes(9)) -> Path:
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + body)
    return path


def test_what_the_library_writes_passes(tmp_path: Path) -> None:
    tensors = {
        "empty": np.zeros((0, 3), np.float32),
        "scalar": np.array(1.0),
        "bytes": np.arange(7, dtype=np.uint8),
        "halves": np.ones((2, 3), np.float16),
    }
    save_file(tensors, tmp_path / "w.safetensors", {"format": "pt", "mendpix": "{}"})
    check_header(tmp_path / "w.safetensors")
    check_header(write(tmp_path / "plain.safetensors", HEADER))
    for path in cards.BUNDLED.glob("*.safetensors"):
        check_header(path)


def change(**fields: Any) -> dict[str, Any]:
    return {**HEADER, "a": {**HEADER["a"], **fields}}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"[" * 200_000, "header is damaged"),
        (b"\xff", "header is damaged"),
        ([], "header is damaged"),
        ({**HEADER, "__metadata__": "mendpix"}, "metadata is no table of texts"),
        ({**HEADER, "__metadata__": {"mendpix": 5}}, "metadata is no table of texts"),
        ({**HEADER, "a": 5}, "does not say where 'a' lies"),
        (change(data_offsets=[0, NAN]), "header is damaged"),
        (change(data_offsets=[0.0, 8.0]), "does not say where 'a' lies"),
        (change(data_offsets=[8, 0]), r"'a' is F32 \(2,\) but has -8 bytes"),
        (change(data_offsets=[False, 8]), "does not say where 'a' lies"),
        (change(data_offsets=[0, 8, 8]), "does not say where 'a' lies"),
        (change(data_offsets=[1, 9]), "leave bytes between"),
        ({**HEADER, "b": {**HEADER["b"], "data_offsets": [7, 8]}}, "share bytes"),
        (change(dtype="X9"), "does not say where 'a' lies"),
        (change(dtype=["F32"]), "does not say where 'a' lies"),
        (change(shape=[-2]), "does not say where 'a' lies"),
        (change(shape=[3]), "but has 8 bytes"),
        (change(shape=[2**62, 2**62]), "but has 8 bytes"),
    ],
)
def test_anything_else_is_refused(header: Any, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "w.safetensors", header)
    with pytest.raises(WeightsError, match=message):
        check_header(path)
    with pytest.raises(WeightsError, match=message):
        cards.read_card(path)


@pytest.mark.parametrize("content", [b"", b"1234567", struct.pack("<Q", 2**60), bytes(30)])
def test_a_file_that_is_cut_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(WeightsError, match="not a safetensors file"):
        check_header(tmp_path / "w.safetensors")


@pytest.mark.parametrize("body", [bytes(8), bytes(10)])
def test_a_body_of_another_length_is_refused(body: bytes, tmp_path: Path) -> None:
    path = write(tmp_path / "w.safetensors", HEADER, body)
    with pytest.raises(WeightsError, match="cut short, or longer than its tensors"):
        check_header(path)


def test_sizes_are_those_of_numpy() -> None:
    kinds = {"F": "f", "U": "u", "I": "i"}
    for name, size in SIZES.items():
        if name[0] in kinds and name[1:].isdigit():
            assert np.dtype(f"{kinds[name[0]]}{size}").itemsize * 8 == int(name[1:])
