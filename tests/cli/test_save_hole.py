"""--grow auto and --save-hole: the hole that was filled is told, written, and taken by verify."""

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import mendpix
from mendpix import cli
from mendpix.errors import PictureError

Run = Callable[..., tuple[int, str, str]]
SIDE = 120


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process: its exit code and what it prints."""

    def run(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["mendpix", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
            raise SystemExit(0)
        code = left.value.code
        return (code if isinstance(code, int) else 0), *capsys.readouterr()

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A blurred disc on a soft ground, and a mask of what it covers by half: too tight."""
    fine = np.zeros((4 * SIDE, 4 * SIDE), np.uint8)
    cv2.circle(fine, (240, 240), 100, 255, -1)
    share = cv2.resize(fine, (SIDE, SIDE), interpolation=cv2.INTER_AREA) / 255
    noise = np.random.default_rng(0).normal(0, 2, (SIDE, SIDE, 3))
    cover = cv2.GaussianBlur(share, (0, 0), 1.2)[..., None]
    photo = (110 + noise) * (1 - cover) + 210 * cover
    Image.fromarray(photo.round().astype(np.uint8)).save(tmp_path / "photo.png")
    Image.fromarray(np.where(share >= 0.5, 255, 0).astype(np.uint8)).save(tmp_path / "mask.png")
    return tmp_path


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_the_hole_that_was_filled_proves_the_fill(run: Run, folder: Path) -> None:
    photo, mask, out, hole = (
        folder / name for name in ("photo.png", "mask.png", "out.png", "holes/hole.png")
    )
    words = ("fill", photo, mask, "-o", out, "--grow", "auto", "--save-hole", hole, "-m", "telea")
    code, said, err = run(*words)
    assert (code, err) == (0, "")
    pixels = int(said.split("grown by ")[1].split(" px")[0])
    assert 2 <= pixels <= 5
    assert set(np.unique(read(hole))) == {0, 255}
    changed = (read(out) != read(photo)).any(axis=2)
    assert not (changed & (read(hole) == 0)).any()
    assert (changed & (read(mask) == 0)).sum() > 100
    assert run("verify", photo, out, hole)[0] == 0
    assert run("verify", photo, out, mask, "--grow", "auto")[0] == 0
    code, _, hint = run("verify", photo, out, mask)
    assert code == 1
    assert f"all of them lie within {pixels} px of the hole" in hint
    assert "--save-hole" in hint


def test_json_tells_how_far_and_where(run: Run, folder: Path) -> None:
    words = (folder / "photo.png", folder / "mask.png", "-o", folder / "o.png", "-m", "telea")
    plain = json.loads(run("fill", *words, "--json")[1])["fills"][0]
    assert (plain["grow"], plain["hole"]) == (None, None)
    hole = folder / "h.png"
    more = ("--grow", "2", "--save-hole", hole, "--json")
    grown = json.loads(run("fill", *words, *more)[1])["fills"][0]
    assert (grown["grow"], grown["hole"]) == (2, str(hole))
    assert read(hole).mean() > read(folder / "mask.png").mean()


def test_folders_get_a_folder_of_holes(run: Run, folder: Path) -> None:
    for name in ("a", "b"):
        (folder / "photos").mkdir(exist_ok=True)
        (folder / "photos" / f"{name}.jpg").write_bytes(b"")
        Image.open(folder / "photo.png").save(folder / "photos" / f"{name}.jpg")
    words = ("fill", folder / "photos", folder / "mask.png", "-o", folder / "out", "-m", "telea")
    assert run(*words, "--save-hole", folder / "holes")[0] == 0
    assert sorted(path.name for path in (folder / "holes").iterdir()) == ["a.png", "b.png"]
    code, _, err = run(*words, "--save-hole", folder / "hole.png")
    assert (code, err.count("\n")) == (2, 1)
    assert "name a folder" in err


@pytest.mark.parametrize(
    ("name", "says"), [("hole.jpg", "name a .png file"), ("mask.png", "is another file")]
)
def test_a_hole_overwrites_nothing(run: Run, folder: Path, name: str, says: str) -> None:
    before = read(folder / "mask.png")
    words = ("fill", folder / "photo.png", folder / "mask.png", "-o", folder / "o.png")
    code, _, err = run(*words, "-m", "telea", "--save-hole", folder / name)
    assert code == 2
    assert says in err
    assert not (folder / "o.png").exists()
    np.testing.assert_array_equal(read(folder / "mask.png"), before)
    with pytest.raises(PictureError, match=says):
        mendpix.fill(
            folder / "photo.png", folder / "mask.png", model="telea", save_hole=folder / name
        )


def test_python_writes_the_same_hole(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    hole = folder / "hole.png"
    photo, mask = read(folder / "photo.png"), read(folder / "mask.png")
    with caplog.at_level(logging.INFO, "mendpix"):
        filled = mendpix.fill(photo, mask, model="telea", grow="auto", save_hole=hole)
    np.testing.assert_array_equal(filled[read(hole) == 0], photo[read(hole) == 0])
    assert (read(hole) > 0).sum() > (mask > 0).sum()
    assert "grow auto took" in caplog.text
