"""The training-free filler: what it promises, and its search against brute force."""

import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mendpix.errors import Cancelled, MaskError
from mendpix.inpainting.patchmatch import Options, PatchMatch, numba_cache, pyramid
from mendpix.inpainting.patchmatch.completion import Completion, complete
from mendpix.inpainting.patchmatch.pyramid import Bytes, divide
from mendpix.inpainting.patchmatch.thread_pool import ThreadPool
from mendpix.types import Hole, Photo


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> Photo:
    grain = np.random.default_rng(seed).normal(0.5, 0.1, (height, width, channels))
    return np.clip(grain, 0, 1).astype(np.float32)


def scene(height: int = 96, width: int = 128, seed: int = 0) -> Photo:
    """Smooth shapes with grain."""
    rough = np.random.default_rng(seed).random((6, 8, 3)).astype(np.float32)
    smooth = cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(0.8 * smooth + 0.2 * noise(height, width, seed=seed), 0, 1).astype(np.float32)


def block(shape: tuple[int, ...], top: int, left: int, height: int, width: int) -> Hole:
    hole = np.zeros(shape[:2], np.bool_)
    hole[top : top + height, left : left + width] = True
    return hole


def test_known_pixels_are_untouched_and_the_input_too() -> None:
    photo = scene()
    hole = block(photo.shape, 30, 40, 30, 30)
    given = photo.copy()
    filled = PatchMatch()(photo, hole)
    assert filled.dtype == np.float32
    np.testing.assert_array_equal(filled[~hole], photo[~hole])
    np.testing.assert_array_equal(photo, given)


def test_what_lies_under_the_hole_is_never_looked_at() -> None:
    photo = scene()
    hole = block(photo.shape, 30, 40, 30, 30)
    other = photo.copy()
    other[hole] = np.nan
    np.testing.assert_array_equal(PatchMatch()(photo, hole), PatchMatch()(other, hole))


def test_nothing_missing_is_a_copy() -> None:
    photo = scene()
    np.testing.assert_array_equal(PatchMatch()(photo, np.zeros(photo.shape[:2], np.bool_)), photo)


def test_everything_missing_names_the_way_out() -> None:
    photo = scene(16, 16)
    with pytest.raises(MaskError, match=r"all 256 pixels are missing.*--invert"):
        PatchMatch()(photo, np.ones((16, 16), np.bool_))


@pytest.mark.parametrize("period", [4, 8, 12])
def test_stripes_are_continued(period: int) -> None:
    rows, columns = np.mgrid[:96, :96]
    truth = ((rows + columns) // (period // 2) % 2).astype(np.float32)[..., None]
    hole = block(truth.shape, 35, 35, 24, 24)
    filled = PatchMatch()(np.where(hole[..., None], np.float32(0), truth), hole)
    np.testing.assert_allclose(filled, truth, atol=0.02)


def test_a_flat_picture_stays_flat() -> None:
    photo = np.full((64, 64, 3), 0.3, np.float32)
    filled = PatchMatch()(photo, block(photo.shape, 20, 20, 20, 20))
    np.testing.assert_allclose(filled, photo, atol=1e-3)


def test_an_edge_is_joined() -> None:
    photo = np.full((96, 96, 3), 0.2, np.float32)
    photo[:, 48:] = 0.8
    hole = block(photo.shape, 30, 34, 36, 28)
    filled = PatchMatch()(np.where(hole[..., None], np.float32(0.5), photo), hole)
    wrong = np.abs(filled - photo).max(axis=2) > 0.1
    assert np.count_nonzero(wrong) <= 2 * 36  # the edge is at most two pixels off


def test_grain_is_kept() -> None:
    photo = noise(128, 128)
    hole = block(photo.shape, 40, 40, 48, 48)
    filled = PatchMatch()(photo, hole)
    assert 0.85 < filled[hole].std() / photo[~hole].std() < 1.15


@pytest.mark.parametrize("channels", [1, 2, 8])
def test_any_number_of_channels(channels: int) -> None:
    photo = noise(48, 64, channels)
    hole = block(photo.shape, 20, 20, 10, 12)
    filled = PatchMatch()(photo, hole)
    assert filled.shape == photo.shape
    assert np.isfinite(filled).all() and filled.min() >= 0 and filled.max() <= 1


def test_grey_is_filled_alike_in_one_channel_or_three() -> None:
    grey = noise(64, 64, 1)
    hole = block(grey.shape, 20, 20, 16, 16)
    three = PatchMatch(texture=0.0)(np.repeat(grey, 3, axis=2), hole)
    np.testing.assert_array_equal(three[..., 0], three[..., 2])
    np.testing.assert_allclose(
        PatchMatch(texture=0.0)(grey, hole)[..., 0], three[..., 0], atol=0.02
    )


@pytest.mark.parametrize(("height", "width"), [(1, 40), (3, 5), (7, 7), (8, 200)])
def test_tiny_and_narrow_pictures(height: int, width: int) -> None:
    photo = noise(height, width)
    hole = np.zeros((height, width), np.bool_)
    hole[0, 0] = hole[height // 2, width // 2] = True
    filled = PatchMatch()(photo, hole)
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[~hole], photo[~hole])


def test_almost_everything_missing() -> None:
    photo = scene(64, 64)
    hole = ~block(photo.shape, 0, 0, 3, 3)
    filled = PatchMatch()(photo, hole)
    low, high = photo[~hole].min(axis=0), photo[~hole].max(axis=0)
    assert (filled >= low).all() and (filled <= high).all()


EASY = Options(radius=1, rounds=1, last_rounds=1, sweeps=1, peel_tries=2)


@pytest.mark.parametrize("side", [300, 1000])
def test_no_value_is_filled_in_that_is_not_known(side: int) -> None:
    """The middle of a hole may be so far from its rim that nothing there is trusted any more."""
    photo = 0.6 + 0.3 * scene(side + 80, side + 80)
    hole = block(photo.shape, 40, 40, side, side)
    filled = PatchMatch(options=EASY)(photo, hole)
    low, high = photo[~hole].min(axis=0), photo[~hole].max(axis=0)
    assert (filled >= low).all() and (filled <= high).all()


def test_evening_out_seams_adds_no_value_that_is_not_known() -> None:
    photo = np.where(np.random.default_rng(0).random((40, 40, 1)) < 0.5, 0.4, 0.6)
    photo = np.repeat(photo, 3, axis=2).astype(np.float32)
    hole = ~block(photo.shape, 0, 0, 9, 9)
    filled = PatchMatch(seam=1.0)(photo, hole)
    assert filled.min() == np.float32(0.4) and filled.max() == np.float32(0.6)


def test_more_sizes_than_the_hole_lasts_for() -> None:
    photo = scene(160, 160)
    hole = block(photo.shape, 70, 70, 3, 3)
    filled = PatchMatch(levels=6).missing(photo, hole, whole=True)
    assert np.abs(filled - photo[hole]).max() < 0.5


@pytest.mark.parametrize(
    ("switch", "longest", "seeds"), [("NUMBA_BOUNDSCHECK", 60, 1), ("NUMBA_DISABLE_JIT", 5, 1)]
)
def test_no_index_leaves_its_array(switch: str, longest: int, seeds: int) -> None:
    """Where only strips, corners and single pixels are known, of pictures down to 1x2 pixels."""
    program = Path(__file__).parents[1] / "support" / "loop_bounds.py"
    run = subprocess.run(
        [sys.executable, "-W", "ignore", program, str(longest), str(seeds)],
        capture_output=True,
        text=True,
        env=os.environ | {switch: "1"},
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert int(run.stdout) > 100


STRIPS = """
import hashlib, sys, numpy as np
from mendpix.inpainting.patchmatch import Options, PatchMatch
digest = hashlib.sha256()
for height, width, known in ((420, 8, np.s_[-1]), (8, 420, np.s_[:, 0]), (6, 420, np.s_[:, -2:])):
    photo = np.random.default_rng(0).random((height, width, 3), np.float32)
    hole = np.ones((height, width), np.bool_)
    hole[known] = False
    for guide in (None, photo[::-1, ::-1]):
        options = Options(rounds=1, last_rounds=1, peel_tries=1)
        digest.update(PatchMatch(7, guide, int(sys.argv[1]), options)(photo, hole))
print(digest.hexdigest())
"""


def test_strips_give_the_same_bytes_in_every_process_and_for_any_number_of_threads() -> None:
    runs = [
        subprocess.run(
            [sys.executable, "-c", STRIPS, threads], capture_output=True, text=True, check=True
        ).stdout
        for threads in ("1", "1", "3")
    ]
    assert len(set(runs)) == 1


def test_same_bytes_for_any_number_of_threads() -> None:
    photo = scene(256, 256)
    hole = block(photo.shape, 60, 60, 130, 120)
    first = PatchMatch(seed=5, threads=1)(photo, hole)
    for threads in (2, 3, 7):
        np.testing.assert_array_equal(PatchMatch(seed=5, threads=threads)(photo, hole), first)


def test_same_bytes_when_several_fill_at_once() -> None:
    photo = scene(160, 160)
    hole = block(photo.shape, 40, 40, 80, 70)
    filler = PatchMatch(threads=2)
    alone = filler(photo, hole)
    with ThreadPoolExecutor(4) as pool:
        for filled in pool.map(lambda _: filler(photo, hole), range(8)):
            np.testing.assert_array_equal(filled, alone)


@pytest.mark.parametrize("guided", [False, True])
def test_completing_a_gap_is_what_the_filler_does_in_one_piece(guided: bool) -> None:
    photo = scene(90, 70)
    guide = photo[::-2, ::3].copy() if guided else None
    hole = block(photo.shape, 30, 20, 25, 30)
    photo[:9, :9] = np.nan
    gap = hole | np.isnan(photo[..., 0])
    values = complete(photo, gap, guide, 4, Options(radius=2), threads=2)
    filler = PatchMatch(4, guide, radius=2)
    np.testing.assert_array_equal(values[hole[gap]], filler.missing(photo, hole, whole=True))


def test_seeds_differ() -> None:
    photo = noise(96, 96)
    hole = block(photo.shape, 30, 30, 30, 30)
    assert (PatchMatch(seed=1)(photo, hole) != PatchMatch(seed=2)(photo, hole)).any()


def test_what_is_far_away_does_not_matter() -> None:
    photo = scene(128, 400)
    hole = block(photo.shape, 50, 20, 20, 20)
    other = photo.copy()
    other[:, 200:] = noise(128, 200, seed=9)
    np.testing.assert_array_equal(PatchMatch()(photo, hole)[hole], PatchMatch()(other, hole)[hole])


def test_pixels_that_are_not_finite_are_no_sources_and_stay() -> None:
    photo = scene()
    hole = block(photo.shape, 30, 40, 20, 20)
    photo[:, :30] = np.nan
    photo[5, 100] = np.inf
    filled = PatchMatch()(photo, hole)
    assert np.isfinite(filled[hole]).all()
    np.testing.assert_array_equal(filled[~hole], photo[~hole])


def test_progress_rises_to_one() -> None:
    told: list[float] = []
    photo = scene(200, 200)
    hole = block(photo.shape, 10, 10, 30, 40) | block(photo.shape, 150, 150, 30, 20)
    PatchMatch()(photo, hole, told.append)
    assert told == sorted(told)
    assert len(told) > 10 and 0 <= told[0] < 0.5 and told[-1] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("threads", [1, 2])
def test_progress_may_cancel(threads: int) -> None:
    def stop(share: float) -> None:
        if share > 0.2:
            raise Cancelled

    photo = scene(200, 200)
    with pytest.raises(Cancelled):
        PatchMatch(threads=threads)(photo, block(photo.shape, 50, 50, 100, 90), stop)


@pytest.mark.parametrize("size", [(96, 96), (12, 12)])
@pytest.mark.parametrize("bright", [False, True])
def test_the_fill_stays_near_its_guide(size: tuple[int, int], bright: bool) -> None:
    photo = np.full((96, 96, 3), 0.2, np.float32) + 0.05 * noise(96, 96)
    photo[:, :30] += np.float32(0.6)
    hole = block(photo.shape, 30, 50, 30, 30)
    guide = photo.copy()
    guide[hole] = 0.8 if bright else 0.2
    small = cv2.resize(guide, size[::-1], interpolation=cv2.INTER_AREA)
    middle = PatchMatch(guide=small)(photo, hole)[40:50, 60:70]
    assert abs(middle.mean() - (0.83 if bright else 0.23)) < 0.1


def test_what_follows_a_smooth_guide_is_as_rough_as_the_places_it_points_at() -> None:
    photo = np.full((200, 260, 3), 0.56, np.float32)
    photo[:, 60:] = 0.5 + 0.2 * (noise(200, 200) - 0.5)
    hole = block(photo.shape, 40, 100, 120, 120)
    guide = cv2.GaussianBlur(photo, (0, 0), 6)
    guide[hole] = 0.52  # as a soft fill would: no texture, and hardly nearer to the rough part
    filled = complete(photo, hole, guide, 0, Options(radius=2, rounds=3, last_rounds=1), 1)
    assert abs(filled.mean() - 0.5) < 0.01
    assert filled.std() > 0.8 * photo[:, 70:].std()


def completed(photo: Photo, hole: Hole, rounds: int) -> Completion:
    options = Options(levels=1, rounds=rounds, last_rounds=rounds)
    with ThreadPool(1) as pool:
        job = Completion(photo, hole, None, 0, options, pool)
        job.run()
    return job


def patches(job: Completion, centres: NDArray[np.int32]) -> NDArray[np.int64]:
    level = job.levels[0]
    r, features = level.radius, level.features.astype(np.int64)
    return np.stack([features[y - r : y + r + 1, x - r : x + r + 1].ravel() for y, x in centres])


def test_costs_are_sums_of_squared_differences_and_near_the_best_there_are() -> None:
    photo = scene(48, 56)
    job = completed(photo, block(photo.shape, 18, 20, 8, 10), rounds=6)
    level = job.levels[0]
    job.search(level, 0)  # what was voted last changed the targets: find and score anew
    targets, sources = patches(job, level.centre), patches(job, np.argwhere(level.source))
    matched = patches(job, level.match)
    np.testing.assert_array_equal(level.cost, ((targets - matched) ** 2).sum(axis=1))
    best = np.array([((sources - target) ** 2).sum(axis=1).min() for target in targets])
    assert (level.cost >= best).all()
    assert level.cost.sum() < 1.3 * best.sum()


def test_sources_touch_neither_hole_nor_border() -> None:
    hole = block((20, 20), 8, 8, 2, 2)
    source, target = divide(hole, 3)
    for y, x in np.argwhere(source | target):
        assert 3 <= y < 17 and 3 <= x < 17
        assert hole[y - 3 : y + 4, x - 3 : x + 4].any() == target[y, x] != source[y, x]


@pytest.mark.parametrize("band", [1, 37, 1000])
def test_what_patches_are_compared_by_shows_no_bands(
    monkeypatch: pytest.MonkeyPatch, band: int
) -> None:
    photo = scene(150, 90)
    known = ~block(photo.shape, 40, 30, 60, 20)

    def compute() -> Bytes:
        with ThreadPool(2) as pool:
            return pyramid.compute_features(photo, known, True, 8, Options(), pool)

    whole = compute()
    assert whole.shape == (150, 90, 8)
    monkeypatch.setattr(pyramid, "_BAND", band)
    np.testing.assert_array_equal(compute(), whole)


def test_importing_is_cheap() -> None:
    code = (
        "import sys, mendpix.inpainting.patchmatch as pm; pm.PatchMatch(); pm.compiled(); "
        "print('numba' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_compiled_is_known_from_the_cache_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    PatchMatch().prepare()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert not numba_cache.compiled()


def test_without_a_place_to_keep_it_compiles_in_memory_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    numba_cache._warn.cache_clear()
    names: dict[str, object] = {}
    exec("def twice(x):\n    return x + x", names)  # no file, so Numba finds no cache folder
    with caplog.at_level(logging.WARNING, "mendpix.inpainting.patchmatch"):
        twice = numba_cache.kernel("int64(int64)")(names["twice"])  # type: ignore[arg-type]
    assert twice(21) == 42
    assert "NUMBA_CACHE_DIR" in caplog.text


def test_a_real_photo_is_filled_better_than_with_its_mean(shared: Path) -> None:
    photo = cv2.imread(str(shared / "eval/photos/d002.webp")).astype(np.float32) / 255
    hole = cv2.imread(str(shared / "eval/masks/d002.png"), cv2.IMREAD_GRAYSCALE) > 127
    filled = PatchMatch()(photo, hole)
    flat = np.abs(photo[~hole].mean(axis=0) - photo[hole]).mean()
    assert np.abs(filled[hole] - photo[hole]).mean() < flat
