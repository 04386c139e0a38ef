"""The criterion tells fills that go on from fills that break off."""

import cv2
import numpy as np
import pytest

from mendpix.inpainting.hybrid import ranking
from mendpix.types import Photo

NONE = np.zeros((96, 128), np.bool_)
HOLE = NONE.copy()
HOLE[30:60, 40:80] = True


def scene() -> Photo:
    rough = np.random.default_rng(0).random((12, 16, 3)).astype(np.float32)
    return np.asarray(cv2.resize(rough, (128, 96), interpolation=cv2.INTER_CUBIC).clip(0, 1))


def test_the_truth_is_likelier_than_the_same_with_a_step_a_shift_or_noise() -> None:
    truth = scene()
    fills = [truth.copy() for _ in range(4)]
    fills[0][HOLE] += 0.1
    fills[1][HOLE] = np.roll(truth, 9, axis=1)[HOLE]
    fills[2][HOLE] += np.random.default_rng(1).normal(0, 0.05, (HOLE.sum(), 3))
    assert ranking.rank(fills, HOLE, NONE)[0] == 3


def test_a_ramp_that_goes_on_bends_as_little_as_its_surroundings() -> None:
    ramp = np.repeat(np.linspace(0, 1, 128, dtype=np.float32)[None, :, None], 96, axis=0)
    assert abs(ranking.seam_score(ramp, HOLE, NONE)) < 1e-3


def test_bends_are_counted_by_hand() -> None:
    """One missing pixel in a flat row, 1 too bright: bends 1, 2, 1 each way, over 3 triples."""
    photo = np.zeros((9, 9, 1), np.float32)
    photo[4, 4] = 1
    hole = photo[..., 0] > 0
    across, near = ranking.measure_bends(photo, hole, np.zeros_like(hole))
    assert across == np.float32(4 / 3)
    assert near == 0


def test_what_is_unusable_does_not_count() -> None:
    photo = scene()
    unusable = NONE.copy()
    unusable[20:70, 84:] = True
    other = photo.copy()
    other[unusable] = np.random.default_rng(0).random((unusable.sum(), 3))
    full = [ranking.measure_bends(one, HOLE, unusable) for one in (photo, other)]
    assert full[0] == full[1]


@pytest.mark.parametrize(("side", "size"), [(40, 150), (200, 96)])
def test_deep_holes_are_judged_on_a_smaller_picture(side: int, size: int) -> None:
    hole = np.zeros((300, 300), np.bool_)
    hole[50 : 50 + side, 50 : 50 + side] = True
    photo, missing, unusable = ranking.shrink(np.zeros((300, 300, 3), np.float32), hole, ~hole)
    assert photo.shape == (size, size, 3)
    assert missing.shape == unusable.shape == (size, size)
    assert abs(missing.mean() - hole.mean()) < 0.02


def test_the_order_names_every_fill_once() -> None:
    fills = [scene() * np.float32(factor) for factor in (1, 0.5, 0.2)]
    assert sorted(ranking.rank(fills, HOLE, NONE)) == [0, 1, 2]
