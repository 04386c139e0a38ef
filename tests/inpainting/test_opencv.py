"""Telea and Navier-Stokes give the same in a window around the holes as in the whole photo."""

import cv2
import numpy as np
import pytest

from mendpix.inpainting import opencv, windows


def scattered_hole(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    canvas = np.zeros(shape, np.uint8)
    for _ in range(random.integers(1, 5)):
        x, y = random.integers(0, shape[1]), random.integers(0, shape[0])
        axes = (int(random.integers(1, 30)), int(random.integers(1, 30)))
        cv2.ellipse(canvas, (int(x), int(y)), axes, float(random.integers(180)), 0, 360, 1, -1)
    return canvas > 0


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("filler", [opencv.Telea, opencv.NavierStokes])
@pytest.mark.parametrize("radius", [1.0, 3.0, 20.0])
def test_a_window_is_enough(filler: type[opencv.Telea], channels: int, radius: float) -> None:
    random = np.random.default_rng(channels)
    fill = filler(radius)
    assert fill.local
    for levels in (255, 65535):
        shape = tuple(random.integers(150, 320, 2).tolist())
        noise = random.integers(0, levels, (*shape, channels), endpoint=True)
        photo = cv2.blur(noise.astype(np.float32), (3, 3)).reshape(noise.shape)
        photo = np.rint(photo) / np.float32(levels)
        hole = scattered_hole(random, shape)
        photo[hole] = 0
        part = windows.find_part(hole, hole).slices
        np.testing.assert_array_equal(
            fill(photo[part], hole[part])[hole[part]], fill(photo, hole)[hole]
        )


def test_beyond_the_margin_of_windows_the_whole_photo_is_looked_at() -> None:
    assert not opencv.Telea(21.0).local
