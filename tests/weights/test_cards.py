"""Finding weights files and reading their cards, without torch."""

import hashlib
import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from mendpix.errors import WeightsError
from mendpix.weights import cards


def write(path: Path, entries: dict[str, object] | None = None) -> Path:
    """A small file whose card says its true hash, unless ``entries`` overrule it."""
    tensors = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.array(7)}
    whole = hashlib.sha256()
    for name in ("a", "b"):
        whole.update(f"{name} {list(tensors[name].shape)}\n".encode() + tensors[name].tobytes())
    card = {"network": "pan", "sha256": whole.hexdigest()} | (entries or {})
    save_file(tensors, path, {cards.CARD: json.dumps(card)})
    return path


def test_card_is_read_from_the_header(tmp_path: Path) -> None:
    path = write(tmp_path / "w.safetensors", {"data": ["CC0"]})
    assert cards.read_card(path)["network"] == "pan"
    assert cards.read_card(path)["data"] == ["CC0"]


def test_hash_is_that_of_names_shapes_and_bytes(tmp_path: Path) -> None:
    path = write(tmp_path / "w.safetensors")
    assert cards.verify(path) == cards.read_card(path)["sha256"]


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path / "w.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="but its card says"):
        cards.verify(path)


def test_a_file_cut_short_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path / "w.safetensors")
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(WeightsError, match="cut short"):
        cards.read_card(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"short", b"PK\x03\x04" * 50, struct.pack("<Q", 3) + b"[1]", struct.pack("<Q", 9) + b"{"],
)
def test_what_is_no_safetensors_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="not a safetensors file"):
        cards.read_card(path)


def header(**entries: object) -> bytes:
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + bytes(8)


@pytest.mark.parametrize(
    "content",
    [
        header(a={"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 8]}),
        header(a={"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}),
        header(a={"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}),
        header(a={"dtype": "F99", "shape": [2], "data_offsets": [0, 8]}),
        header(a=[], __metadata__={cards.CARD: "{}"}),
        header(__metadata__={cards.CARD: {}}),
        struct.pack("<Q", 900_000) + b'{"a":' * 180_000,
        struct.pack("<Q", 2**63) + b"{}",
    ],
)
def test_hostile_headers_are_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"not a safetensors file|is damaged") as caught:
        cards.read_card(path)
    assert "\n" not in str(caught.value)


def test_numbers_that_numpy_lacks_are_hashed(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    entry = {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]}
    path.write_bytes(header(a=entry, __metadata__={cards.CARD: "{}"}))
    with pytest.raises(WeightsError, match=r"but its card says None"):
        cards.verify(path)
    digest = hashlib.sha256(b"a [4]\n" + path.read_bytes()[-8:]).hexdigest()
    card = json.dumps({"sha256": digest})
    path.write_bytes(header(a=entry, __metadata__={cards.CARD: card}))
    assert cards.verify(path) == digest


@pytest.mark.parametrize("card", ["[" * 100_000, "[]", "{"])
def test_a_card_that_is_no_table_is_refused(tmp_path: Path, card: str) -> None:
    save_file({"a": np.zeros(2)}, tmp_path / "w.safetensors", {cards.CARD: card})
    with pytest.raises(WeightsError, match="holds a card that is no"):
        cards.read_card(tmp_path / "w.safetensors")


def test_a_file_without_a_card_names_the_way_out(tmp_path: Path) -> None:
    save_file({"a": np.zeros(2)}, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="holds no card; 'mendpix convert'"):
        cards.read_card(tmp_path / "w.safetensors")


def test_a_run_folder_stands_for_its_best_then_its_last(tmp_path: Path) -> None:
    last = write(tmp_path / "last.safetensors")
    assert cards.resolve(tmp_path) == last
    best = write(tmp_path / "best.safetensors")
    assert cards.resolve(str(tmp_path)) == best
    assert cards.resolve(last) == last
    assert cards.resolve("mender") == cards.BUNDLED / "mender.safetensors"


def test_a_folder_without_either_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="it holds no weights"):
        cards.resolve(tmp_path)
    write(tmp_path / "epoch3.safetensors")
    with pytest.raises(WeightsError, match=r"it holds epoch3\.safetensors; name one"):
        cards.resolve(tmp_path)


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path / "night.safetensors")
    write(tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match=r"did you mean .*night\.safetensors\?"):
        cards.resolve(tmp_path / "nigth.safetensors")
    with pytest.raises(WeightsError, match=r"does not exist; did you mean .*night"):
        cards.read_card(tmp_path / "nigth.safetensors")
    with pytest.raises(WeightsError, match="check the path"):
        cards.resolve(tmp_path / "nowhere" / "w.safetensors")


def test_no_torch_is_needed(tmp_path: Path) -> None:
    path = write(tmp_path / "w.safetensors")
    code = (
        "import sys; from mendpix.weights import cards; "
        f"cards.verify({str(path)!r}); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
