"""Where texture may come from: what is barred serves no patch, whatever it looks like."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

import mendpix
from mendpix.errors import MaskError, MendError
from mendpix.inpainting.hybrid.filler import HybridFiller
from mendpix.inpainting.options import FillOptions, FillSettings
from mendpix.inpainting.patchmatch import PatchMatch, constraints
from mendpix.types import Hole, Photo

RED, GREEN = (200, 20, 20), (20, 200, 20)


def draw_box(shape: tuple[int, ...], top: int, left: int, height: int, width: int) -> Hole:
    area = np.zeros(shape[:2], np.bool_)
    area[top : top + height, left : left + width] = True
    return area


def make_halves(height: int = 80, width: int = 160) -> tuple[Photo, Hole, Hole]:
    """Red grain on the left, green grain on the right, a hole within the red; the red part."""
    grain = np.random.default_rng(0).integers(-15, 16, (height, width, 1))
    colours = np.where(np.arange(width)[:, None] < width // 2, RED, GREEN) + grain
    photo = (colours / 255).astype(np.float32)
    return photo, draw_box(photo.shape, 30, 20, 20, 20), draw_box(photo.shape, 0, 0, height, 80)


@pytest.mark.parametrize("make", [PatchMatch, lambda: HybridFiller(refine=None)])
def test_patches_come_from_the_sources_only(make: Any) -> None:
    photo, hole, red = make_halves()
    assert make()(photo, hole)[hole][:, 0].min() > 0.6  # by itself it copies the red around it
    filled = make()(photo, hole, sources=~red)
    assert (filled[hole][:, 1] > filled[hole][:, 0]).all()
    np.testing.assert_array_equal(filled[~hole], photo[~hole])


def test_values_are_copied_from_the_sources_only() -> None:
    photo, hole, _red = make_halves()
    sources = draw_box(photo.shape, 3, 100, 30, 40)
    photo[sources] = np.random.default_rng(1).random((sources.sum(), 3), np.float32)
    filled = PatchMatch(seam=0.0)(photo, hole, sources=sources)
    known = {tuple(value) for value in photo[sources].tolist()}
    assert {tuple(value) for value in filled[hole].tolist()} <= known


def test_all_known_as_sources_fills_as_without() -> None:
    photo, hole, _ = make_halves()
    everything = np.ones(hole.shape, np.bool_)
    np.testing.assert_array_equal(
        PatchMatch().missing(photo, hole, whole=True, sources=everything),
        PatchMatch().missing(photo, hole, whole=True),
    )


def test_a_window_reaches_sources_that_are_far_away() -> None:
    hole = draw_box((300, 2000), 140, 1900, 20, 20)
    sources = draw_box(hole.shape, 10, 5, 12, 30)
    ((share, window),) = constraints.plan_windows(hole, hole, sources)
    assert share == 1 and (window.left, window.left + window.width) == (5, 1968)
    assert window.top <= 10 and window.height < 300


def test_sources_without_a_patch_are_refused() -> None:
    photo, hole, _ = make_halves()
    with pytest.raises(MaskError, match=r"leave 160 known pixels.*square of 5x5"):
        PatchMatch()(photo, hole, sources=draw_box(hole.shape, 0, 0, 1, 160))
    PatchMatch()(photo, hole, sources=draw_box(hole.shape, 0, 0, 5, 5))


def test_a_deep_hole_keeps_to_its_sources() -> None:
    photo, _, _red = make_halves(700, 900)
    hole = draw_box(photo.shape, 50, 100, 600, 600)
    filled = HybridFiller(refine=None)(photo, hole, sources=draw_box(hole.shape, 5, 760, 600, 120))
    assert (filled[hole][:, 1] > filled[hole][:, 0]).all()


@pytest.mark.parametrize("model", ["auto", "patchmatch"])
def test_arrays_in_python(model: str) -> None:
    photo, hole, red = make_halves()
    levels = np.rint(photo * 255).astype(np.uint8)
    filled = mendpix.fill(levels, hole, model=model, exclude=red)
    same = mendpix.fill(levels, hole, model=model, source=(~red * 255).astype(np.uint8))
    np.testing.assert_array_equal(filled, same)
    np.testing.assert_array_equal(filled[~hole], levels[~hole])
    if model == "patchmatch":
        assert (filled[hole][:, 1] > filled[hole][:, 0]).all()


def test_tries_keep_to_the_sources() -> None:
    photo, hole, red = make_halves()
    levels = np.rint(photo * 255).astype(np.uint8)
    for filled in mendpix.fill(levels, hole, model=HybridFiller(None), exclude=red, tries=2):
        assert (filled[hole][:, 1] > filled[hole][:, 0]).all()


def test_a_filler_that_copies_nothing_refuses() -> None:
    photo, hole, red = make_halves()
    with pytest.raises(MendError, match=r"Telea copies no texture.*auto or patchmatch"):
        mendpix.fill(photo, hole, model="telea", exclude=red)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"source": np.zeros((80, 160), bool)}, "the mask of source marks nothing"),
        ({"exclude": np.ones((80, 160), bool)}, "allow 0 of 12800 pixels"),
        ({"exclude": np.ones((8, 16), bool)}, "of exclude, the mask is 16x8 but photo is 160x80"),
        ({"source": draw_box((80, 160), 30, 20, 20, 20)}, "leave 0 known pixels"),
    ],
)
def test_areas_that_leave_too_little_are_told(keywords: Any, message: str) -> None:
    photo, hole, _ = make_halves()
    with pytest.raises(MaskError, match=message):
        mendpix.fill(photo, hole, model="patchmatch", **keywords)


def test_files_of_the_command(tmp_path: Path) -> None:
    from mendpix.inpainting.batch import FillTask, fill_file
    from mendpix.inpainting.registry import open_filler

    photo, hole, red = make_halves()
    Image.fromarray(np.rint(photo * 255).astype(np.uint8)).save(tmp_path / "a.png")
    cv2.imwrite(str(tmp_path / "m.png"), hole * np.uint8(255))
    cv2.imwrite(str(tmp_path / "x.png"), red * np.uint8(255))
    settings = FillSettings("patchmatch", FillOptions(exclude=tmp_path / "x.png"))
    task = FillTask(tmp_path / "a.png", tmp_path / "m.png", tmp_path / "x.png")
    assert "x.png is a photo or mask" in fill_file(task, settings, open_filler(settings)).error
    task = FillTask(tmp_path / "a.png", tmp_path / "m.png", tmp_path / "out.png")
    assert not fill_file(task, settings, open_filler(settings)).error
    filled = np.asarray(Image.open(tmp_path / "out.png"))
    assert (filled[hole][:, 1] > filled[hole][:, 0]).all()
