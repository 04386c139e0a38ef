"""The native benchmark measures what it says: known answers for its metrics and its intervals."""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
MODULES = ("native_metrics", "native_report", "native_fillers", "native_sets", "photographs")


@pytest.fixture
def native(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import native_fillers
    import native_metrics
    import native_report
    import native_sets

    yield SimpleNamespace(
        metrics=native_metrics, report=native_report, fillers=native_fillers, sets=native_sets
    )
    for name in MODULES:
        sys.modules.pop(name, None)


def noise(side: int = 256) -> NDArray[np.uint8]:
    values = np.random.default_rng(3).normal(128, 40, (side, side, 3))
    return cv2.GaussianBlur(values.clip(0, 255).astype(np.uint8), (0, 0), 1.0)  # type: ignore[return-value]


def square(side: int = 256) -> NDArray[np.bool_]:
    hole = np.zeros((side, side), bool)
    hole[96:160, 90:170] = True
    return hole


def test_the_truth_has_all_its_bands_and_an_ordinary_rim(native: SimpleNamespace) -> None:
    truth, hole = noise(), square()
    assert native.metrics.bands(truth, truth, hole, hole) == [1, 1, 1]
    assert abs(native.metrics.rim_z(truth, truth, hole)) < 3


def test_half_the_contrast_is_half_of_each_band(native: SimpleNamespace) -> None:
    truth = noise()
    grey = int(truth.mean())
    flat = np.rint(grey + (truth.astype(float) - grey) / 2).astype(np.uint8)
    everywhere = np.ones(truth.shape[:2], bool)
    ratios = native.metrics.bands(flat, truth, everywhere, everywhere)
    np.testing.assert_allclose(ratios, 0.5, atol=0.02)


def test_a_band_without_content_is_not_measured(native: SimpleNamespace) -> None:
    grey = np.full((256, 256, 3), 90, np.uint8)
    assert native.metrics.bands(noise(), grey, square(), square()) == [None, None, None]


def test_a_thing_s_bands_are_those_of_the_ring(native: SimpleNamespace) -> None:
    """The thing is flat, its surroundings are not: a fill like them has their energy."""
    background, hole = noise(), square()
    truth = np.where(hole[..., None], np.uint8(128), background)
    ring = native.metrics.ring_of(hole)
    assert ring[96 - 48, 90] and not ring[96 - 49, 90] and not ring[hole].any()
    ratios = native.metrics.bands(background, truth, hole, ring)
    np.testing.assert_allclose(ratios, 1, atol=0.2)


def test_a_step_at_the_rim_bends_and_a_slope_does_not(native: SimpleNamespace) -> None:
    truth, hole = noise(), square()
    lighter = np.where(hole[..., None], np.minimum(truth, 215) + 40, truth).astype(np.uint8)
    assert native.metrics.rim_z(lighter, truth, hole) > 10
    slope = np.repeat(np.arange(200, dtype=np.uint8)[None, :, None], 200, 0).repeat(3, 2)
    assert all(bend.max() == 0 for bend in native.metrics.bends(slope))


def test_a_box_has_its_margin_and_stays_inside(native: SimpleNamespace) -> None:
    hole = np.zeros((500, 400), bool)
    hole[10:200, 300:390] = True
    assert native.metrics.box_around(hole) == (slice(0, 232), slice(268, 400))
    hole[:] = False
    hole[250, 200] = True
    assert native.metrics.box_around(hole) == (slice(187, 314), slice(137, 264))


def test_the_window_is_a_square_of_512_or_the_hole_and_256(native: SimpleNamespace) -> None:
    window = native.fillers.Window512(lambda photo, hole: photo)
    hole = np.zeros((1024, 1024), bool)
    hole[500:600, 0:100] = True
    assert window.place(hole) == (slice(294, 806), slice(0, 512))
    hole[500:900, 400:500] = True
    hole[:, 0:100] = False
    assert window.place(hole) == (slice(368, 1024), slice(122, 778))


def rows(filler: str, values: dict[str, float]) -> list[dict[str, object]]:
    return [{"name": name, "filler": filler, "lpips": v} for name, v in values.items()]


def test_a_constant_difference_has_no_width(native: SimpleNamespace) -> None:
    names = [f"photo{index}/{crop}" for index in range(4) for crop in range(2)]
    first = rows("a", {name: 0.1 + 0.01 * i for i, name in enumerate(names)})
    second = rows("b", {name: 0.2 + 0.01 * i for i, name in enumerate(names)})
    gap = native.report.compare(first, second)
    assert gap.count == 8
    np.testing.assert_allclose([gap.mean, gap.low, gap.high], -0.1)
    assert gap.verdict == "better"
    assert native.report.compare(second, first).verdict == "worse"


def test_crops_of_one_photograph_are_drawn_together(native: SimpleNamespace) -> None:
    """Two photographs, one won and one lost: however many crops, nothing is shown."""
    first = rows("a", {f"{photo}/{i}": 0.1 for photo in "xy" for i in range(50)})
    second = rows("b", {f"{photo}/{i}": 0.2 * (photo == "x") for photo in "xy" for i in range(50)})
    gap = native.report.compare(first, second)
    assert (gap.low, gap.high) == (pytest.approx(-0.1), pytest.approx(0.1))
    assert gap.verdict == "not shown"


def test_a_limit_takes_as_many_of_each_kind_as_there_are(native: SimpleNamespace) -> None:
    kinds = ["a"] * 9 + ["b"] * 2 + ["c"] * 5
    names = [f"photo/{index}" for index in range(16)]
    places = native.sets.balance(kinds, names, 8)
    assert places == sorted(set(places))
    assert Counter(kinds[place] for place in places) == {"a": 3, "b": 2, "c": 3}
    assert native.sets.balance(kinds, names, None) == list(range(16))
