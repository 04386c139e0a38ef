"""Metrics of two sets of pictures by Inception's features: FID, KID, U-IDS, P-IDS.

``update`` takes pictures, ``update_features`` features computed before. In float64; the result
does not depend on the batches, only on the order.
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
from mendpix.metrics import inception_features
from mendpix.metrics.inception_features import Convention, Features
from mendpix.metrics.linear_svm import fit_linear_svm
from mendpix.metrics.picture_pairs import PictureBatch

Floats = NDArray[np.float64]

BLOCK = 256
"""Rows added to sums at a time: the same blocks whatever the batches, so that no digit changes."""


class SetMetric(ABC):
    """One number for all pictures.

    Args:
        convention: how pictures are prepared for the network, a name of
            ``inception_features.PREPARE``.

    Shape:
        as every metric of pictures; 8-bit composites are measured.
    """

    better: Literal["higher", "lower"] = "lower"

    def __init__(self, convention: Convention) -> None:
        self.convention = convention
        self.count = 0

    def update(self, prediction: Tensor, target: Tensor, hole: Tensor) -> None:
        """Add a batch of pictures.

        Raises:
            TensorError: shapes or values that do not fit each other.
            WeightsError: the network's weights are not at hand.
        """
        inception = inception_features.load_shared(self.convention)
        pairs = PictureBatch(prediction, target, hole).get_pairs("composite", "round")
        sides = ([pair.prediction for pair in pairs], [pair.target for pair in pairs])
        batches = (torch.stack([torch.from_numpy(array) for array in side]) for side in sides)
        filled, real = (inception(batch.permute(0, 3, 1, 2)) for batch in batches)
        self.update_features(filled, real)

    def update_features(self, filled: Features, real: Features) -> None:
        """Add features of predictions and of their targets, ``(N, D)`` each, pair by pair.

        Raises:
            TensorError: of other shapes.
        """
        if filled.shape != real.shape or filled.ndim != 2:
            raise TensorError(
                f"features are {filled.shape} and {real.shape} but must be (N, D) both"
            )
        self.count += len(filled)
        self._add(filled, real)

    @abstractmethod
    def _add(self, filled: Features, real: Features) -> None: ...

    @abstractmethod
    def compute(self) -> float:
        """The number; NaN for fewer than two pictures."""


class FeatureMoments:
    """Mean and covariance of rows: holds the rows while they are few, then sums of them."""

    def __init__(self) -> None:
        self.count = 0
        self._rows: list[Floats] = []
        self._sums: tuple[Floats, Floats] | None = None

    def add(self, rows: Features) -> None:
        """Add rows ``(N, D)``; of more than D only sums are held."""
        width = rows.shape[1]
        self.count += len(rows)
        self._rows += list(rows.astype(np.float64))
        if self._sums is None and self.count > width:
            self._sums = np.zeros(width), np.zeros((width, width))
        while self._sums is not None and len(self._rows) >= BLOCK:
            self._sums = _add_rows(self._sums, np.stack(self._rows[:BLOCK]))
            del self._rows[:BLOCK]

    def summarise(self, divisor: int) -> tuple[Floats, Floats]:
        """The mean ``(D,)``, and a root A ``(D, K)`` of the covariance: A A^T."""
        if self._sums is None:
            rows = np.stack(self._rows)
            mean = rows.sum(0) / self.count
            return mean, (rows - mean).T / math.sqrt(divisor)
        total, outer = self._sums
        if self._rows:
            total, outer = _add_rows(self._sums, np.stack(self._rows))
        mean = total / self.count
        covariance = (outer - self.count * np.outer(mean, mean)) / divisor
        values, vectors = np.linalg.eigh(covariance)
        return mean, vectors * np.sqrt(values.clip(min=0))  # rounding may make some negative


def _add_rows(sums: tuple[Floats, Floats], rows: Floats) -> tuple[Floats, Floats]:
    return sums[0] + rows.sum(0), sums[1] + rows.T @ rows


class FID(SetMetric):
    """Frechet Inception distance: the distance of two Gaussians fitted to features.

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
        self._moments = (FeatureMoments(), FeatureMoments())

    def _add(self, filled: Features, real: Features) -> None:
        for side, rows in zip(self._moments, (filled, real), strict=True):
            side.add(rows)

    def compute(self) -> float:
        if self.count < 2:
            return math.nan
        divisor = self.count if self.convention == "stylegan" else self.count - 1
        (mean1, root1), (mean2, root2) = (side.summarise(divisor) for side in self._moments)
        traces = np.square(root1).sum() + np.square(root2).sum()
        mixed = np.linalg.svd(root1.T @ root2, compute_uv=False).sum()
        return float(np.square(mean1 - mean2).sum() + traces - 2 * mixed)


class FeatureFile:
    """Rows of features in an unnamed temporary file, deleted with this object."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  (open for this object's lifetime)
        self._finalizer = weakref.finalize(self, self._file.close)
        self._shape = (0, 0)

    def add(self, rows: Features) -> None:
        """Append rows ``(N, D)``."""
        self._file.write(np.ascontiguousarray(rows, np.float32).tobytes())
        self._shape = (self._shape[0] + len(rows), rows.shape[1])

    def rows(self) -> Features:
        """All rows, memory-mapped: read from disk as they are used."""
        self._file.flush()
        return np.memmap(self._file, np.float32, "r", shape=self._shape)


class _StoredFeaturesMetric(SetMetric):
    """A metric that needs all features at once: they are kept on disk."""

    def __init__(self, convention: Convention) -> None:
        super().__init__(convention)
        self._filled, self._real = FeatureFile(), FeatureFile()

    def _add(self, filled: Features, real: Features) -> None:
        self._filled.add(filled)
        self._real.add(real)


class KID(_StoredFeaturesMetric):
    """Kernel Inception distance: the unbiased squared MMD with the kernel (x y / D + 1)^3.

    Binkowski et al. 2018, https://arxiv.org/abs/1801.01401. Unlike FID's, its expectation does not
    depend on the number of pictures; it may be a little below 0.

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
        filled, real = self._filled.rows(), self._real.rows()
        if self.count <= self.size:
            return squared_mmd(filled, real)
        random = np.random.default_rng(self.seed)
        values = []
        for _ in range(self.subsets):
            first, second = (
                np.sort(random.choice(self.count, self.size, replace=False)) for _ in range(2)
            )
            values.append(squared_mmd(filled[first], real[second]))
        return math.fsum(values) / self.subsets


def squared_mmd(filled: Features, real: Features) -> float:
    """The unbiased squared maximum mean discrepancy of two sets of equally many rows.

    The within-set means leave out the diagonal, whose ``k(x, x)`` would bias them.
    """
    a, b = filled.astype(np.float64), real.astype(np.float64)
    count = len(a)
    squares = (_polynomial_kernel(x, x) for x in (a, b))
    within = sum(square.sum() - np.trace(square) for square in squares)
    return float(within / (count * (count - 1)) - 2 * _polynomial_kernel(a, b).mean())


def _polynomial_kernel(a: Floats, b: Floats) -> Floats:
    return np.asarray((a @ b.T / a.shape[1] + 1) ** 3)


class UIDS(_StoredFeaturesMetric):
    """Unpaired Inception discriminative score: the error rate of a linear SVM, 0..0.5 nominally.

    Zhao et al. 2021 (CoMod-GAN), https://arxiv.org/abs/2103.10428: the SVM is trained to tell real
    from filled and evaluated on its own training features. With no more pictures than the 2,048
    features it can separate any two sets, and the score is 0.
    """

    better = "higher"

    def __init__(self, convention: Convention = "stylegan") -> None:
        super().__init__(convention)

    def compute(self) -> float:
        if self.count < 2:
            return math.nan
        real, filled = self._classify()
        return 1 - float((np.sum(real > 0) + np.sum(filled <= 0)) / (2 * self.count))

    def _classify(self) -> tuple[Floats, Floats]:
        """The SVM's decision values of targets and of predictions: above 0 is real."""
        return fit_linear_svm(self._real.rows(), self._filled.rows())


class PIDS(UIDS):
    """Paired Inception discriminative score: the share of pairs whose fill is rated more real.

    The SVM is that of :class:`UIDS`.
    """

    def compute(self) -> float:
        if self.count < 2:
            return math.nan
        real, filled = self._classify()
        return float(np.mean(filled > real))
