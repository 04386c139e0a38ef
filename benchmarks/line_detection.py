"""Lines that end at a hole on both sides, found by OpenCV's line segment detector: a trial."""

from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix.inpainting.strokes import Stroke
from mendpix.types import Hole, Photo

SHORTEST = 14
"""Pixels of a segment that counts."""
NEAR = 10
"""Pixels between a segment's end and the hole."""
TURN = np.deg2rad(5)
"""By which two segments' directions may differ."""
LIKENESS = 0.06
"""Mean difference of what lies beside two segments, up to which they are one line."""


@dataclass(frozen=True)
class Ending:
    """A segment that ends at the hole: its end there, its other end, what lies beside it."""

    near: NDArray[np.float64]
    far: NDArray[np.float64]
    profile: NDArray[np.float32]

    @property
    def ahead(self) -> NDArray[np.float64]:
        """The direction towards the hole."""
        return (self.near - self.far) / np.hypot(*(self.near - self.far))


def find_lines(photo: Photo, hole: Hole, most: int = 6) -> list[Stroke]:
    """Strokes along segments that meet across a hole, the likeliest first."""
    endings = find_endings(photo, hole)
    rated = []
    for one, other in combinations(endings, 2):
        cost = rate(one, other)
        if cost is not None:
            rated.append((cost, one, other))
    used: list[Ending] = []
    strokes = []
    for _, one, other in sorted(rated, key=lambda pair: pair[0]):
        if not any(ending is one or ending is other for ending in used):
            used += [one, other]
            strokes.append(Stroke(np.stack([one.far, one.near, other.near, other.far])[[0, 3]]))
    return strokes[:most]


def find_endings(photo: Photo, hole: Hole) -> list[Ending]:
    grey = np.rint(photo.mean(axis=2) * 255).astype(np.uint8)
    distance = cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, 5)
    grey[hole] = int(grey[~hole].mean())
    segments = cv2.createLineSegmentDetector().detect(grey)[0]
    if segments is None:
        return []
    endings = []
    for x0, y0, x1, y1 in segments.reshape(-1, 4).astype(float):
        ends = np.array([[x0, y0], [x1, y1]])
        places = np.linspace(ends[0], ends[1], 20)
        rows = np.rint(places[:, 1]).astype(int).clip(0, hole.shape[0] - 1)
        columns = np.rint(places[:, 0]).astype(int).clip(0, hole.shape[1] - 1)
        gaps = distance[rows, columns]
        if np.hypot(*(ends[1] - ends[0])) < SHORTEST or np.median(gaps) < 4:
            continue  # short, or the rim of the hole itself
        nearest = int(gaps[-1] < gaps[0])
        if min(gaps[0], gaps[-1]) > NEAR:
            continue
        near, far = ends[nearest], ends[1 - nearest]
        ahead = (near - far) / np.hypot(*(near - far))
        inside = np.rint(near + ahead * (2 * NEAR)).astype(int)
        if (inside >= 0).all() and (inside < hole.shape[::-1]).all() and hole[inside[1], inside[0]]:
            endings.append(Ending(near, far, read_profile(photo, near, far)))
    return endings


def read_profile(
    photo: Photo, near: NDArray[np.float64], far: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Means ``(11, C)`` beside a segment, from its left to its right as seen towards the hole."""
    length = np.hypot(*(near - far))
    ahead = (near - far) / length
    along, aside = np.meshgrid(np.linspace(4, min(length, 24), 12), np.arange(-5, 6), indexing="ij")
    x = near[0] - along * ahead[0] - aside * ahead[1]
    y = near[1] - along * ahead[1] + aside * ahead[0]
    planes = [
        cv2.remap(
            photo[..., i].copy(), x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR
        )
        for i in range(photo.shape[2])
    ]
    return np.stack(planes, axis=-1).mean(axis=0)


def rate(one: Ending, other: Ending) -> float | None:
    """How far two endings are from being one line; None where they are none."""
    turn = np.arccos(np.clip(-(one.ahead @ other.ahead), -1, 1))
    across = other.near - one.near
    gap = float(across @ one.ahead)
    beside = abs(float(across[0] * one.ahead[1] - across[1] * one.ahead[0]))
    if turn > TURN or gap < 6 or beside > 2 + 0.03 * gap:
        return None
    # Seen from the other side, left and right change places.
    unlike = float(np.abs(one.profile - other.profile[::-1]).mean())
    return (
        None if unlike > LIKENESS else turn / TURN + beside / (2 + 0.03 * gap) + unlike / LIKENESS
    )
