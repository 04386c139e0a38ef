"""SSIM's inner loops, compiled by Numba: sums in float64, in a fixed order.

One thread, and no fused multiply-add: every machine gives the same digits, whatever the batch.
Windows in which nothing differs are skipped, since their similarity is exactly 1.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]


def compile_loop(function: Callable[..., Any]) -> Any:
    """Compile at the first call, with Numba's cache on disk where a folder for it is found."""
    try:
        return njit(nogil=True, cache=True)(function)
    except (RuntimeError, OSError):  # Numba's "no locator available"
        return njit(nogil=True)(function)


@compile_loop
def _scale(out: Floats, row: Floats, weight: float) -> None:
    for x in range(out.size):
        out[x] = weight * row[x]


@compile_loop
def _add(out: Floats, before: Floats, after: Floats, weight: float) -> None:
    for x in range(out.size):
        out[x] += weight * (before[x] + after[x])


@compile_loop
def _prepare(ring: Floats, at: int, prediction: NDArray[Any], target: NDArray[Any]) -> None:
    """Sum and difference of both pictures' rows, and the squares of these, into the ring buffer."""
    total, error, total2, error2 = ring[0, at], ring[1, at], ring[2, at], ring[3, at]
    for x in range(prediction.size):
        a, b = float(prediction[x]), float(target[x])
        total[x], error[x] = a + b, a - b
    for x in range(prediction.size):
        total2[x] = total[x] * total[x]
    for x in range(prediction.size):
        error2[x] = error[x] * error[x]


@compile_loop
def _compare(means: Floats, count: int, bias: float, k1: float, k2: float) -> None:
    """From local means to 1 - SSIM (row 0) and 1 - its contrast-structure term (row 1).

    In terms of s = a + b and d = a - b, which need fewer filters: 4 cov(a, b) = var(s) - var(d),
    2 (var(a) + var(b)) = var(s) + var(d), and the same for the means' products and squares.
    """
    total, error, total2, error2 = means[0], means[1], means[2], means[3]
    for x in range(count):
        s2, d2 = total[x] * total[x], error[x] * error[x]
        vs, vd = bias * (total2[x] - s2), bias * (error2[x] - d2)
        contrast = ((vs - vd) * 0.5 + k2) / ((vs + vd) * 0.5 + k2)
        light = ((s2 - d2) * 0.5 + k1) / ((s2 + d2) * 0.5 + k1)
        total[x], error[x] = 1.0 - light * contrast, 1.0 - contrast


@compile_loop
def _span(active: Bytes) -> tuple[int, int]:
    """The first place of a row that is not 0, and one past the last."""
    for first in range(active.size):
        if active[first]:
            for last in range(active.size - 1, first - 1, -1):
                if active[last]:
                    return first, last + 1
    return 0, 0


@compile_loop
def _gather(sums: Floats, row: Floats, inside: Bytes, c: int) -> None:
    """Add a row to sums of columns, where ``inside`` is not 0."""
    if np.all(inside != 0):
        for x in range(sums.size):
            sums[x] += row[x]
    else:
        for x in range(inside.size):
            if inside[x]:
                for channel in range(c):
                    sums[x * c + channel] += row[x * c + channel]


@compile_loop
def _filter(
    out: Floats, column: Floats, ring: Floats, row: int, start: int, c: int, w: Floats
) -> None:
    """Separable window around a row: first over the ring buffer's rows, then along the row."""
    half, depth = w.size // 2, ring.shape[0]
    stop, inner = start + column.size, column.size - 2 * half * c
    _scale(column, ring[row % depth, start:stop], w[half])
    for j in range(1, half + 1):
        above, below = ring[(row - j) % depth], ring[(row + j) % depth]
        _add(column, above[start:stop], below[start:stop], w[half - j])
    at = half * c
    _scale(out, column[at : at + inner], w[half])
    for j in range(1, half + 1):
        left, right = at - j * c, at + j * c
        _add(out, column[left : left + inner], column[right : right + inner], w[half - j])


@compile_loop
def sum_dissimilarity(
    prediction: NDArray[Any],
    target: NDArray[Any],
    active: Bytes,
    counted: Bytes,
    weights: Floats,
    bias: float,
    k1: float,
    k2: float,
) -> Floats:
    """Sums over windows of 1 - SSIM and of 1 - its contrast-structure term, ``(2, C)``.

    Args:
        prediction, target: ``(H, W, C)``.
        active: ``(H, W)``, not 0 at the centres of windows in which anything may differ.
        counted: ``(H, W)``, 1 at the centres that count.
        weights: of a window along one side, an odd number of them.
        bias: what variances and the covariance are multiplied by.
    """
    height, width, c = prediction.shape
    half = weights.size // 2
    rows, truth = prediction.reshape(height, width * c), target.reshape(height, width * c)
    ring = np.empty((4, weights.size, width * c))  # rows in turn; each one contiguous, for speed
    column, means = np.empty(width * c), np.empty((4, width * c))
    columns, sums = np.zeros((2, width * c)), np.zeros((2, c))
    ready = 0
    for r in range(half, height - half):
        first, last = _span(active[r, half : width - half])
        if first == last:
            continue
        for q in range(max(ready, r - half), r + half + 1):
            _prepare(ring, q % weights.size, rows[q], truth[q])
        ready = r + half + 1
        count = last - first
        for plane in range(4):
            span = column[: (count + 2 * half) * c]
            _filter(means[plane, : count * c], span, ring[plane], r, first * c, c, weights)
        _compare(means, count * c, bias, k1, k2)
        inside = counted[r, half + first : half + last]
        for kind in range(2):
            _gather(columns[kind, first * c : last * c], means[kind, : count * c], inside, c)
    for channel in range(c):
        for x in range(width):
            sums[0, channel] += columns[0, x * c + channel]
            sums[1, channel] += columns[1, x * c + channel]
    return sums


@cache
def gaussian_window(side: int = 11, sigma: float = 1.5) -> Floats:
    """Wang's Gaussian window along one side."""
    places = np.arange(side) - side // 2
    weights: Floats = np.exp(-(places**2) / (2 * sigma**2))
    return np.asarray(weights / weights.sum())


@cache
def uniform_window(side: int) -> Floats:
    """A uniform window along one side."""
    return np.full(side, 1 / side)
