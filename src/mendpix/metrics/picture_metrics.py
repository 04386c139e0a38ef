"""Metrics of single pictures: L1, L2, PSNR, SSIM and MS-SSIM, in float64.

``update(prediction, target, hole)`` adds pictures, ``rows()`` gives a value per picture in order,
``compute()`` their mean. Papers report numbers of one name that are computed differently: those
are variants here, chosen by name, and not comparable with each other.

Each picture is measured by itself, on the CPU, in one thread: batches, threads and devices change
no digit.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mendpix.errors import TensorError
from mendpix.metrics import ssim_kernels
from mendpix.metrics.picture_pairs import Bits, On, PictureBatch, PicturePair
from mendpix.networks.types import check_photo

Area = Literal["image", "hole"]


class PictureMetric(ABC):
    """A value per picture.

    Args:
        on: ``"composite"`` measures the prediction in the hole and the target elsewhere, as most
            papers do; ``"output"`` the prediction as it is.
        bits: quantise to 8 bits before measuring, as a picture file does: not (``""``), by
            ``"round"``, or by ``"truncate"`` (CR-Fill's release). uint8 pictures stay as they are.

    Shape:
        prediction, target: ``(N, 3, H, W)`` in [0, 1], to which the prediction is clipped; or
        uint8.
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
        self.update_batch(PictureBatch(prediction, target, hole))

    @abstractmethod
    def update_batch(self, pictures: PictureBatch) -> None:
        """Measure a batch that is prepared once for several metrics."""

    def rows(self) -> list[float]:
        """A value per picture, in the order of the updates."""
        return list(self._rows)

    def compute(self) -> float:
        """The mean of the rows, exactly summed; NaN without rows."""
        if not all(map(math.isfinite, self._rows)):  # fsum raises on inf - inf
            return sum(self._rows) / len(self._rows)
        return math.fsum(self._rows) / len(self._rows) if self._rows else math.nan


def measure(
    metrics: Mapping[str, PictureMetric], prediction: Tensor, target: Tensor, hole: Tensor
) -> dict[str, list[float]]:
    """Update several metrics by a batch, prepared once; returns its rows by the metrics' names.

    Raises:
        TensorError: as :meth:`PictureMetric.update`.
    """
    pictures = PictureBatch(prediction, target, hole)
    for metric in metrics.values():
        metric.update_batch(pictures)
    return {name: metric.rows()[-len(target) :] for name, metric in metrics.items()}


class DistanceMetric(PictureMetric):
    """A metric by a network's features. Pictures are passed singly: batches change no digit."""

    @torch.no_grad()
    def update_batch(self, pictures: PictureBatch) -> None:
        prediction, target = pictures.get_tensors(self.on, self.bits)
        for one, other in zip(prediction.split(1), target.split(1), strict=True):  # type: ignore[no-untyped-call]
            self._rows.append(self.distance(one, other).item())

    def distance(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The distance of each pair, ``(N,)`` float64; differentiable.

        The network runs in float32; from its features on, in float64 (not on Apple's GPUs).

        Raises:
            TensorError: shapes or ranges that do not fit, or pictures too small.
        """
        check_photo(prediction, name="prediction")
        check_photo(target, name="target")
        if prediction.shape != target.shape:
            raise TensorError(
                f"the prediction has shape {tuple(prediction.shape)} but the target has "
                f"{tuple(target.shape)}; give both the same"
            )
        with torch.autocast(target.device.type, enabled=False):
            return self._measure(prediction, target)

    @abstractmethod
    def _measure(self, prediction: Tensor, target: Tensor) -> Tensor: ...


class PairMetric(PictureMetric):
    """A metric computed on arrays, pair by pair."""

    def update_batch(self, pictures: PictureBatch) -> None:
        self._rows += [self.measure(pair) for pair in pictures.get_pairs(self.on, self.bits)]

    @abstractmethod
    def measure(self, pair: PicturePair) -> float:
        """The value of one picture."""


def _mean_distance(pair: PicturePair, norm: int, area: Area) -> float:
    """Mean distance of the values, 0..255; NaN over a hole where nothing is missing."""
    where = pair.hole if area == "hole" else None
    count = pair.target.size if where is None else int(where.sum()) * pair.target.shape[2]
    return cv2.norm(pair.prediction, pair.target, norm, where) / count if count else math.nan


class L1Error(PairMetric):
    """Mean absolute error in percent of white, over the whole picture or missing pixels alone."""

    better = "lower"

    def __init__(self, area: Area = "image", on: On = "composite", bits: Bits = "") -> None:
        super().__init__(on, bits)
        self.area = area

    def measure(self, pair: PicturePair) -> float:
        return 100 * _mean_distance(pair, cv2.NORM_L1, self.area) / 255


class L2Error(PairMetric):
    """Mean squared error of values in [0, 1], in percent, over the picture or the hole."""

    better = "lower"

    def __init__(self, area: Area = "image", on: On = "composite", bits: Bits = "") -> None:
        super().__init__(on, bits)
        self.area = area

    def measure(self, pair: PicturePair) -> float:
        return 100 * _mean_distance(pair, cv2.NORM_L2SQR, self.area) / 255**2


class RelativeL1(PairMetric):
    """The "MAE" of EdgeConnect and AOT-GAN: absolute differences over both sums, in percent.

    Args:
        grey: of luminance (EdgeConnect), or of all channels (AOT-GAN).
    """

    better = "lower"

    def __init__(self, grey: bool = False, on: On = "composite", bits: Bits = "") -> None:
        super().__init__(on, bits)
        self.grey = grey

    def measure(self, pair: PicturePair) -> float:
        pair = pair.to_grey() if self.grey else pair
        both = float(pair.prediction.sum(dtype=np.float64) + pair.target.sum(dtype=np.float64))
        return (
            100 * cv2.norm(pair.prediction, pair.target, cv2.NORM_L1) / both if both else math.nan
        )


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

    def measure(self, pair: PicturePair) -> float:
        pair = pair.to_grey() if self.grey else pair
        error = _mean_distance(pair, cv2.NORM_L2SQR, self.area) + self.slack
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
        area: the mean over all windows, or over those whose centre is missing (NaN without any).

    Raises:
        TensorError: an unknown variant.
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

    def measure(self, pair: PicturePair) -> float:
        if self.variant == "grey":
            pair = pair.to_grey()
        if self.variant == "padded":
            sides = [_pad_with_zeros(x) for x in (pair.prediction, pair.target, pair.hole)]
            pair = PicturePair(*sides)
        short = min(pair.target.shape[:2])
        side = {"uniform": 7, "grey": min(51, short - 1 + short % 2)}.get(self.variant, 11)
        if short < side:
            raise TensorError(f"SSIM looks through {side} pixels but the picture has {short}")
        if self.variant in ("wang", "padded"):
            return float(similarity(pair, ssim_kernels.gaussian_window(), area=self.area)[0].mean())
        bias = side**2 / (side**2 - 1)  # sample covariance: divided by n - 1 instead of n
        return float(similarity(pair, ssim_kernels.uniform_window(side), bias, self.area)[0].mean())


def _pad_with_zeros(array: NDArray[Any], pixels: int = 5) -> NDArray[Any]:
    padded = cv2.copyMakeBorder(array, pixels, pixels, pixels, pixels, cv2.BORDER_CONSTANT)
    return np.asarray(padded)


class MSSSIM(PairMetric):
    """SSIM over five scales (Wang et al. 2003, https://doi.org/10.1109/ACSSC.2003.1292216).

    Contrast and structure at each scale, luminance at the last; a mean below 0 counts as 0. Each
    channel, then their mean.
    """

    weights = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

    def measure(self, pair: PicturePair) -> float:
        height, width = pair.target.shape[:2]
        least = 11 * 2 ** (len(self.weights) - 1)
        if min(height, width) < least:
            raise TensorError(
                f"MS-SSIM needs {least} pixels a side but the picture is {width}x{height}; use SSIM"
            )
        product = np.ones(pair.target.shape[2])
        for scale, weight in enumerate(self.weights):
            last = scale == len(self.weights) - 1
            means = similarity(pair, ssim_kernels.gaussian_window())[0 if last else 1]
            product *= means.clip(min=0) ** weight
            pair = pair if last else _halve(pair)
        return float(product.mean())


def similarity(
    pair: PicturePair, weights: ssim_kernels.Floats, bias: float = 1.0, area: Area = "image"
) -> ssim_kernels.Floats:
    """Means of SSIM and of its contrast-structure term alone, per channel: ``(2, C)``.

    Args:
        weights: a window's, along one side.
        bias: what local variances and covariance are multiplied by.
        area: which windows, by their centres.
    """
    half = weights.size // 2
    reach = np.ones((weights.size, weights.size), np.uint8)
    active = np.asarray(cv2.dilate(pair.find_changes(), reach), np.uint8)
    counted = pair.hole if area == "hole" else np.ones_like(pair.hole)
    count = int(counted[half : -half or None, half : -half or None].sum())
    if not count:
        return np.full((2, pair.target.shape[2]), math.nan)
    sums = ssim_kernels.sum_dissimilarity(
        pair.prediction, pair.target, active, counted, weights, bias, K1, K2
    )
    return np.asarray(1 - sums / count)


def _halve(pair: PicturePair) -> PicturePair:
    """Halve by means of 2 x 2 pixels, float64; an odd last row or column is cut off."""
    height, width = (side // 2 * 2 for side in pair.target.shape[:2])
    corners = [(slice(i, height, 2), slice(j, width, 2)) for i in (0, 1) for j in (0, 1)]
    prediction, target = (
        np.ascontiguousarray(sum(side[corner].astype(np.float64) for corner in corners) / 4)
        for side in (pair.prediction, pair.target)
    )
    return PicturePair(prediction, target, np.ascontiguousarray(pair.hole[corners[0]]))
