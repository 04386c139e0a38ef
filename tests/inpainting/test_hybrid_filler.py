"""The default filler: what it promises, with PatchMatch alone and with a refiner."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from graphs import saved
from onnx import helper

import mendpix
from mendpix.errors import Cancelled, MaskError, MendError
from mendpix.inpainting.base import CheckedFiller
from mendpix.inpainting.hybrid import filler
from mendpix.inpainting.hybrid.filler import DEPTH, VARIANTS, HybridFiller, list_variants
from mendpix.inpainting.hybrid.tiling import level_rim
from mendpix.inpainting.patchmatch import Options, PatchMatch
from mendpix.inpainting.windows import Region, find_finite
from mendpix.types import Hole, Photo, Progress
from mendpix.weights import cards


def scene(height: int = 96, width: int = 128, channels: int = 3, seed: int = 0) -> Photo:
    """Smooth shapes with grain."""
    random = np.random.default_rng(seed)
    rough = random.random((6, 8, channels)).astype(np.float32)
    smooth = cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)
    photo = 0.2 + 0.6 * smooth.reshape(height, width, channels).clip(0, 1)
    return np.asarray(photo + random.normal(0, 0.02, photo.shape), np.float32).clip(0, 1)


def block(shape: tuple[int, ...], top: int, left: int, height: int, width: int) -> Hole:
    hole = np.zeros(shape[:2], np.bool_)
    hole[top : top + height, left : left + width] = True
    return hole


def softened(photo: Photo, hole: Hole, progress: Progress | None = None) -> Photo:
    """A refiner of a kind: it blurs, so that its work can be told from PatchMatch's."""
    blurred = cv2.GaussianBlur(photo, (0, 0), 3)
    return np.where(hole[..., None], blurred.reshape(photo.shape), photo)


Refiner = Callable[[Photo, Hole, Progress | None], Photo] | None


@pytest.mark.parametrize("refine", [None, softened])
@pytest.mark.parametrize("quality", ["fast", "best"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_known_pixels_are_untouched_and_the_input_too(
    refine: Refiner, quality: str, channels: int
) -> None:
    photo = scene(channels=channels)
    hole = block(photo.shape, 30, 40, 20, 24)
    given = photo.copy()
    filled = HybridFiller(refine, quality)(photo, hole)  # type: ignore[arg-type]
    assert filled.dtype == np.float32
    np.testing.assert_array_equal(filled[~hole], photo[~hole])
    np.testing.assert_array_equal(photo, given)
    assert 0 <= filled.min() <= filled.max() <= 1


def test_alone_and_without_grain_it_is_patchmatch() -> None:
    photo = scene()
    hole = block(photo.shape, 30, 40, 20, 24)
    np.testing.assert_array_equal(
        HybridFiller(None, regrain=False, seed=3)(photo, hole), PatchMatch(3, radius=2)(photo, hole)
    )


def test_what_lies_under_the_hole_is_never_looked_at() -> None:
    photo = scene()
    hole = block(photo.shape, 30, 40, 20, 24)
    other = np.where(hole[..., None], np.float32(np.nan), photo)
    np.testing.assert_array_equal(
        HybridFiller(softened)(photo, hole), HybridFiller(softened)(other, hole)
    )


def test_the_refiner_is_shown_a_filled_photo_without_gaps() -> None:
    photo = scene()
    hole = block(photo.shape, 30, 40, 20, 24)
    photo[hole] = np.nan
    photo[60:70, 90:100] = np.nan  # unusable, as where a picture is transparent
    seen = []

    def look(shown: Photo, missing: Hole, progress: Progress | None = None) -> Photo:
        seen.append((shown, missing))
        return shown

    filled = HybridFiller(look, regrain=False)(photo, hole)
    assert np.isnan(filled[60:70, 90:100]).all()
    assert np.isfinite(filled[hole]).all()
    (shown, missing), *more = seen
    assert not more
    assert np.isfinite(shown).all()
    assert missing.sum() == hole.sum()


def test_a_deep_hole_is_settled_on_a_smaller_picture_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(filler, "DEEP", 96)
    photo = scene(500, 520)
    hole = block(photo.shape, 100, 110, 290, 300)
    depths = []

    def look(shown: Photo, missing: Hole, progress: Progress | None = None) -> Photo:
        distance = cv2.distanceTransform(missing.astype(np.uint8), cv2.DIST_L2, 5)
        depths.append(float(distance.max()))
        return shown

    filled = HybridFiller(look)(photo, hole)
    assert len(depths) == 2
    assert abs(depths[0] - DEPTH) < 3
    assert abs(depths[1] - 145) < 3
    np.testing.assert_array_equal(filled[~hole], photo[~hole])


def test_a_deep_hole_follows_what_was_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The refiner paints the small picture's hole dark on one side; the large fill must be too."""
    monkeypatch.setattr(filler, "DEEP", 96)
    photo = scene(500, 520)
    photo[:, :260] *= 0.3
    hole = block(photo.shape, 100, 110, 290, 300)

    def paint(shown: Photo, missing: Hole, progress: Progress | None = None) -> Photo:
        if missing.shape[0] > 300:
            return shown
        rows, _ = np.nonzero(missing)
        top = np.arange(missing.shape[0])[:, None] < (rows.min() + rows.max()) / 2
        painted = np.where(top[..., None], np.float32(0.15), np.float32(0.5))
        return np.where(missing[..., None], painted, shown)

    filled = HybridFiller(paint)(photo, hole)
    assert filled[130:220, 180:340].mean() < 0.25
    assert filled[270:360, 180:340].mean() > 0.4


def test_reduced_keeps_colours_and_marks_what_is_unusable() -> None:
    photo = np.full((400, 400, 3), 0.5, np.float32)
    hole = block(photo.shape, 60, 60, 280, 280)
    photo[hole] = 9
    photo[:40, :40] = np.nan
    unusable = ~find_finite(photo)
    small = Region(photo, hole, unusable).shrink(DEPTH, 96)
    assert small is not None
    assert np.isnan(small.photo[:15, :15]).all()
    usable = ~small.hole & ~small.unusable
    np.testing.assert_allclose(small.photo[usable], 0.5, atol=1e-6)
    shallow = block(photo.shape, 60, 60, 150, 150)
    assert Region(photo, shallow, unusable).shrink(DEPTH, 96) is None


def test_a_step_at_the_rim_is_levelled_and_the_middle_left() -> None:
    photo = np.full((200, 200, 3), 0.4, np.float32)
    hole = block(photo.shape, 40, 50, 110, 100)
    photo[hole] = 0.5
    level = level_rim(photo, hole)
    np.testing.assert_array_equal(level[~hole], photo[~hole])
    assert abs(level[40, 100, 0] - 0.4) < 0.025
    np.testing.assert_allclose(level[85:105, 90:110], 0.5, atol=1e-3)
    assert (np.diff(level[40:95, 100, 0]) >= -1e-4).all()


@pytest.mark.parametrize("refine", [None, softened])
def test_same_bytes_for_any_number_of_threads(refine: Refiner) -> None:
    photo = scene()
    hole = block(photo.shape, 30, 40, 20, 24)
    first = HybridFiller(refine, "best", seed=2, threads=1)(photo, hole)
    np.testing.assert_array_equal(
        first, HybridFiller(refine, "best", seed=2, threads=3)(photo, hole)
    )


def test_tries_differ_and_the_first_is_the_best() -> None:
    photo = scene()
    hole = block(photo.shape, 30, 40, 20, 24) | block(photo.shape, 70, 8, 6, 6)
    mender = HybridFiller(softened, "best")
    found = list(mender.candidates(photo, hole, 7))
    assert len({fill.tobytes() for fill in found}) == 7
    for fill in found:
        np.testing.assert_array_equal(fill[~hole], photo[~hole])
    np.testing.assert_array_equal(next(mender.candidates(photo, hole, 1)), mender(photo, hole))


def test_more_tries_than_ways_get_other_seeds() -> None:
    asked = list_variants(3 * len(VARIANTS))
    assert len(set(asked)) == len(asked)


def test_a_refiner_that_smooths_takes_no_texture() -> None:
    photo = scene(160, 200)
    hole = block(photo.shape, 50, 60, 60, 70)
    inside = block(photo.shape, 56, 66, 48, 58)

    def rough(filled: Photo) -> float:
        return float((filled - cv2.GaussianBlur(filled, (0, 0), 2))[inside].std())

    first = rough(HybridFiller(None)(photo, hole))
    assert rough(softened(HybridFiller(None)(photo, hole), hole)) < 0.5 * first
    assert rough(HybridFiller(softened, regrain=False)(photo, hole)) > 0.85 * first


def test_the_bundled_network_is_used_where_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that darkens everything stands in the package's place."""
    monkeypatch.setattr(cards, "BUNDLED", tmp_path)
    photo = scene()
    hole = block(photo.shape, 30, 40, 20, 24)
    alone = mendpix.load("auto")(photo, hole)
    np.testing.assert_array_equal(alone, HybridFiller(None)(photo, hole))
    shape = ["n", 3, "h", "w"]
    nodes = [helper.make_node("Mul", ["photo", "third"], ["image"])]
    card = {"adapter": {"inputs": {"photo": ["photo"]}, "start": "patchmatch", "multiple": 16}}
    path = tmp_path / "mender.onnx"
    saved(path, nodes, {"photo": shape}, {"image": shape}, {"third": 0.3}, card)
    dark = mendpix.load("auto")(photo, hole)
    np.testing.assert_array_equal(dark[~hole], photo[~hole])
    assert abs(dark[hole].mean() / alone[hole].mean() - 0.3) < 0.03


def test_nothing_missing_is_a_copy() -> None:
    photo = scene()
    filled = HybridFiller()(photo, np.zeros(photo.shape[:2], np.bool_))
    np.testing.assert_array_equal(filled, photo)
    assert filled is not photo


def test_everything_missing_names_the_way_out() -> None:
    with pytest.raises(MaskError, match="all 256 pixels are missing"):
        CheckedFiller(HybridFiller())(scene(16, 16), np.ones((16, 16), np.bool_))


@pytest.mark.parametrize("quality", ["fast", "best"])
@pytest.mark.parametrize("known", [np.s_[30, 70], np.s_[:, 139], np.s_[58:], np.s_[:3, :3]])
def test_a_deep_hole_with_little_known_is_filled(
    quality: str, known: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though on the smaller picture nothing is known."""
    monkeypatch.setattr(filler, "DEEP", 24)
    monkeypatch.setattr(filler, "DEPTH", 6)
    photo = scene(60, 140)
    hole = np.ones(photo.shape[:2], np.bool_)
    hole[known] = False
    filled = HybridFiller(None, quality)(photo, hole)  # type: ignore[arg-type]
    low, high = photo[~hole].min(axis=0), photo[~hole].max(axis=0)
    assert (filled[hole] >= low).all() and (filled[hole] <= high).all()


@pytest.mark.parametrize("shape", [(1, 2), (1, 40), (40, 1), (3, 4), (6, 30)])
@pytest.mark.parametrize("quality", ["fast", "best"])
def test_pictures_smaller_than_a_patch_and_nan(shape: tuple[int, int], quality: str) -> None:
    """One pixel is known, another is NaN; all borders are touched by the hole."""
    photo = scene(*shape)
    hole = np.ones(shape, np.bool_)
    hole[shape[0] // 2, shape[1] // 2] = False
    if hole.sum() > 1:
        hole[0, 0], photo[0, 0] = False, np.nan
    filled = HybridFiller(softened, quality)(photo, hole)  # type: ignore[arg-type]
    np.testing.assert_allclose(
        filled[hole],
        np.broadcast_to(photo[shape[0] // 2, shape[1] // 2], (hole.sum(), 3)),
        atol=1e-3,
    )
    photo[~hole] = np.nan
    with pytest.raises(MaskError, match="pixels are missing"):
        CheckedFiller(HybridFiller(softened, quality))(photo, hole)  # type: ignore[arg-type]


@pytest.mark.parametrize("side", [300, 1000])
def test_a_large_hole_is_as_bright_and_as_rough_as_its_surroundings(
    side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everywhere: a piece that the network goes over may lie wholly inside the hole."""
    monkeypatch.setattr(filler, "GUIDED", Options(rounds=1, last_rounds=1, sweeps=1))
    photo = np.random.default_rng(0).normal(0.8, 0.06, (side + 120, side + 120, 3)).clip(0.6, 1)
    photo = cv2.GaussianBlur(photo.astype(np.float32), (0, 0), 1)
    hole = block(photo.shape, 60, 60, side, side)
    filled = HybridFiller("bundled")(photo, hole)
    known = photo[:50].std()
    for top in range(60, side, 60):
        for left in range(60, side, 60):
            part = filled[top : top + 60, left : left + 60]
            assert abs(part.mean() - 0.8) < 0.025  # the network makes noise brighter by 0.01
            assert 0.5 * known < part.std() < 1.5 * known


def test_another_quality_is_refused() -> None:
    with pytest.raises(MendError, match="quality is 'good' but must be 'fast' or 'best'"):
        HybridFiller(quality="good")  # type: ignore[arg-type]


@pytest.mark.parametrize("quality", ["fast", "best"])
def test_progress_rises_to_one_and_can_stop(quality: str) -> None:
    photo = scene()
    hole = block(photo.shape, 30, 40, 20, 24) | block(photo.shape, 2, 2, 3, 3)
    told: list[float] = []
    HybridFiller(softened, quality)(photo, hole, told.append)  # type: ignore[arg-type]
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)

    def stop(share: float) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        HybridFiller(softened, quality)(photo, hole, stop)  # type: ignore[arg-type]
