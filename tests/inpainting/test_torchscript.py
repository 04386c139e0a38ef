"""TorchScript files ``(image, mask) -> image``: run where trusted only. A stand-in, not LaMa."""

import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import mendpix
from mendpix.errors import MendError, WeightsError


class Painter(nn.Module):
    """What is missing is 0.25; says so where it is given another than a multiple of 8."""

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        assert image.shape[2] % 8 == 0 and image.shape[3] % 8 == 0, "no multiple of 8"
        return image * (1 - mask) + 0.25 * mask


class Half(nn.Module):
    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return image[:, :, ::2]


class Alone(nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        return image


def scripted(path: Path, program: nn.Module) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(program).save(str(path))  # type: ignore[no-untyped-call]
    return path


PHOTO = np.random.default_rng(0).random((30, 41, 3), dtype=np.float32)
HOLE = np.zeros((30, 41), bool)
HOLE[4:15, 30:] = True


def test_a_program_runs_only_where_it_is_trusted(tmp_path: Path) -> None:
    path = scripted(tmp_path / "big-lama.pt", Painter())
    with pytest.raises(WeightsError, match=r"a program that could do anything; .*--trust"):
        mendpix.load(path)
    filler = mendpix.load(path, trust=True, device="cpu")
    told: list[float] = []
    filled = filler(PHOTO, HOLE, told.append)
    assert (filled[HOLE] == 0.25).all() and told[-1] == 1
    np.testing.assert_array_equal(filled[~HOLE], PHOTO[~HOLE])
    assert filler.card["file"] == "big-lama.pt" and len(filler.card["sha256"]) == 64


@pytest.mark.parametrize(
    ("program", "message"), [(Half(), "only programs"), (Alone(), "cannot run as")]
)
def test_programs_of_another_kind(tmp_path: Path, program: nn.Module, message: str) -> None:
    filler = mendpix.load(scripted(tmp_path / "p.pt", program), trust=True, device="cpu")
    with pytest.raises(WeightsError, match=message) as caught:
        filler(PHOTO, HOLE)
    assert "\n" not in str(caught.value)


def test_a_damaged_program(tmp_path: Path) -> None:
    path = scripted(tmp_path / "p.pt", Painter())
    path.write_bytes(path.read_bytes()[:-40])
    other = tmp_path / "q.pt"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("q/code/painter.py", "nothing")
    for place in (path, other):
        with pytest.raises(WeightsError) as caught:
            mendpix.load(place, trust=True)
        assert "\n" not in str(caught.value)


def test_trust_changes_nothing_for_weights(tmp_path: Path) -> None:
    with pytest.raises(MendError, match="neither a filler's name nor a file"):
        mendpix.load(tmp_path / "none.pt", trust=True)
