"""Specks and scratches of known position are found, and clean surroundings left alone."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mendpix.errors import Cancelled, MendError
from mendpix.io import files
from mendpix.io.picture import Picture
from mendpix.masks import holes, scratches

ROOT = Path(__file__).parents[2]


def scan(height: int = 240, width: int = 320) -> np.ndarray:
    """A soft gradient with grain, as an old print: nothing in it is thin."""
    ramp = np.linspace(60, 190, width)[None, :, None] + np.zeros((height, width, 3))
    grain = np.random.default_rng(0).normal(0, 3, (height, width, 1))
    return (ramp + grain).round().clip(0, 255).astype(np.uint8)


def spoilt(level: int) -> tuple[np.ndarray, np.ndarray]:
    """That scan with a speck, a hair and a scratch of one brightness, and where they are."""
    values, where = scan(), np.zeros((240, 320), np.uint8)
    cv2.circle(where, (60, 50), 2, 1, -1)
    cv2.polylines(where, [np.array([[100, 150], [130, 165], [160, 170], [190, 165]])], False, 1)
    cv2.line(where, (220, 20), (235, 200), 1)
    values[where > 0] = level
    return values, where > 0


@pytest.mark.parametrize("level", [0, 255])
def test_a_speck_a_hair_and_a_scratch_are_found_and_little_else(level: int) -> None:
    values, where = spoilt(level)
    found = scratches.find(Picture(values))
    near = holes.dilate(where, 2)
    assert (found & where).sum() > 0.9 * where.sum()
    assert (found & ~near).sum() <= 0.02 * where.sum()


def test_nothing_is_found_where_nothing_is() -> None:
    assert not scratches.find(Picture(scan())).any()
    assert not scratches.find(Picture(np.full((40, 40, 1), 7, np.uint8)), 1).any()


@pytest.mark.parametrize("side", [np.s_[:, 160:], np.s_[120:], np.s_[np.tri(240, 320, 30) > 0]])
def test_an_edge_is_no_scratch(side: object) -> None:
    values = scan()
    values[side] //= 3  # type: ignore[index]
    values = cv2.GaussianBlur(values, (0, 0), 1)  # no lens draws stairs
    assert not scratches.find(Picture(values)).any()


def test_more_sensitivity_finds_all_that_less_finds_and_more() -> None:
    values, where = spoilt(255)
    faint = np.where(where[..., None], scan() + 0.2 * (values.astype(float) - scan()), values)
    picture = Picture(cv2.GaussianBlur(faint.astype(np.uint8), (0, 0), 0.7))
    found = [scratches.find(picture, share) for share in (0, 0.25, 0.5, 0.75, 1)]
    assert all((less <= more).all() for less, more in pairwise(found))
    assert found[-1].sum() > found[0].sum()


def test_large_scans_show_the_same_dust_larger() -> None:
    values = scan(1200, 1600)
    cv2.circle(values, (700, 600), 5, (255, 255, 255), -1)
    found = scratches.find(Picture(values))
    assert found[600, 700] and found[597:604, 697:704].all()


@pytest.mark.parametrize("kind", ["grey", "16 bits", "float", "alpha"])
def test_all_kinds_of_pictures_are_looked_at(kind: str) -> None:
    values, _ = spoilt(255)
    picture = {
        "grey": Picture(values[..., :1]),
        "16 bits": Picture(values.astype(np.uint16) * 257),
        "float": Picture(values.astype(np.float32) / 255),
        "alpha": Picture(values, np.where(np.arange(320) < 90, 0, 255) * np.ones((240, 1))),
    }[kind]
    found = scratches.find(picture)
    assert found[100:220, 215:240].sum() > 100
    assert found[50, 60] == (kind != "alpha")  # under full transparency nothing is looked for


def test_a_sensitivity_out_of_range_is_refused() -> None:
    with pytest.raises(MendError, match=r"sensitivity is 1\.5 but must lie in 0 to 1"):
        scratches.find(Picture(scan()), 1.5)


def test_the_command_writes_a_mask_that_fill_takes(tmp_path: Path) -> None:
    values, where = spoilt(255)
    Image.fromarray(values).save(tmp_path / "old.png")
    words = ["find-scratches", tmp_path / "old.png", "-o", tmp_path / "mask.png", "--grow", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "mendpix", *map(str, words)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "mask.png: 3 parts" in done.stdout
    mask = files.read(tmp_path / "mask.png")
    assert mask.shape == (240, 320)
    assert (mask.pixels[..., 0][where] > 0).mean() > 0.95


def test_specks_or_lines_alone() -> None:
    values, _ = spoilt(255)
    both = scratches.find(Picture(values))
    specks = scratches.find(Picture(values), only="specks")
    lines = scratches.find(Picture(values), only="lines")
    assert specks[50, 60]
    assert not specks[110, 220:240].any()
    assert lines[110, 220:240].any()
    assert not lines[50, 60]
    np.testing.assert_array_equal(specks | lines, both)


def test_finding_tells_how_far_it_is_and_can_be_cancelled() -> None:
    shares: list[float] = []
    scratches.find(Picture(np.tile(scan(), (3, 3, 1))), progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    assert len(shares) >= 20

    def cancel(share: float) -> None:
        if share > 0.3:
            raise Cancelled

    with pytest.raises(Cancelled):
        scratches.find(Picture(scan()), progress=cancel)


def test_the_command_takes_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mendpix.cli.scratch_commands import find_scratches

    (tmp_path / "scans" / "box").mkdir(parents=True)
    for name, level in (("a.png", 255), ("box/b.png", 0)):
        Image.fromarray(spoilt(level)[0]).save(tmp_path / "scans" / name)
    out = tmp_path / "masks"
    find_scratches(tmp_path / "scans", out, recursive=True, preview=True, as_json=True)
    told = json.loads(capsys.readouterr().out)["scans"]
    assert [Path(one["mask"]).relative_to(out).as_posix() for one in told] == ["a.png", "box/b.png"]
    assert all(one["parts"] >= 3 and one["share"] < 0.02 for one in told)
    found = files.read(out / "a.png").pixels[..., 0] > 0
    np.testing.assert_array_equal(found, scratches.find(Picture(spoilt(255)[0])))
    red = files.read(out / "a-preview.jpg").pixels[found].mean(axis=0)
    assert red[0] > 180
    assert red[1] < 90
