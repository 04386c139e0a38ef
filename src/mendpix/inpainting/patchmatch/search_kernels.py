"""The compiled inner loops.

Every kernel works on one stretch of a list and without the interpreter's lock, so plain threads
share the list. What a stretch writes, no other stretch reads: targets are coloured like a
chessboard, a sweep changes one colour and asks only the other, and random numbers are hashes of
the seed, the sweep and the target. So the bytes do not depend on who worked on what.

What they share:
    features: ``(H * W * F)`` uint8, what patches are compared by, F ``channels`` a pixel.
    index: ``(H, W)`` int32, a pixel's number in the list of targets, -1 where it is none.
    centre: ``(n, 2)`` int32, row and column of the target patches' centres.
    match: ``(n, 2)`` int32, the centres of the source patches they match.
    cost: ``(n,)`` uint32, the sum of squared differences; ``NONE`` where none is known.
"""

import numpy as np
from numba import boolean, int32, int64, njit, uint8, uint32, uint64, void

from mendpix.inpainting.patchmatch.numba_cache import kernel
from mendpix.inpainting.patchmatch.voting_kernels import (
    elect,
    halve,
    inherit,
    lookup,
    vote,
)

__all__ = ["elect", "halve", "inherit", "search", "vote"]

NONE = np.uint32(0xFFFFFFFF)

_bytes = uint8[::1]
_grid = int32[:, ::1]
_pairs = int32[:, ::1]
_flags = boolean[:, ::1]


@njit(error_model="numpy")
def _draw(state):  # type: ignore[no-untyped-def]
    """The next state and 32 random bits (SplitMix64, Steele et al. 2014)."""
    state = state + uint64(0x9E3779B97F4A7C15)
    z = (state ^ (state >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> uint64(27))) * uint64(0x94D049BB133111EB)
    return state, (z ^ (z >> uint64(31))) >> uint64(32)


@njit(error_model="numpy")
def _difference(features, width, channels, radius, ty, tx, sy, sx, best):  # type: ignore[no-untyped-def]
    """Sum of squared differences of two patches; stops once it is no better than ``best``."""
    # Unsigned positions: signed ones could count from the end, and that test stops SIMD.
    a = uint64(((ty - radius) * width + tx - radius) * channels)
    b = uint64(((sy - radius) * width + sx - radius) * channels)
    stride, length = uint64(width * channels), (2 * radius + 1) * channels
    total = uint32(0)
    for _ in range(2 * radius + 1):
        for i in range(length):
            k = uint64(i)
            step = int32(int32(features[a + k]) - int32(features[b + k]))
            total = uint32(total + uint32(step * step))
        if total >= best:
            break
        a += stride
        b += stride
    return total


@njit(error_model="numpy")
def _partial_difference(features, ready, channels, radius, ty, tx, sy, sx):  # type: ignore[no-untyped-def]
    """The same over the target's ready pixels only, scaled up to a whole patch."""
    total, count, width = int64(0), 0, ready.shape[1]
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            if ready[ty + dy, tx + dx]:
                a = ((ty + dy) * width + tx + dx) * channels
                b = ((sy + dy) * width + sx + dx) * channels
                for k in range(channels):
                    step = int64(features[a + k]) - int64(features[b + k])
                    total += step * step
                count += 1
    if count == 0:
        return NONE - uint32(1)
    return uint32(total * ((2 * radius + 1) * (2 * radius + 1)) // count)


@njit(error_model="numpy")
def _score(features, ready, masked, channels, radius, ty, tx, sy, sx, best):  # type: ignore[no-untyped-def]
    """The cost of a match: over ready pixels only where ``masked``, else exact below ``best``."""
    if masked:
        return _partial_difference(features, ready, channels, radius, ty, tx, sy, sx)
    return _difference(features, ready.shape[1], channels, radius, ty, tx, sy, sx, best)


@njit(error_model="numpy")
def _draw_near(state, y, x, spread, radius, last_y, last_x):  # type: ignore[no-untyped-def]
    """A random place within ``spread`` of another, where a whole patch lies in the picture."""
    y0, y1 = max(radius, y - spread), min(last_y, y + spread)
    x0, x1 = max(radius, x - spread), min(last_x, x + spread)
    state, bits = _draw(state)
    cy = y0 + int64((bits * uint64(y1 - y0 + 1)) >> uint64(32))
    state, bits = _draw(state)
    cx = x0 + int64((bits * uint64(x1 - x0 + 1)) >> uint64(32))
    return state, cy, cx


@kernel(
    void(
        int32[::1],
        _bytes,
        _flags,
        boolean,
        int64,
        int64,
        _grid,
        _pairs,
        _pairs,
        uint32[::1],
        _flags,
        _grid,
        boolean,
        int64,
        int64,
        int64,
        uint64,
    )
)
def search(  # type: ignore[no-untyped-def]
    order,
    features,
    ready,
    masked,
    channels,
    radius,
    index,
    centre,
    match,
    cost,
    source,
    users,
    rescore,
    jump,
    reach,
    tries,
    seed,
):
    """Look for better matches of the targets in ``order``, all of one chessboard colour.

    Propagation from the neighbours at odd distances 1 and ``jump``, enrichment through targets
    that use the same source, then random search around the best so far with radii falling from
    ``reach`` to 1, ``tries`` each (Barnes et al. 2009, sec. 3.2, https://doi.org/10.1145/1531326.1531330).
    """
    height, width = index.shape
    last_y, last_x = height - radius - 1, width - radius - 1
    for i in order:
        ty, tx = int64(centre[i, 0]), int64(centre[i, 1])
        by, bx, best = int64(match[i, 0]), int64(match[i, 1]), cost[i]
        if rescore and by >= 0:
            best = _score(features, ready, masked, channels, radius, ty, tx, by, bx, NONE)
        state = seed ^ (uint64(i) * uint64(0xD1342543DE82EF95))
        spread = reach
        stage, turn = 0, 0
        while best > 0:
            if stage < 8:
                far = 1 if stage < 4 else jump
                dy = (0, 0, -1, 1)[stage & 3] * far
                dx = (-1, 1, 0, 0)[stage & 3] * far
                stage += 1
                if far == 0:
                    continue
                j = lookup(index, ty + dy, tx + dx)
                if j < 0 or match[j, 0] < 0:
                    continue
                cy, cx = match[j, 0] - dy, match[j, 1] - dx
            elif stage < 12:
                dy = (0, 0, -1, 1)[stage & 3]
                dx = (-1, 1, 0, 0)[stage & 3]
                stage += 1
                if by < 0:
                    continue
                # A target that matches my match's neighbour: what does its own neighbour match?
                # With patches of one pixel, both neighbours may lie beyond the picture's border.
                u = lookup(users, by + dy, bx + dx)  # -1 too where ``users`` is empty
                if u < 0:
                    continue
                ny, nx = centre[u, 0] - dy, centre[u, 1] - dx
                if ((ny + nx) ^ (ty + tx)) & 1 == 0:
                    continue
                j = lookup(index, ny, nx)
                if j < 0 or match[j, 0] < 0:
                    continue
                cy, cx = int64(match[j, 0]), int64(match[j, 1])
            else:
                if spread < 1:
                    break
                y, x = (by, bx) if by >= 0 else (ty, tx)
                state, cy, cx = _draw_near(state, y, x, spread, radius, last_y, last_x)
                turn += 1
                if turn >= tries:
                    spread, turn = spread // 2, 0
            if cy < radius or cx < radius or cy > last_y or cx > last_x:
                continue
            if not source[cy, cx] or (cy == by and cx == bx):
                continue
            new = _score(features, ready, masked, channels, radius, ty, tx, cy, cx, best)
            if new < best:
                best, by, bx = new, cy, cx
        match[i, 0], match[i, 1], cost[i] = by, bx, best
