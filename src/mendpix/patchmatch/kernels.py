"""The compiled inner loops. Import them through :func:`mendpix.patchmatch.compiling.kernels`.

Every kernel works on one stretch of a list and without the interpreter's lock, so plain threads
share the list. What a stretch writes, no other stretch reads: targets are coloured like a
chessboard, a sweep changes one colour and asks only the other, and random numbers are hashes of
the seed, the sweep and the target. So the bytes do not depend on who worked on what.

What they share:
    look: ``(H * W * F)`` uint8, the matching channels of a level, pixel by pixel.
    index: ``(H, W)`` int32, a pixel's number in the list of targets, -1 where it is none.
    centre: ``(n, 2)`` int32, row and column of the target patches' centres.
    match: ``(n, 2)`` int32, the centres of the source patches they match.
    cost: ``(n,)`` uint32, the sum of squared differences; ``NONE`` where none is known.
"""

import numpy as np
from numba import boolean, float32, int32, int64, njit, uint8, uint32, uint64, void

from mendpix.patchmatch.compiling import kernel

NONE = np.uint32(0xFFFFFFFF)

_bytes = uint8[::1]
_grid = int32[:, ::1]
_pairs = int32[:, ::1]
_flags = boolean[:, ::1]


@njit
def _draw(state):  # type: ignore[no-untyped-def]
    """The next state and 32 random bits (SplitMix64, Steele et al. 2014)."""
    state = state + uint64(0x9E3779B97F4A7C15)
    z = (state ^ (state >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> uint64(27))) * uint64(0x94D049BB133111EB)
    return state, (z ^ (z >> uint64(31))) >> uint64(32)


@njit
def _difference(look, width, features, radius, ty, tx, sy, sx, best):  # type: ignore[no-untyped-def]
    """Sum of squared differences of two patches; stops once it is no better than ``best``."""
    # Unsigned positions: signed ones could count from the end, and that test stops SIMD.
    a = uint64(((ty - radius) * width + tx - radius) * features)
    b = uint64(((sy - radius) * width + sx - radius) * features)
    stride, length = uint64(width * features), (2 * radius + 1) * features
    total = uint32(0)
    for _ in range(2 * radius + 1):
        for i in range(length):
            k = uint64(i)
            step = int32(int32(look[a + k]) - int32(look[b + k]))
            total = uint32(total + uint32(step * step))
        if total >= best:
            break
        a += stride
        b += stride
    return total


@njit
def _partial(look, ready, width, features, radius, ty, tx, sy, sx):  # type: ignore[no-untyped-def]
    """The same over the target's ready pixels only, scaled up to a whole patch."""
    total, count = int64(0), 0
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            if ready[ty + dy, tx + dx]:
                a = ((ty + dy) * width + tx + dx) * features
                b = ((sy + dy) * width + sx + dx) * features
                for k in range(features):
                    step = int64(look[a + k]) - int64(look[b + k])
                    total += step * step
                count += 1
    if count == 0:
        return NONE - uint32(1)
    return uint32(total * (2 * radius + 1) ** 2 // count)


@kernel(
    void(
        _bytes,
        _flags,
        boolean,
        int64,
        int64,
        int32[::1],
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
    look,
    ready,
    masked,
    features,
    radius,
    order,
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
            if masked:
                best = _partial(look, ready, width, features, radius, ty, tx, by, bx)
            else:
                best = _difference(look, width, features, radius, ty, tx, by, bx, NONE)
        state = seed ^ (uint64(i) * uint64(0xD1342543DE82EF95))
        spread = reach
        stage, turn = 0, 0
        while best > 0:
            if stage < 8:
                far = 1 if stage < 4 else jump
                dy = (0, 0, -1, 1)[stage & 3] * far
                dx = (-1, 1, 0, 0)[stage & 3] * far
                stage += 1
                ny, nx = ty + dy, tx + dx
                if far == 0 or ny < 0 or nx < 0 or ny >= height or nx >= width:
                    continue
                j = index[ny, nx]
                if j < 0 or match[j, 0] < 0:
                    continue
                cy, cx = match[j, 0] - dy, match[j, 1] - dx
            elif stage < 12:
                dy = (0, 0, -1, 1)[stage & 3]
                dx = (-1, 1, 0, 0)[stage & 3]
                stage += 1
                if users.size == 0 or by < 0:
                    continue
                # A target that matches my match's neighbour: what does its own neighbour match?
                u = users[by + dy, bx + dx]
                if u < 0:
                    continue
                ny, nx = centre[u, 0] - dy, centre[u, 1] - dx
                if ((ny + nx) ^ (ty + tx)) & 1 == 0:
                    continue
                j = index[ny, nx]
                if j < 0 or match[j, 0] < 0:
                    continue
                cy, cx = int64(match[j, 0]), int64(match[j, 1])
            else:
                if spread < 1:
                    break
                y, x = (by, bx) if by >= 0 else (ty, tx)
                y0, y1 = max(radius, y - spread), min(last_y, y + spread)
                x0, x1 = max(radius, x - spread), min(last_x, x + spread)
                state, bits = _draw(state)
                cy = y0 + int64((bits * uint64(y1 - y0 + 1)) >> uint64(32))
                state, bits = _draw(state)
                cx = x0 + int64((bits * uint64(x1 - x0 + 1)) >> uint64(32))
                turn += 1
                if turn >= tries:
                    spread, turn = spread // 2, 0
            if cy < radius or cx < radius or cy > last_y or cx > last_x:
                continue
            if not source[cy, cx] or (cy == by and cx == bx):
                continue
            if masked:
                new = _partial(look, ready, width, features, radius, ty, tx, cy, cx)
            else:
                new = _difference(look, width, features, radius, ty, tx, cy, cx, best)
            if new < best:
                best, by, bx = new, cy, cx
        match[i, 0], match[i, 1], cost[i] = by, bx, best


@njit
def _target(index, y, x):  # type: ignore[no-untyped-def]
    if y < 0 or x < 0 or y >= index.shape[0] or x >= index.shape[1]:
        return int32(-1)
    return index[y, x]


@njit
def _scale(radius, index, cost, y, x, sharpness):  # type: ignore[no-untyped-def]
    """What turns a cost into an exponent: ``sharpness`` over the mean cost of the patches here."""
    total, count = float32(0), 0
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            i = _target(index, y + dy, x + dx)
            if i >= 0 and cost[i] != NONE:
                total += float32(cost[i])
                count += 1
    return sharpness * float32(count) / max(total, float32(1))


@kernel(
    void(
        _bytes,
        int64,
        int64,
        int64,
        int32[::1],
        _pairs,
        _grid,
        _pairs,
        _pairs,
        uint32[::1],
        float32[::1],
        float32,
    )
)
def vote(  # type: ignore[no-untyped-def]
    look, features, voted, radius, order, pixels, index, centre, match, cost, trust, sharpness
):
    """Set each pixel in ``order`` to the weighted mean of what the patches over it propose."""
    width = index.shape[1]
    sums = np.zeros(voted, np.float32)
    for p in order:
        y, x = int64(pixels[p, 0]), int64(pixels[p, 1])
        scale = _scale(radius, index, cost, y, x, sharpness)
        sums[:] = 0
        total = float32(0)
        for dy in range(-radius, radius + 1):
            for dx in range(-radius, radius + 1):
                i = _target(index, y + dy, x + dx)
                if i < 0 or cost[i] == NONE:
                    continue
                weight = trust[i] * np.exp(-float32(cost[i]) * scale)
                at = ((match[i, 0] - dy) * width + match[i, 1] - dx) * features
                for k in range(voted):
                    sums[k] += weight * float32(look[at + k])
                total += weight
        if total > 0:
            at = (y * width + x) * features
            for k in range(voted):
                look[at + k] = uint8(sums[k] / total + float32(0.5))


@kernel(
    void(
        int64, int32[::1], _pairs, _grid, _pairs, _pairs, uint32[::1], float32[::1], float32, _pairs
    )
)
def elect(  # type: ignore[no-untyped-def]
    radius, order, pixels, index, centre, match, cost, trust, sharpness, origin
):
    """Give each pixel in ``order`` the one shift that most patches over it, by weight, agree on.

    Copying by one shift keeps the grain that a mean would smooth away.
    """
    size = (2 * radius + 1) ** 2
    shifts, weights = np.empty((size, 2), np.int64), np.empty(size, np.float32)
    for p in order:
        y, x = int64(pixels[p, 0]), int64(pixels[p, 1])
        scale = _scale(radius, index, cost, y, x, sharpness)
        n = 0
        for dy in range(-radius, radius + 1):
            for dx in range(-radius, radius + 1):
                i = _target(index, y + dy, x + dx)
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
        best = np.argmax(weights[:n])
        origin[p, 0], origin[p, 1] = y + shifts[best, 0], x + shifts[best, 1]


@kernel(void(int32[::1], _grid, _pairs, _pairs, uint32[::1], _flags, _grid, _pairs, uint32[::1]))
def inherit(  # type: ignore[no-untyped-def]
    order, index, centre, match, cost, source, coarse_index, coarse_match, coarse_cost
):
    """Start the targets in ``order`` from the match of the coarser target they lie in."""
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


@kernel(void(int64, uint8[:, :, ::1], float32[:, ::1], uint8[:, :, ::1], float32[:, ::1]))
def halve(top, look, mass, small, small_mass):  # type: ignore[no-untyped-def]
    """Halve a picture, averaging known pixels only; ``mass`` is the share of each that is known.

    Rows from ``top`` of the small picture, as many as ``small`` has.
    """
    height, width, features = look.shape
    sums = np.empty(features, np.float32)
    for row in range(small.shape[0]):
        for x in range(small.shape[1]):
            sums[:] = 0
            total, cells = float32(0), 0
            for sy in range(2 * (top + row), min(2 * (top + row) + 2, height)):
                for sx in range(2 * x, min(2 * x + 2, width)):
                    share = mass[sy, sx]
                    total += share
                    cells += 1
                    for k in range(features):
                        sums[k] += share * float32(look[sy, sx, k])
            small_mass[row, x] = total / cells
            for k in range(features):
                mean = sums[k] / total if total > 0 else float32(0)
                small[row, x, k] = uint8(mean + float32(0.5))
