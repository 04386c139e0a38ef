"""How the native benchmark measures a fill: LPIPS around it, three bands, and bends at its rim."""

from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import pairwise, product
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mendpix.metrics.lpips import LPIPS
from native_sets import Hole, Pixels, Sample

MARGIN = 32
"""Pixels that LPIPS sees on each side of the region's bounding box."""
SMALLEST = 128
"""Side of the smallest box, where the picture has room."""
SIGMAS = (1.0, 4.0, 16.0)
NOISE = 0.5
"""RMS in 8-bit levels below which a band of the truth is noise, and not measured."""
RING = 48
"""Pixels around a thing in which the bands are what a fill should have."""
SHIFTS = tuple(s for s in product(range(-48, 49, 16), repeat=2) if max(map(abs, s)) >= 16)

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Scores:
    """What is measured of a fill.

    Attributes:
        lpips: LPIPS (AlexNet) of the box around the region.
        fine, middle, coarse: RMS of a band of grey values (differences of Gaussians: under 1
            pixel, 1 to 4, 4 to 16) in the region, divided by the truth's there or, where a thing
            stood, by that of the ring around it; None where that is noise.
        rim_z: how much the picture bends across the region's rim, in standard deviations above
            what the same rim has at 48 other places of the truth, up to 48 pixels away.
    """

    lpips: float
    fine: float | None
    middle: float | None
    coarse: float | None
    rim_z: float


def score(filled: Pixels, sample: Sample) -> dict[str, float | None]:
    """All scores of a fill ``(H, W, 3)``, by name."""
    truth, region = sample.truth, sample.region
    usual = region if sample.shows_truth else ring_of(region)
    energies = bands(filled, truth, region, usual)
    return asdict(Scores(lpips(filled, truth, region), *energies, rim_z(filled, truth, region)))


def ring_of(region: Hole) -> Hole:
    """The pixels within ``RING`` of the region, by the larger of both distances."""
    kernel = np.ones((2 * RING + 1, 2 * RING + 1), np.uint8)
    return np.asarray(cv2.dilate(region.astype(np.uint8), kernel) > 0) & ~region


@lru_cache(maxsize=1)
def lpips_network() -> Any:
    return LPIPS("alexnet", on="output")


def lpips(filled: Pixels, truth: Pixels, region: Hole) -> float:
    place = box_around(region)
    pair = [
        torch.from_numpy(image[place].transpose(2, 0, 1)[None] / np.float32(255))
        for image in (filled, truth)
    ]
    with torch.no_grad():
        return float(lpips_network().distance(*pair))


def box_around(region: Hole, margin: int = MARGIN) -> tuple[slice, slice]:
    """Rows and columns of the region and a margin."""
    return tuple(  # type: ignore[return-value]
        widen(np.flatnonzero(region.any(axis=axis)), margin, length)
        for axis, length in zip((1, 0), region.shape, strict=True)
    )


def widen(places: NDArray[np.intp], margin: int, length: int) -> slice:
    extra = max(margin, (SMALLEST - int(np.ptp(places)) - 1) // 2)
    return slice(max(0, int(places[0]) - extra), min(length, int(places[-1]) + 1 + extra))


def bands(filled: Pixels, truth: Pixels, region: Hole, usual: Hole) -> list[float | None]:
    """RMS of each band in the region relative to the truth's where it is usual, fine to coarse."""
    place = box_around(region, 4 * int(SIGMAS[-1]))
    pairs = zip(split(filled[place]), split(truth[place]), strict=True)
    energies = [(rms(ours[region[place]]), rms(right[usual[place]])) for ours, right in pairs]
    return [ours / right if right >= NOISE else None for ours, right in energies]


def split(image: Pixels) -> list[Floats]:
    """Differences of Gaussians of the grey values, fine to coarse."""
    grey = image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    levels = [grey, *(cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in SIGMAS)]
    return [np.asarray(fine - coarse, np.float32) for fine, coarse in pairwise(levels)]


def rms(values: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def rim_z(filled: Pixels, truth: Pixels, region: Hole) -> float:
    """Bends across the rim against the same rim displaced in the truth."""
    place = box_around(region, 52)
    rim = [np.argwhere(part) for part in rims(region[place])]
    ours, right = bends(filled[place]), bends(truth[place])
    usual = [mean_bend(right, rim, shift) for shift in SHIFTS]
    return float((mean_bend(ours, rim) - np.mean(usual)) / (np.std(usual) + 0.1))


def rims(region: Hole) -> list[Hole]:
    """Where two neighbours lie on two sides of the rim: in a column, in a row."""
    padded = [np.zeros_like(region), np.zeros_like(region)]
    padded[0][1:-2] = region[1:-2] != region[2:-1]
    padded[1][:, 1:-2] = region[:, 1:-2] != region[:, 2:-1]
    return padded


def bends(image: Pixels) -> list[Floats]:
    """How far the step between two neighbours is from the mean of the steps on both sides.

    Returns: for columns and for rows, ``(H, W)`` in 8-bit levels; 0 at the border.
    """
    grey = image.astype(np.float32).mean(axis=2)
    found = [np.zeros_like(grey), np.zeros_like(grey)]
    down, across = np.diff(grey, axis=0), np.diff(grey, axis=1)
    found[0][1:-2] = np.abs(down[1:-1] - (down[:-2] + down[2:]) / 2)
    found[1][:, 1:-2] = np.abs(across[:, 1:-1] - (across[:, :-2] + across[:, 2:]) / 2)
    return found


def mean_bend(
    bend: list[Floats], rim: list[NDArray[np.intp]], shift: tuple[int, int] = (0, 0)
) -> float:
    """The mean over a rim's places ``(N, 2)``, displaced; beyond an edge the other one follows."""
    moved = [(places + shift) % bend[0].shape for places in rim]
    values = [part[tuple(places.T)] for part, places in zip(bend, moved, strict=True)]
    return float(np.mean(np.concatenate(values)))
