"""Metrics of many pictures at once: how two sets of them differ in what a network sees.

Told pictures by ``update``, or features that were kept by ``tell``; in float64, and the same
whatever the batches were, if told in the same order.
"""

import math
import tempfile
import weakref
from abc import ABC, abstractmethod
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mendpix.errors import TensorError
from mendpix.metrics import inception
from mendpix.metrics.inception import Convention, Features
from mendpix.metrics.linear_svm import separate
from mendpix.metrics.pair import Pictures

Floats = NDArray[np.float64]

BLOCK = 256


class SetMetric(ABC):
    """One number for all pictures.

    Args:
        convention: how pictures are brought to the network, a name of ``inception.PREPARE``.

    Shape:
        as every metric of pictures; composites of 8 bits are looked at.
    """

    better: Literal["higher", "lower"] = "lower"

    def __init__(self, convention: Convention) -> None:
        self.convention = convention
        self.count = 0

    def update(self, prediction: Tensor, target: Tensor, hole: Tensor) -> None:
        """Look at a batch of pictures and tell their features.

        Raises:
            TensorError: shapes or values that do not fit each other.
            WeightsError: the network's weights are not at hand.
        """
        look = inception.shared(self.convention)
        pairs = Pictures(prediction, target, hole).pairs("composite", "round")
        sides = ([torch.from_numpy(getattr(p, s)) for p in pairs] for s in ("made", "true"))
        made, true = (look(torch.stack(side).permute(0, 3, 1, 2)) for side in sides)
        self.tell(made, true)

    def tell(self, made: Features, true: Features) -> None:
        """Take features of predictions and of their targets, ``(N, D)`` each, pair by pair.

        Raises:
            TensorError: of other shapes.
        """
        if made.shape != true.shape or made.ndim != 2:
            raise TensorError(f"features are {made.shape} and {true.shape} but must be (N, D) both")
        self.count += len(made)
        self._take(made, true)

    @abstractmethod
    def _take(self, made: Features, true: Features) -> None: ...

    @abstractmethod
    def compute(self) -> float:
        """The number; NaN for fewer than two pictures."""


class Moments:
    """Mean and covariance of rows: the rows themselves while they are few, then sums."""

    def __init__(self) -> None:
        self.count = 0
        self._held: list[Floats] = []
        self._sums: tuple[Floats, Floats] | None = None

    def add(self, rows: Features) -> None:
        """Take rows ``(N, D)``; of more than D only sums are held."""
        width = rows.shape[1]
        self.count += len(rows)
        self._held += list(rows.astype(np.float64))
        if self._sums is None and self.count > width:
            self._sums = np.zeros(width), np.zeros((width, width))
        while self._sums is not None and len(self._held) >= BLOCK:
            self._sums = _plus(self._sums, np.stack(self._held[:BLOCK]))
            del self._held[:BLOCK]

    def finish(self, divisor: int) -> tuple[Floats, Floats]:
        """The mean ``(D,)``, and a root A ``(D, K)`` of the covariance: A A^T."""
        if self._sums is None:
            rows = np.stack(self._held)
            mean = rows.sum(0) / self.count
            return mean, (rows - mean).T / math.sqrt(divisor)
        total, outer = self._sums
        if self._held:
            total, outer = _plus(self._sums, np.stack(self._held))
        mean = total / self.count
        spread = (outer - self.count * np.outer(mean, mean)) / divisor
        values, vectors = np.linalg.eigh(spread)
        return mean, vectors * np.sqrt(values.clip(min=0))


def _plus(sums: tuple[Floats, Floats], rows: Floats) -> tuple[Floats, Floats]:
    return sums[0] + rows.sum(0), sums[1] + rows.T @ rows


class FID(SetMetric):
    """Frechet distance of two Gaussians fitted to features.

    ``|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))``, Heusel et al. 2017,
    https://arxiv.org/abs/1706.08500. With roots S = A A^T the last trace is the sum of the
    singular values of A1^T A2, so that few pictures need no 2048 x 2048 matrix, and noise in
    empty directions counts nothing. Of up to 2,048 pictures the features are held, of more only
    sums.

    Args:
        convention: ``"clean"`` and ``"pytorch"`` divide the covariance by N - 1, ``"stylegan"``
            by N, as their releases do.
    """

    def __init__(self, convention: Convention = "clean") -> None:
        super().__init__(convention)
        self._sides = (Moments(), Moments())

    def _take(self, made: Features, true: Features) -> None:
        for side, rows in zip(self._sides, (made, true), strict=True):
            side.add(rows)

    def compute(self) -> float:
        if self.count < 2:
            return math.nan
        divisor = self.count if self.convention == "stylegan" else self.count - 1
        (mean1, root1), (mean2, root2) = (side.finish(divisor) for side in self._sides)
        traces = np.square(root1).sum() + np.square(root2).sum()
        mixed = np.linalg.svd(root1.T @ root2, compute_uv=False).sum()
        return float(np.square(mean1 - mean2).sum() + traces - 2 * mixed)


class Kept:
    """Rows of features in a file without a name, which goes when this does."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  (open as long as this lives)
        self._closing = weakref.finalize(self, self._file.close)
        self._shape = (0, 0)

    def add(self, rows: Features) -> None:
        """Take rows ``(N, D)``."""
        self._file.write(np.ascontiguousarray(rows, np.float32).tobytes())
        self._shape = (self._shape[0] + len(rows), rows.shape[1])

    def rows(self) -> Features:
        """All of them, read from disk as they are used."""
        self._file.flush()
        return np.memmap(self._file, np.float32, "r", shape=self._shape)


class _KeptMetric(SetMetric):
    """Keeps features on disk."""

    def __init__(self, convention: Convention) -> None:
        super().__init__(convention)
        self._made, self._true = Kept(), Kept()

    def _take(self, made: Features, true: Features) -> None:
        self._made.add(made)
        self._true.add(true)


class KID(_KeptMetric):
    """Kernel distance of features: the unbiased squared MMD of the kernel (x y / D + 1)^3.

    Binkowski et al. 2018, https://arxiv.org/abs/1801.01401. Unlike FID's, its mean does not depend
    on how many pictures there are; it may come out a little below 0.

    Args:
        subsets, size: means over so many draws without replacement of so many pictures, as
            clean-fid takes it; all pictures, once, where there are no more.
        seed: of the draws.
    """

    def __init__(
        self,
        convention: Convention = "clean",
        subsets: int = 100,
        size: int = 1000,
        seed: int = 0,
    ) -> None:
        super().__init__(convention)
        self.subsets, self.size, self.seed = subsets, size, seed

    def compute(self) -> float:
        if self.count < 2:
            return math.nan
        made, true = self._made.rows(), self._true.rows()
        if self.count <= self.size:
            return discrepancy(made, true)
        random = np.random.default_rng(self.seed)
        values = []
        for _ in range(self.subsets):
            first, second = (
                np.sort(random.choice(self.count, self.size, replace=False)) for _ in range(2)
            )
            values.append(discrepancy(made[first], true[second]))
        return math.fsum(values) / self.subsets


def discrepancy(made: Features, true: Features) -> float:
    """The unbiased squared maximum mean discrepancy of two sets of as many rows."""
    a, b = made.astype(np.float64), true.astype(np.float64)
    count = len(a)
    squares = (_kernel(x, x) for x in (a, b))
    within = sum(square.sum() - np.trace(square) for square in squares)
    return float(within / (count * (count - 1)) - 2 * _kernel(a, b).mean())


def _kernel(a: Floats, b: Floats) -> Floats:
    return np.asarray((a @ b.T / a.shape[1] + 1) ** 3)


class UIDS(_KeptMetric):
    """Unpaired inception discriminative score: how often a linear SVM errs, 0..0.5 nominally.

    Zhao et al. 2021 (CoMod-GAN), https://arxiv.org/abs/2103.10428: the SVM is trained to tell real
    from filled and asked about the very pictures it was trained on. At most 2,048 pictures it may
    separate them whatever they are, and the score is 0.
    """

    better = "higher"

    def __init__(self, convention: Convention = "stylegan") -> None:
        super().__init__(convention)

    def compute(self) -> float:
        if self.count < 2:
            return math.nan
        real, filled = self._decisions()
        return 1 - float((np.sum(real > 0) + np.sum(filled <= 0)) / (2 * self.count))

    def _decisions(self) -> tuple[Floats, Floats]:
        """What the SVM says of each target and of each prediction: above 0 is real."""
        return separate(self._true.rows(), self._made.rows())


class PIDS(UIDS):
    """Paired inception discriminative score: the share of pairs in which the fill looks more real.

    The SVM is that of :class:`UIDS`.
    """

    def compute(self) -> float:
        if self.count < 2:
            return math.nan
        real, filled = self._decisions()
        return float(np.mean(filled > real))
