"""Measures of one picture against another: L1, L2, PSNR, SSIM and MS-SSIM, in float64.

Every metric is told pictures by ``update(prediction, target, hole)``, gives a value per picture by
``rows()``, in the order told, and their mean by ``compute()``. Papers report numbers of one name
that are computed differently: those are variants here, chosen by name, and never comparable with
each other.

Each picture is measured by itself, on the CPU, in one thread: neither batches nor threads nor
devices change a digit.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Literal

import cv2
import numpy as np
from torch import Tensor

from mendpix.errors import TensorError
from mendpix.metrics import ssim_kernels
from mendpix.metrics.pair import Bits, On, Pair, Pictures

Area = Literal["image", "hole"]


class PictureMetric(ABC):
    """A value per picture.

    Args:
        on: ``"composite"`` judges the prediction in the hole and the target elsewhere, as most
            papers do; ``"output"`` the prediction as it is.
        bits: what is done to 8 bits before measuring, as for a picture file: nothing, rounding,
            or cutting off (CR-Fill's release). Pictures given as uint8 already are.

    Shape:
        prediction, target: ``(N, 3, H, W)`` in [0, 1], the prediction is cut off there; or uint8.
        hole: ``(N, 1, H, W)``, 1 = missing.
    """

    better: Literal["higher", "lower"] = "higher"

    def __init__(self, on: On = "composite", bits: Bits = "") -> None:
        self.on, self.bits = on, bits
        self._rows: list[float] = []

    def update(self, prediction: Tensor, target: Tensor, hole: Tensor) -> None:
        """Measure a batch.

        Raises:
            TensorError: shapes or values that do not fit each other.
        """
        self.tell(Pictures(prediction, target, hole))

    @abstractmethod
    def tell(self, pictures: Pictures) -> None:
        """Measure a batch that other metrics are told, too."""

    def rows(self) -> list[float]:
        """A value per picture, in the order in which they came."""
        return list(self._rows)

    def compute(self) -> float:
        """Their mean, exactly summed; NaN where there is none."""
        if not all(map(math.isfinite, self._rows)):
            return sum(self._rows) / len(self._rows)
        return math.fsum(self._rows) / len(self._rows) if self._rows else math.nan


def measure(
    metrics: Mapping[str, PictureMetric], prediction: Tensor, target: Tensor, hole: Tensor
) -> dict[str, list[float]]:
    """Tell several metrics a batch, prepared once; the batch's rows by the metrics' names.

    Raises:
        TensorError: as :meth:`PictureMetric.update`.
    """
    pictures = Pictures(prediction, target, hole)
    for metric in metrics.values():
        metric.tell(pictures)
    return {name: metric.rows()[-len(target) :] for name, metric in metrics.items()}


class PairMetric(PictureMetric):
    """A metric of arrays, one pair of pictures after the other."""

    def tell(self, pictures: Pictures) -> None:
        self._rows += [self.measure(pair) for pair in pictures.pairs(self.on, self.bits)]

    @abstractmethod
    def measure(self, pair: Pair) -> float:
        """Of one picture."""


def _apart(pair: Pair, norm: int, area: Area) -> float:
    """Mean distance of the values, 0..255; NaN over a hole where nothing is missing."""
    where = pair.hole if area == "hole" else None
    count = pair.true.size if where is None else int(where.sum()) * pair.true.shape[2]
    return cv2.norm(pair.made, pair.true, norm, where) / count if count else math.nan


class L1(PairMetric):
    """Mean absolute error in percent of white, over the whole picture or missing pixels alone."""

    better = "lower"

    def __init__(self, area: Area = "image", on: On = "composite", bits: Bits = "") -> None:
        super().__init__(on, bits)
        self.area = area

    def measure(self, pair: Pair) -> float:
        return 100 * _apart(pair, cv2.NORM_L1, self.area) / 255


class L2(PairMetric):
    """Mean squared error of values in [0, 1], in percent, over the picture or the hole."""

    better = "lower"

    def __init__(self, area: Area = "image", on: On = "composite", bits: Bits = "") -> None:
        super().__init__(on, bits)
        self.area = area

    def measure(self, pair: Pair) -> float:
        return 100 * _apart(pair, cv2.NORM_L2SQR, self.area) / 255**2


class RelativeL1(PairMetric):
    """The "MAE" of EdgeConnect and AOT-GAN: absolute differences over both sums, in percent.

    Args:
        grey: of luminance (EdgeConnect), or of all channels (AOT-GAN).
    """

    better = "lower"

    def __init__(self, grey: bool = False, on: On = "composite", bits: Bits = "") -> None:
        super().__init__(on, bits)
        self.grey = grey

    def measure(self, pair: Pair) -> float:
        pair = pair.as_grey() if self.grey else pair
        both = float(pair.made.sum(dtype=np.float64) + pair.true.sum(dtype=np.float64))
        return 100 * cv2.norm(pair.made, pair.true, cv2.NORM_L1) / both if both else math.nan


class PSNR(PairMetric):
    """Peak signal-to-noise ratio in dB, per picture: infinite where nothing differs.

    Args:
        area: whose mean squared error.
        slack: added to it, on the scale 0..255, so that equal pictures stay finite (CR-Fill's
            release adds 1e-8).
        grey: of luminance (EdgeConnect).
    """

    def __init__(
        self,
        area: Area = "image",
        slack: float = 0.0,
        grey: bool = False,
        on: On = "composite",
        bits: Bits = "",
    ) -> None:
        super().__init__(on, bits)
        self.area, self.slack, self.grey = area, slack, grey

    def measure(self, pair: Pair) -> float:
        pair = pair.as_grey() if self.grey else pair
        error = _apart(pair, cv2.NORM_L2SQR, self.area) + self.slack
        return 10 * math.log10(255**2 / error) if error else math.inf


K1, K2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
Variant = Literal["wang", "uniform", "padded", "grey"]
VARIANTS = ("wang", "uniform", "padded", "grey")


class SSIM(PairMetric):
    """Structural similarity (Wang et al. 2004, https://doi.org/10.1109/TIP.2003.819861).

    Args:
        variant: ``"wang"``: Gaussian window of 11 pixels, sigma 1.5, only where it fits, each
            channel, then their mean (also MAT's). ``"uniform"``: scikit-image's default, a plain
            window of 7 pixels with sample covariance (AOT-GAN). ``"padded"``: Wang's with zeros
            around the picture (LaMa). ``"grey"``: EdgeConnect's, of grey pictures with a plain
            window of 51 pixels, or the largest odd one that fits.
        area: the mean over all windows, or over those whose centre is missing; NaN where there is
            none.
    """

    def __init__(
        self,
        variant: Variant = "wang",
        area: Area = "image",
        on: On = "composite",
        bits: Bits = "",
    ) -> None:
        super().__init__(on, bits)
        if variant not in VARIANTS:
            raise TensorError(f"SSIM has no variant {variant!r}; {', '.join(VARIANTS)}")
        self.variant, self.area = variant, area

    def measure(self, pair: Pair) -> float:
        if self.variant == "grey":
            pair = pair.as_grey()
        if self.variant == "padded":
            edges = (5, 5, 5, 5, cv2.BORDER_CONSTANT)
            sides = (cv2.copyMakeBorder(x, *edges) for x in (pair.made, pair.true, pair.hole))
            pair = Pair(*(np.asarray(side) for side in sides))
        short = min(pair.true.shape[:2])
        side = {"uniform": 7, "grey": min(51, short - 1 + short % 2)}.get(self.variant, 11)
        if short < side:
            raise TensorError(f"SSIM looks through {side} pixels but the picture has {short}")
        if self.variant in ("wang", "padded"):
            return float(similarity(pair, ssim_kernels.gaussian(), area=self.area)[0].mean())
        bias = side**2 / (side**2 - 1)
        return float(similarity(pair, ssim_kernels.uniform(side), bias, self.area)[0].mean())


class MSSSIM(PairMetric):
    """SSIM over five scales (Wang et al. 2003, https://doi.org/10.1109/ACSSC.2003.1292216).

    Contrast and structure at each scale, luminance at the last; a mean below 0 counts as 0. Each
    channel, then their mean.
    """

    weights = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

    def measure(self, pair: Pair) -> float:
        height, width = pair.true.shape[:2]
        least = 11 * 2 ** (len(self.weights) - 1)
        if min(height, width) < least:
            raise TensorError(
                f"MS-SSIM needs {least} pixels a side but the picture is {width}x{height}; use SSIM"
            )
        product = np.ones(pair.true.shape[2])
        for scale, weight in enumerate(self.weights):
            last = scale == len(self.weights) - 1
            means = similarity(pair, ssim_kernels.gaussian())[0 if last else 1]
            product *= means.clip(min=0) ** weight
            pair = pair if last else _halved(pair)
        return float(product.mean())


def similarity(
    pair: Pair, weights: ssim_kernels.Floats, bias: float = 1.0, area: Area = "image"
) -> ssim_kernels.Floats:
    """Means of SSIM and of its contrast and structure alone, of each channel: ``(2, C)``.

    Args:
        weights: a window's, along one side.
        bias: what local variances and covariance are multiplied by.
        area: which windows, by their centres.
    """
    half = weights.size // 2
    reach = np.ones((weights.size, weights.size), np.uint8)
    active = np.asarray(cv2.dilate(pair.changed(), reach), np.uint8)
    counted = pair.hole if area == "hole" else np.ones_like(pair.hole)
    count = int(counted[half : -half or None, half : -half or None].sum())
    if not count:
        return np.full((2, pair.true.shape[2]), math.nan)
    sums = ssim_kernels.missing(pair.made, pair.true, active, counted, weights, bias, K1, K2)
    return np.asarray(1 - sums / count)


def _halved(pair: Pair) -> Pair:
    """Means of 2 x 2 pixels, float64; an odd last row or column falls away."""
    height, width = (side // 2 * 2 for side in pair.true.shape[:2])
    corners = [(slice(i, height, 2), slice(j, width, 2)) for i in (0, 1) for j in (0, 1)]
    made, true = (
        np.ascontiguousarray(sum(side[corner].astype(np.float64) for corner in corners) / 4)
        for side in (pair.made, pair.true)
    )
    return Pair(made, true, np.ascontiguousarray(pair.hole[corners[0]]))
