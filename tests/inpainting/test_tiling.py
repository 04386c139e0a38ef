"""Pieces that hold all that is missing, and seams that cannot be seen."""

from functools import reduce

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mendpix.inpainting.hybrid import tiling
from mendpix.inpainting.windows import Window
from mendpix.types import Hole, Photo, Progress


def test_a_small_hole_is_one_piece_with_its_surroundings() -> None:
    hole = np.zeros((600, 900), np.bool_)
    hole[100:110, 200:240] = True
    (piece,) = tiling.make_tiles(hole)
    assert (piece.height, piece.width) == (tiling.SMALLEST,) * 2
    assert piece.top == 0
    assert piece.left <= 200 - tiling.MARGIN


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(40, 1500),
    width=st.integers(40, 1500),
    boxes=st.lists(
        st.tuples(st.floats(0, 0.99), st.floats(0, 0.99), st.floats(0, 1), st.floats(0, 1)),
        min_size=1,
        max_size=4,
    ),
)
def test_pieces_hold_the_hole_and_weigh_it(
    height: int, width: int, boxes: list[tuple[float, float, float, float]]
) -> None:
    hole = np.zeros((height, width), np.bool_)
    for top, left, tall, wide in boxes:
        row, column = int(top * height), int(left * width)
        hole[
            row : row + max(1, int(tall * height)), column : column + max(1, int(wide * width))
        ] = 1
    pieces = tiling.make_tiles(hole)
    box = reduce(Window.union, pieces)
    weight = np.zeros((height, width), np.float32)
    for piece in pieces:
        assert piece.area <= tiling.AT_ONCE
        assert piece.height > 0 and piece.top + piece.height <= height
        assert piece.width > 0 and piece.left + piece.width <= width
        weight[piece.slices] += tiling.fade(piece, box)[..., 0]
    assert (weight[hole] > 1e-7).all()


def test_pieces_that_disagree_meet_without_a_step() -> None:
    """A refiner that gives every piece its own shade: the largest step is that of the fade."""
    photo = np.zeros((700, 1400, 1), np.float32)
    hole = np.zeros((700, 1400), np.bool_)
    hole[100:600, 100:1300] = True
    shades = iter(np.linspace(0, 1, 100))

    def shade(shown: Photo, missing: Hole, progress: Progress | None = None) -> Photo:
        return np.full_like(shown, next(shades))

    made = tiling.refine_tiles(photo.copy(), hole, shade)[..., 0]
    assert np.ptp(made[hole]) > 0.03
    inside = cv2.erode(hole.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    step = np.abs(np.diff(made, axis=1))[inside[:, 1:]]
    assert step.max() < 0.02 / (tiling.OVERLAP / 2) + 0.002


def test_pieces_that_agree_are_one() -> None:
    photo = np.random.default_rng(0).random((700, 1400, 3)).astype(np.float32)
    hole = np.zeros((700, 1400), np.bool_)
    hole[100:600, 100:1300] = True

    def negative(shown: Photo, missing: Hole, progress: Progress | None = None) -> Photo:
        return 1 - shown

    made = tiling.refine_tiles(photo.copy(), hole, negative)
    np.testing.assert_array_equal(made[~hole], photo[~hole])
    np.testing.assert_allclose(made[hole], 1 - photo[hole], atol=1e-6)


def test_only_the_fullest_pieces_are_gone_over_where_told() -> None:
    photo = np.zeros((700, 1400, 3), np.float32)
    hole = np.zeros((700, 1400), np.bool_)
    hole[100:600, 100:500] = hole[::40] = True
    seen = []

    def whiten(shown: Photo, missing: Hole, progress: Progress | None = None) -> Photo:
        seen.append(missing.sum())
        return np.ones_like(shown)

    told: list[float] = []
    made = tiling.refine_tiles(photo.copy(), hole, whiten, told.append, count=2)[..., 0]
    assert len(seen) == 2
    assert min(seen) > 60_000
    assert told[-1] == 1
    assert (made[100:600, 100:320] > 0.999).all()
    assert (made[:, 900:] == 0).all()
    assert np.abs(np.diff(made[320, 100:])).max() < 2 / (tiling.OVERLAP / 2)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_other_channels_are_shown_as_three(channels: int) -> None:
    photo = np.random.default_rng(0).random((60, 70, channels)).astype(np.float32)
    hole = np.zeros((60, 70), np.bool_)
    hole[20:40, 20:40] = True

    def negative(shown: Photo, missing: Hole, progress: Progress | None = None) -> Photo:
        assert shown.shape[2] == 3
        return 1 - shown

    made = tiling.refine_tiles(photo.copy(), hole, negative)
    np.testing.assert_allclose(made[hole], 1 - photo[hole], atol=1e-6)
    np.testing.assert_array_equal(made[~hole], photo[~hole])


def test_covered_takes_the_nearest() -> None:
    photo = np.zeros((10, 30, 3), np.float32)
    photo[:, :15], photo[:, 15:] = 0.2, 0.8
    unusable = np.zeros((10, 30), np.bool_)
    unusable[:, 10:22] = True
    photo[unusable] = np.nan
    covered = tiling.paint_over(photo, unusable)
    np.testing.assert_allclose(covered[:, :15], 0.2)
    np.testing.assert_allclose(covered[:, 17:], 0.8)
    assert np.isnan(photo[unusable]).all()


def test_at_least_moves_inwards() -> None:
    assert tiling.at_least(Window(0, 90, 4, 10), 50, (40, 100)) == Window(0, 50, 40, 50)
