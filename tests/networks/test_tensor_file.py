"""Safetensors files: the same bytes for the same tensors, readable by the library."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from mendpix.errors import WeightsError
from mendpix.networks import serialization, tensor_file
from mendpix.networks.patch_discriminators import PatchGAN, PatchGANOptions

METADATA = {key: f'"{key}"\n\té€𝄞\\' for key in ("mendpix", "format", "a", "ß", "with space", "z")}

SCRIPT = """
import hashlib, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_tensor_file
for count in range(12):
    print(test_tensor_file.written(Path(sys.argv[2], "w.safetensors")))
"""


def tensors() -> dict[str, torch.Tensor]:
    """Of several kinds, so that the library lays them out in another order than this."""
    return {
        "b.half": torch.arange(5, dtype=torch.bfloat16),
        "a.byte": torch.arange(3, dtype=torch.uint8),
        "c": torch.linspace(0, 1, 12).view(3, 4),
        "type.ß": torch.tensor(7),
        "empty": torch.zeros(0, 3),
    }


def written(path: Path) -> str:
    tensor_file.write(path, tensors(), METADATA)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    hashes = set()
    for seed in ("1", "2"):
        command = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent), str(tmp_path)]
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": seed}
        )
        assert done.returncode == 0, done.stderr
        hashes |= set(done.stdout.split())
    assert hashes == {written(tmp_path / "own.safetensors")}


@pytest.mark.parametrize("metadata", [METADATA, None])
def test_the_library_reads_it_back(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    path = tmp_path / "new folder" / "w.safetensors"
    tensor_file.write(path, tensors(), metadata)
    with safe_open(path, "pt") as file:
        assert file.metadata() == metadata
    read = load_file(path)
    assert read.keys() == tensors().keys()
    for name, value in tensors().items():
        assert read[name].dtype == value.dtype
        assert torch.equal(read[name], value)
    save_file(tensors(), tmp_path / "theirs.safetensors", metadata)
    ours, theirs = path.read_bytes(), (tmp_path / "theirs.safetensors").read_bytes()
    length = int.from_bytes(theirs[:8], "little")
    assert ours[:8] == theirs[:8]
    assert length % 8 == 0
    assert ours[8 + length :] == theirs[8 + length :]
    assert json.loads(ours[8 : 8 + length]) == json.loads(theirs[8 : 8 + length])


def test_weights_are_the_same_bytes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = PatchGAN(PatchGANOptions(width=4))
    card = {"recipe": {"size": 64}, "data": {"files": ["a", "b"]}}
    paths = [serialization.save(tmp_path / f"{n}.safetensors", network, card) for n in range(8)]
    assert len({path.read_bytes() for path in paths}) == 1


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken.safetensors").mkdir()
    with pytest.raises(WeightsError, match=r"taken\.safetensors cannot be written"):
        tensor_file.write(tmp_path / "taken.safetensors", tensors())
    (tmp_path / "file").touch()
    with pytest.raises(WeightsError, match=r"cannot be written: .*(exists|directory)"):
        tensor_file.write(tmp_path / "file" / "w.safetensors", tensors())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "taken.safetensors"]
