"""A linear support vector machine, solved until nothing changes."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROUNDS = 100


def separate(
    positive: NDArray[np.floating], negative: NDArray[np.floating], cost: float = 1.0
) -> tuple[Floats, Floats]:
    """What a linear SVM says of each row it was trained on: above 0 for the first set.

    Minimised is ``|w|^2 / 2 + cost * sum max(0, 1 - y w x)^2`` with a constant 1 added to each row:
    scikit-learn's ``LinearSVC(dual=False)``. Its minimum is unique. It is found by Newton's
    method: on the rows inside the margin the sum is a quadratic, solved exactly, until these rows
    stay the same.

    Args:
        positive, negative: ``(N, D)`` and ``(M, D)``.
    """
    rows = np.concatenate([positive, negative]).astype(np.float64)
    rows = np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
    signs = np.concatenate([np.ones(len(positive)), -np.ones(len(negative))])
    weights = np.zeros(rows.shape[1])
    inside = np.ones(len(rows), bool)
    for _ in range(ROUNDS):
        goal = _ridge(rows[inside], signs[inside], cost)
        weights = _towards(weights, goal, rows, signs, cost)
        before, inside = inside, signs * (rows @ weights) < 1
        if np.array_equal(before, inside) and np.array_equal(weights, goal):
            break
    said = rows @ weights
    return said[: len(positive)], said[len(positive) :]


def _ridge(rows: Floats, signs: Floats, cost: float) -> Floats:
    """The minimum if all these rows and no others count; of the smaller of two equal systems."""
    count, width = rows.shape
    if count < width:
        small = rows @ rows.T + np.eye(count) / (2 * cost)
        return np.asarray(rows.T @ np.linalg.solve(small, signs))
    whole = rows.T @ rows + np.eye(width) / (2 * cost)
    return np.asarray(np.linalg.solve(whole, rows.T @ signs))


def _towards(weights: Floats, goal: Floats, rows: Floats, signs: Floats, cost: float) -> Floats:
    """The goal, or halfway there and so on until the objective falls."""
    start = _objective(weights, rows, signs, cost)
    step = 1.0
    while step > 1e-10:
        there = goal if step == 1 else weights + step * (goal - weights)
        if _objective(there, rows, signs, cost) <= start:
            return there
        step /= 2
    return goal


def _objective(weights: Floats, rows: Floats, signs: Floats, cost: float) -> float:
    short = np.maximum(0, 1 - signs * (rows @ weights))
    return float(weights @ weights / 2 + cost * (short @ short))
