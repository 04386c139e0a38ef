"""The compiled loops that vote, hand matches down the pyramid, and halve pictures.

Names are those of search_kernels.py. Loops allocate no memory, which their machine code could not
(numba_cache.py): they are passed scratch arrays.
"""

import numpy as np
from numba import boolean, float32, int32, int64, njit, uint8, uint32, void

from mendpix.inpainting.patchmatch.numba_cache import kernel

NONE = np.uint32(0xFFFFFFFF)

_bytes = uint8[::1]
_grid = int32[:, ::1]
_pairs = int32[:, ::1]
_flags = boolean[:, ::1]


@njit(error_model="numpy")
def lookup(grid, y, x):  # type: ignore[no-untyped-def]
    """The number at a pixel, -1 beyond the grid's borders."""
    if y < 0 or x < 0 or y >= grid.shape[0] or x >= grid.shape[1]:
        return int32(-1)
    return grid[y, x]


@njit(error_model="numpy")
def _scale(radius, index, cost, y, x, sharpness):  # type: ignore[no-untyped-def]
    """What turns a cost into an exponent: ``sharpness`` over the mean cost of the patches here."""
    # Float sums: costs are up to 2**32 each, and a patch of 9x9 pixels would overflow uint32.
    total, count = float32(0), 0
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            i = lookup(index, y + dy, x + dx)
            if i >= 0 and cost[i] != NONE:
                total += float32(cost[i])
                count += 1
    return sharpness * float32(count) / max(total, float32(1))  # all may match perfectly: 0 / 0


@kernel(
    void(
        int32[::1],
        _bytes,
        int64,
        int64,
        int64,
        _pairs,
        _grid,
        _pairs,
        _pairs,
        uint32[::1],
        float32[::1],
        float32,
        float32[::1],
    )
)
def vote(  # type: ignore[no-untyped-def]
    order,
    features,
    channels,
    voted,
    radius,
    pixels,
    index,
    centre,
    match,
    cost,
    trust,
    sharpness,
    sums,
):
    """Set each pixel in ``order`` to the weighted mean of what the patches over it propose.

    A patch weighs its trust times exp(-sharpness * cost / mean cost of the patches here): relative
    to the mean, because what is a good match in a smooth sky would be a miracle in foliage (Wexler
    et al. 2007 choose their sigma by percentiles of the costs for the same reason). ``sums``
    ``(voted,)`` is scratch.
    """
    width = index.shape[1]
    for p in order:
        y, x = int64(pixels[p, 0]), int64(pixels[p, 1])
        scale = _scale(radius, index, cost, y, x, sharpness)
        sums[:] = 0
        total = float32(0)
        for dy in range(-radius, radius + 1):
            for dx in range(-radius, radius + 1):
                i = lookup(index, y + dy, x + dx)
                if i < 0 or cost[i] == NONE:
                    continue
                weight = trust[i] * np.exp(-float32(cost[i]) * scale)
                at = ((match[i, 0] - dy) * width + match[i, 1] - dx) * channels
                for k in range(voted):
                    sums[k] += weight * float32(features[at + k])
                total += weight
        if total > 0:
            at = (y * width + x) * channels
            for k in range(voted):
                features[at + k] = uint8(sums[k] / total + float32(0.5))


@kernel(
    void(
        int32[::1],
        int64,
        _pairs,
        _grid,
        _pairs,
        _pairs,
        uint32[::1],
        float32[::1],
        float32,
        _pairs,
        int64[:, ::1],
        float32[::1],
    )
)
def elect(  # type: ignore[no-untyped-def]
    order,
    radius,
    pixels,
    index,
    centre,
    match,
    cost,
    trust,
    sharpness,
    origin,
    shifts,
    weights,
):
    """Give each pixel in ``order`` the one shift that most patches over it, by weight, agree on.

    Copying by one shift keeps the grain that a mean would smooth away. ``shifts`` ``(n, 2)`` and
    ``weights`` ``(n,)``, n the pixels of a patch, are scratch.
    """
    for p in order:
        y, x = int64(pixels[p, 0]), int64(pixels[p, 1])
        scale = _scale(radius, index, cost, y, x, sharpness)
        n = 0
        for dy in range(-radius, radius + 1):
            for dx in range(-radius, radius + 1):
                i = lookup(index, y + dy, x + dx)
                if i < 0 or cost[i] == NONE:
                    continue
                weight = trust[i] * np.exp(-float32(cost[i]) * scale)
                oy, ox = int64(match[i, 0]) - (y + dy), int64(match[i, 1]) - (x + dx)
                k = 0
                while k < n and (shifts[k, 0] != oy or shifts[k, 1] != ox):
                    k += 1
                if k == n:
                    shifts[k, 0], shifts[k, 1], weights[k] = oy, ox, 0
                    n += 1
                weights[k] += weight
        best = 0
        for k in range(1, n):
            if weights[k] > weights[best]:
                best = k
        origin[p, 0], origin[p, 1] = y + shifts[best, 0], x + shifts[best, 1]


@kernel(
    void(
        int32[::1],
        _grid,
        _pairs,
        _pairs,
        uint32[::1],
        _flags,
        _grid,
        _pairs,
        uint32[::1],
    )
)
def inherit(  # type: ignore[no-untyped-def]
    order, index, centre, match, cost, source, coarse_index, coarse_match, coarse_cost
):
    """Start the targets in ``order`` from the match of the coarser target they lie in.

    Where that is none, or its match would leave the sources, the coarser one's neighbours serve.
    """
    height, width = coarse_index.shape
    for i in order:
        y, x = int64(centre[i, 0]), int64(centre[i, 1])
        match[i, 0] = -1
        cost[i] = NONE
        for near in range(9):
            py = y // 2 + (0, 0, 0, -1, 1, -1, -1, 1, 1)[near]
            px = x // 2 + (0, -1, 1, 0, 0, -1, 1, -1, 1)[near]
            if py < 0 or px < 0 or py >= height or px >= width:
                continue
            j = coarse_index[py, px]
            if j < 0 or coarse_match[j, 0] < 0:
                continue
            sy = 2 * coarse_match[j, 0] + y - 2 * py
            sx = 2 * coarse_match[j, 1] + x - 2 * px
            if 0 <= sy < index.shape[0] and 0 <= sx < index.shape[1] and source[sy, sx]:
                match[i, 0], match[i, 1], cost[i] = sy, sx, coarse_cost[j]
                break


@kernel(
    void(
        int32[::1],
        uint8[:, :, ::1],
        float32[:, ::1],
        uint8[:, :, ::1],
        float32[:, ::1],
        float32[::1],
    )
)
def halve(order, features, mass, small, small_mass, sums):  # type: ignore[no-untyped-def]
    """Halve a picture, averaging known pixels only; ``mass`` is the share of each that is known.

    Sets the rows of ``small`` in ``order``. ``sums`` ``(channels,)`` is scratch.
    """
    height, width, channels = features.shape
    for row in order:
        y = int64(row)
        for x in range(small.shape[1]):
            sums[:] = 0
            total, cells = float32(0), 0
            for sy in range(2 * y, min(2 * y + 2, height)):
                for sx in range(2 * x, min(2 * x + 2, width)):
                    share = mass[sy, sx]
                    total += share
                    cells += 1
                    for k in range(channels):
                        sums[k] += share * float32(features[sy, sx, k])
            small_mass[y, x] = total / cells
            for k in range(channels):
                mean = sums[k] / total if total > 0 else float32(0)
                small[y, x, k] = uint8(mean + float32(0.5))
