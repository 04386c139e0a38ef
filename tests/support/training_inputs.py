"""Pictures and a recipe that several tests of training use."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mendpix.training import Recipe, parse_recipe


def draw_pictures(folder: Path, count: int, size: tuple[int, int] = (80, 96)) -> None:
    """Smooth random pictures, each in its own colour."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        random = np.random.default_rng(number)
        coarse = random.integers(0, 256, (5, 6, 3), np.uint8)
        smooth = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"p{number:03d}.png"), smooth)


def refinement_recipe(**changes: Any) -> Recipe:
    """A small recipe of the network that mends a first fill."""
    tables: dict[str, Any] = {
        "network": {"name": "mender", "options": {"width": 4, "start": "telea"}},
        "losses": {"pixel": {"kind": "l1"}},
        "holes": [{"kind": "lama-medium"}],
        "size": 64,
        "batch": 2,
        "steps": 4,
        "data": {"short_side": 80},
    }
    return parse_recipe({**tables, **changes})
