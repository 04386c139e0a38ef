"""Grain: measure the noise of what is known around a hole, and give the fill as much.

A fill that a network drew is smoother than the photo around it. What is missing is not texture but
the noise of film or sensor, which flat places show alone. Its strength there, by brightness, says
how much the fill should have; samples of it, cut from flat places and overlapped at random, have
its spectrum and its colours.
"""

from dataclasses import dataclass
from functools import reduce
from itertools import pairwise

import cv2
import numpy as np

from mendpix.inpainting.windows import Window
from mendpix.types import Hole, Photo

_FINE = 2.0  # standard deviation in pixels of the blur that parts fine from coarse
_COARSE = 5.0  # the same for samples, which keep what a coarse grain has below that
_SIDE = 15  # pixels of the square over which strength is measured
_FLAT = 0.1  # share of the known pixels that is taken to be flat
_FAINT = (0.75 / 255) ** 2  # strength below which there is no grain: rounding and compression
_STRONG = (18 / 255) ** 2  # strength from which it is no grain but texture
_EVEN = 1.6  # how much rougher the flattest third may be than the flattest tenth
_LEAP = 9.0  # how much stronger grain may be at one brightness than at another
_CLIPPED = 0.03  # distance from black or white at which noise is cut off
_BINS = 6  # of brightness
_FEWEST = 200  # pixels that a strength is measured on
_BLOCK = 16  # side of a sample
_SAMPLES = 256  # at most so many are cut out
_NEAR = 96  # pixels around refined tiles in which grain is measured
_MEASURED = 2_000_000  # pixels in which it is measured at most


@dataclass(frozen=True, slots=True)
class Grain:
    """The noise of a picture.

    Attributes:
        levels: brightnesses, rising.
        strength: mean square of the high frequencies there, over the channels.
        samples: ``(n, 16, 16, C)`` pieces of noise, of strength one.
    """

    levels: Photo
    strength: Photo
    samples: Photo

    def at(self, brightness: Photo) -> Photo:
        """The strength at each brightness."""
        return np.interp(brightness, self.levels, self.strength).astype(np.float32)

    def field(self, height: int, width: int, seed: int) -> Photo:
        """Noise ``(height, width, C)`` of strength one: samples overlapped by half at random.

        The windows' squares sum to one, so the sum of independent samples is as strong as they.
        """
        step, channels = _BLOCK // 2, self.samples.shape[3]
        down, across = height // _BLOCK + 2, width // _BLOCK + 2
        noise = np.zeros(((down + 1) * _BLOCK, (across + 1) * _BLOCK, channels), np.float32)
        random = np.random.default_rng([seed, height, width])
        for top in (0, step):
            for left in (0, step):
                samples = self._draw_samples(down * across, random).reshape(
                    down, across, _BLOCK, _BLOCK, channels
                )
                rows = samples.transpose(0, 2, 1, 3, 4).reshape(
                    down * _BLOCK, across * _BLOCK, channels
                )
                noise[top : top + rows.shape[0], left : left + rows.shape[1]] += rows
        cut = noise[step : step + height, step : step + width]
        return np.asarray(cut / np.sqrt(np.square(fine(cut)).mean() + 1e-20), np.float32)

    def _draw_samples(self, count: int, random: np.random.Generator) -> Photo:
        """Samples in random order, turned over at random, faded out at their edges."""
        ramp = np.sin(np.pi * (np.arange(_BLOCK) + 0.5) / _BLOCK)
        window = np.outer(ramp, ramp)[..., None].astype(np.float32)
        samples = self.samples[random.integers(0, len(self.samples), count)] * window
        for axis in (1, 2):
            over = random.random(count) < 0.5
            samples[over] = np.flip(samples[over], axis)
        return np.asarray(samples, np.float32)


def measure(photo: Photo, known: Hole) -> Grain | None:
    """The grain of the known part of a photo ``(H, W, C)``; None where it has none to speak of.

    Args:
        known: ``(H, W)``; what lies elsewhere is not measured, though it is blurred into the
            nearest two pixels or so.
    """
    inside = cv2.erode(known.astype(np.uint8), np.ones((5, 5), np.uint8), borderValue=1) > 0
    strength, brightness = power(fine(photo)), level(photo)
    # only pixels whose whole square is known: the rest of it would be the fill's
    square = np.ones((_SIDE, _SIDE), np.uint8)
    measured = cv2.erode(inside.astype(np.uint8), square, borderValue=0) > 0
    if np.count_nonzero(measured) < _FEWEST:
        return None
    levels, floor = floors(brightness[measured], strength[measured])
    if floor.max(initial=0) < _FAINT:
        return None
    grain = Grain(levels, floor, np.empty(0, np.float32))
    expected = grain.at(brightness)
    flat = measured & (strength < 1.5 * expected) & (strength > 0.5 * expected)
    samples = cut(fine(photo, _COARSE) / np.sqrt(expected + 1e-12)[..., None], flat)
    if len(samples) < 4:
        return None
    grain = Grain(levels, floor, samples)
    return Grain(levels, floor / bias(grain), samples)


def restore(filled: Photo, hole: Hole, seed: int = 0, known: Hole | None = None) -> Photo:
    """The filled photo ``(H, W, C)`` with the grain that its hole ``(H, W)`` lacks.

    Where the fill is as rough as the noise already, nothing is added, and nowhere if the known
    part is clean. The same seed gives the same bytes.

    Args:
        known: what the grain is measured on; all that is not missing by default.
    """
    grain = measure(filled, ~hole if known is None else known)
    return filled if grain is None or not hole.any() else add(filled, hole, grain, seed)


def restore_in_tiles(
    filled: Photo, hole: Hole, known: Hole, tiles: list[Window], seed: int
) -> None:
    """Restore the grain of what a network refined; overwrites the hole of ``filled`` there.

    Each pixel gets grain once, from the first tile that holds it. The grain is measured around all
    tiles, or inside the first few where that is much.
    """
    box = reduce(Window.union, tiles).grow(_NEAR, hole.shape)
    parts = [box.slices]
    if box.area > _MEASURED:
        parts = [tile.slices for tile in tiles if tile.width == tiles[0].width][:4]
    grain = measure(
        np.concatenate([filled[part] for part in parts]),
        np.concatenate([known[part] for part in parts]),
    )
    if grain is None:
        return
    done = ~hole
    for index, tile in enumerate(tiles):
        left = ~done[tile.slices]
        if left.any():
            grained = add(filled[tile.slices], left, grain, seed * 1009 + index)
            filled[tile.slices][left] = grained[left]
            done[tile.slices] = True


def add(filled: Photo, hole: Hole, grain: Grain, seed: int = 0) -> Photo:
    """The filled photo ``(H, W, C)``, with a grain's noise in its hole where that is smoother."""
    lack = lacking(filled, hole, grain)
    noise = grain.field(lack.shape[0], lack.shape[1], seed)
    grown = filled.copy()
    grown[hole] = np.clip(filled[hole] + noise[hole] * np.sqrt(lack[hole])[:, None], 0, 1)
    return grown


def lacking(filled: Photo, hole: Hole, grain: Grain) -> Photo:
    """Strength ``(H, W)`` by which the fill is smoother than noise of its brightness."""
    own = power_within(fine(filled), hole)
    need = np.maximum(grain.at(level(filled)) - own, 0)
    return np.asarray(cv2.GaussianBlur(need, (0, 0), _FINE), np.float32)


def fine(photo: Photo, width: float = _FINE) -> Photo:
    """The high frequencies of a photo ``(H, W, C)``."""
    planes = (photo[..., index] for index in range(photo.shape[2]))
    smooth = np.dstack([cv2.GaussianBlur(plane, (0, 0), width) for plane in planes])
    return np.asarray(photo - smooth, np.float32)


def level(photo: Photo) -> Photo:
    """The brightness ``(H, W)`` without noise."""
    grey = photo.mean(axis=2, dtype=np.float32)
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), 2 * _FINE), np.float32)


def power(rough: Photo) -> Photo:
    """Mean square over the channels and a square around each pixel, ``(H, W)``."""
    square = np.square(rough).mean(axis=2)
    return np.asarray(cv2.boxFilter(square, -1, (_SIDE, _SIDE)), np.float32)


def power_within(rough: Photo, hole: Hole) -> Photo:
    """The same over the part of each square that lies in the hole: the rest is not the fill's."""
    weight = hole.astype(np.float32)
    square = np.square(rough).mean(axis=2) * weight
    size = (_SIDE, _SIDE)
    share = cv2.boxFilter(weight, -1, size)
    return np.asarray(cv2.boxFilter(square, -1, size) / np.maximum(share, 1e-6), np.float32)


def floors(brightness: Photo, strength: Photo) -> tuple[Photo, Photo]:
    """The strength of the flattest places by brightness: levels, and strength at each.

    Grain is as strong in many places, texture is not: at a brightness whose flattest tenth is
    nearly as rough as its flattest third, roughness is grain. Where most brightnesses are so, the
    others get no more than those; else nothing is found. Nor does grain's strength leap with
    brightness: what is several times as rough as the smoothest is cut down.
    """
    edges = np.quantile(brightness, np.linspace(0, 1, _BINS + 1))
    bins = []
    for low, high in pairwise(edges):
        here = (brightness >= low) & (brightness <= high)
        if np.count_nonzero(here) >= _FEWEST // _BINS:
            floor, usual = np.quantile(strength[here], (_FLAT, 3 * _FLAT))
            even = usual < _EVEN * floor and floor < _STRONG
            bins.append((brightness[here].mean(), floor, even))
    levels, floor, even = np.array(sorted(bins), np.float32).reshape(-1, 3).T
    if even.sum() <= len(even) / 2:
        return levels[:0], floor[:0]
    kept = even > 0
    floor = np.where(kept, floor, np.minimum(floor, np.interp(levels, levels[kept], floor[kept])))
    open_ = (levels > _CLIPPED) & (levels < 1 - _CLIPPED)
    return levels, np.minimum(floor, _LEAP * floor.min(where=open_, initial=np.inf))


def cut(noise: Photo, flat: Hole) -> Photo:
    """Samples ``(n, 16, 16, C)`` around flat pixels, spread over the picture."""
    half = _BLOCK // 2
    flat = flat.copy()
    flat[:half] = flat[-half:] = flat[:, :half] = flat[:, -half:] = False
    places = np.argwhere(flat)
    if not len(places):
        return np.empty((0, _BLOCK, _BLOCK, noise.shape[2]), np.float32)
    chosen = places[np.linspace(0, len(places) - 1, min(_SAMPLES, len(places))).astype(int)]
    return np.stack([noise[y - half : y + half, x - half : x + half] for y, x in chosen])


def bias(grain: Grain) -> float:
    """How much weaker the flattest places of even noise seem than all of it."""
    strength = power(fine(grain.field(192, 192, 0)))
    return float(np.quantile(strength, _FLAT) / strength.mean())
