"""A linear support vector machine with squared hinge loss, solved exactly by Newton's method."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_STEPS = 100


def fit_linear_svm(
    positive: NDArray[np.floating], negative: NDArray[np.floating], cost: float = 1.0
) -> tuple[Floats, Floats]:
    """Train a linear SVM; returns its decision values of its training rows, positive set first.

    Minimises ``|w|^2 / 2 + cost * sum max(0, 1 - y w x)^2`` with a constant 1 added to each row:
    scikit-learn's ``LinearSVC(dual=False)``. The minimum is unique. Newton's method finds it: on
    the rows inside the margin the sum is quadratic, and solved exactly, until these rows stay the
    same.

    Args:
        positive, negative: ``(N, D)`` and ``(M, D)``.
    """
    rows = np.concatenate([positive, negative]).astype(np.float64)
    rows = np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
    signs = np.concatenate([np.ones(len(positive)), -np.ones(len(negative))])
    weights = np.zeros(rows.shape[1])
    inside = np.ones(len(rows), bool)
    for _ in range(MAX_STEPS):
        goal = _solve_ridge(rows[inside], signs[inside], cost)
        weights = _search_line(weights, goal, rows, signs, cost)
        before, inside = inside, signs * (rows @ weights) < 1
        if np.array_equal(before, inside) and np.array_equal(weights, goal):
            break
    decisions = rows @ weights
    return decisions[: len(positive)], decisions[len(positive) :]


def _solve_ridge(rows: Floats, signs: Floats, cost: float) -> Floats:
    """Ridge regression: the minimum if all these rows and no others are inside the margin.

    Of the two equivalent systems (push-through identity), the smaller one is solved.
    """
    count, width = rows.shape
    if count < width:
        dual = rows @ rows.T + np.eye(count) / (2 * cost)
        return np.asarray(rows.T @ np.linalg.solve(dual, signs))
    primal = rows.T @ rows + np.eye(width) / (2 * cost)
    return np.asarray(np.linalg.solve(primal, rows.T @ signs))


def _search_line(weights: Floats, goal: Floats, rows: Floats, signs: Floats, cost: float) -> Floats:
    """Backtracking line search: the goal, or half the way and so on, until the objective falls."""
    start = _objective(weights, rows, signs, cost)
    step = 1.0
    while step > 1e-10:
        candidate = goal if step == 1 else weights + step * (goal - weights)
        if _objective(candidate, rows, signs, cost) <= start:
            return candidate
        step /= 2
    return goal


def _objective(weights: Floats, rows: Floats, signs: Floats, cost: float) -> float:
    hinge = np.maximum(0, 1 - signs * (rows @ weights))
    return float(weights @ weights / 2 + cost * (hinge @ hinge))
