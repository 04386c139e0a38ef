"""What several fills agree on: broad from all, fine from one, nothing outside the hole."""

import cv2
import numpy as np
import pytest

from mendpix.agreement import agreed


def block() -> np.ndarray:
    hole = np.zeros((96, 112), np.bool_)
    hole[20:76, 24:88] = True
    return hole


def test_the_broad_part_is_the_mean_and_the_fine_part_the_fills_own() -> None:
    hole = block()
    random = np.random.default_rng(0)
    grain = random.normal(0, 0.05, (96, 112, 3)).astype(np.float32)
    grain -= cv2.GaussianBlur(grain, (0, 0), 4)
    filled = np.full((96, 112, 3), 0.3, np.float32) + grain
    others = [np.full((96, 112, 3), value, np.float32) for value in (0.5, 0.7)]
    made = agreed(filled.copy(), hole, others)
    middle = np.s_[40:56, 44:68]
    np.testing.assert_allclose(made[middle] - grain[middle], 0.5, atol=0.015)
    assert np.abs((made - filled)[middle] - 0.2).std() < 0.1 * grain[middle].std()
    np.testing.assert_array_equal(made[~hole], filled[~hole])
    rim = np.abs(made[20, 24:88] - filled[20, 24:88]).mean()
    assert 0.05 < rim < 0.15  # half of the change: no step of its own height at the rim


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_others_may_be_smaller_and_agreement_changes_nothing(channels: int) -> None:
    hole = block()
    slope = np.linspace(0.2, 0.8, 112, dtype=np.float32)
    filled = np.repeat(np.broadcast_to(slope, (96, 112))[..., None], channels, axis=2)
    small = cv2.resize(filled, (56, 48), interpolation=cv2.INTER_AREA).reshape(48, 56, channels)
    np.testing.assert_allclose(agreed(filled.copy(), hole, [small, filled]), filled, atol=2e-3)


def test_what_others_hold_outside_the_hole_does_not_matter() -> None:
    hole = block()
    filled = np.full((96, 112, 3), 0.4, np.float32)
    other, strange = np.full_like(filled, 0.6), np.full_like(filled, 0.6)
    strange[~hole] = 0
    np.testing.assert_array_equal(
        agreed(filled.copy(), hole, [other]), agreed(filled.copy(), hole, [strange])
    )
