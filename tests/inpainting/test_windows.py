"""Windows around holes, padding and resizing, and that each is undone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mendpix.inpainting import windows
from mendpix.inpainting.windows import Window

HOLES = arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=40))


@given(hole=HOLES, context=st.floats(0, 2), smallest=st.integers(0, 9))
@settings(max_examples=100, deadline=None)
def test_windows_hold_every_missing_pixel_once(
    hole: np.ndarray, context: float, smallest: int
) -> None:
    covered = np.zeros(hole.shape, int)
    for window in windows.find_windows(hole, context, smallest):
        assert window.area == covered[window.slices].size  # inside the picture
        covered[window.slices] += 1
    assert (covered[hole] == 1).all()
    assert covered.max(initial=0) <= 1


def test_a_small_hole_costs_a_small_window() -> None:
    hole = np.zeros((3000, 4000), bool)
    hole[1000:1010, 2000:2020] = True
    (window,) = windows.find_windows(hole, context=1.0, smallest=48)
    assert window == Window(1000 - 48, 2000 - 48, 10 + 96, 20 + 96)


def test_neighbours_share_a_window_and_far_ones_do_not() -> None:
    hole = np.zeros((200, 400), bool)
    hole[50, 50] = hole[50, 70] = hole[150, 350] = True
    near, far = windows.find_windows(hole, smallest=20)
    assert near == Window(30, 30, 41, 61)
    assert far == Window(130, 330, 41, 41)


def test_no_hole_no_window() -> None:
    assert windows.find_windows(np.zeros((5, 5), bool)) == []


@given(hole=HOLES.filter(lambda h: h.any()))
@settings(max_examples=100, deadline=None)
def test_the_bounding_window_is_tight(hole: np.ndarray) -> None:
    part = hole[windows.bounding_window(hole).slices]
    assert part.sum() == hole.sum()
    for edge in (part[0], part[-1], part[:, 0], part[:, -1]):
        assert edge.any()


@given(
    array=arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=3, max_side=12)),
    multiple=st.integers(1, 16),
    smallest=st.integers(0, 30),
)
@settings(max_examples=100, deadline=None)
def test_padding_is_undone_by_cutting(array: np.ndarray, multiple: int, smallest: int) -> None:
    padded = windows.pad(array, multiple, smallest)
    height, width = padded.shape[:2]
    assert height % multiple == width % multiple == 0
    assert min(height, width) >= smallest
    assert max(height - max(array.shape[0], smallest), width - max(array.shape[1], smallest)) < (
        multiple
    )
    np.testing.assert_array_equal(padded[: array.shape[0], : array.shape[1]], array)


def test_padding_mirrors() -> None:
    row = np.array([[1, 2, 3]])
    np.testing.assert_array_equal(windows.pad(row, 5)[0], [1, 2, 3, 3, 2])


def test_shrinking_averages() -> None:
    photo = np.arange(16, dtype=np.float32).reshape(4, 4, 1)
    small = windows.resize(photo, (2, 2))
    np.testing.assert_allclose(small[..., 0], [[2.5, 4.5], [10.5, 12.5]])
    assert windows.resize(photo, (4, 4)) is photo


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_resizing_keeps_axes_and_flat_colours(channels: int) -> None:
    photo = np.full((9, 7, channels), 0.3, np.float32)
    for size in ((3, 4), (20, 31)):
        resized = windows.resize(photo, size)
        assert resized.shape == (*size, channels)
        np.testing.assert_allclose(resized, 0.3, atol=1e-6)


@given(hole=HOLES, height=st.integers(1, 50), width=st.integers(1, 50))
@settings(max_examples=100, deadline=None)
def test_a_smaller_hole_misses_nothing(hole: np.ndarray, height: int, width: int) -> None:
    resized = windows.resize_hole(hole, (height, width))
    assert resized.shape == (height, width)
    if hole.all():
        assert resized.all()
    if not hole.any():
        assert not resized.any()
    if height <= hole.shape[0] and width <= hole.shape[1]:
        assert resized.any() == hole.any()


def test_a_single_missing_pixel_survives_shrinking() -> None:
    hole = np.zeros((64, 64), bool)
    hole[17, 33] = True
    expected = np.zeros((8, 8), bool)
    expected[2, 4] = True
    np.testing.assert_array_equal(windows.resize_hole(hole, (8, 8)), expected)


@pytest.mark.parametrize("seed", range(6))
def test_the_part_that_holds_all_windows_has_the_same(seed: int) -> None:
    random = np.random.default_rng(seed)
    hole, missing = np.zeros((300, 400), bool), np.zeros((300, 400), bool)
    for _ in range(3):
        top, left = random.integers(0, 280), random.integers(0, 380)
        hole[top : top + random.integers(1, 40), left : left + random.integers(1, 60)] = True
    missing[: random.integers(0, 250), : random.integers(0, 350)] = True
    missing |= hole
    part = windows.find_part(missing, hole)
    inside = windows.plan_windows(missing[part.slices], hole[part.slices])
    assert not np.delete(hole, np.s_[part.top : part.top + part.height], 0).any()
    assert [
        (share, Window(window.top + part.top, window.left + part.left, window.height, window.width))
        for share, window in inside
    ] == windows.plan_windows(missing, hole)
