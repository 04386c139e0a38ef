"""Measures of one picture against another: L1, L2, PSNR, SSIM and MS-SSIM, in float64.

Every metric is told pictures by ``update(prediction, target, hole)``, gives a value per picture by
``rows()``, in the order told, and their mean by ``compute()``. Papers report numbers of one name
that are computed differently: those are variants here, chosen by name, and never comparable with
each other.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from mendpix.errors import TensorError
from mendpix.prediction import check_hole, check_photo, composite

On = Literal["composite", "output"]
Bits = Literal["", "round", "truncate"]
Area = Literal["image", "hole"]


class PictureMetric(ABC):
    """A value per picture.

    Args:
        on: ``"composite"`` judges the prediction in the hole and the target elsewhere, as most
            papers do; ``"output"`` the prediction as it is.
        bits: what is done to 8 bits before measuring, as for a picture file: nothing, rounding,
            or cutting off (CR-Fill's release).

    Shape:
        prediction, target: ``(N, 3, H, W)`` in [0, 1]; the prediction is cut off there.
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
        check_photo(target, name="target")
        check_hole(hole, target)
        if prediction.shape != target.shape:
            raise TensorError(
                f"prediction is {tuple(prediction.shape)} but target {tuple(target.shape)}; "
                "give one prediction for each target"
            )
        made, true, hole = (t.detach().double() for t in (prediction.clamp(0, 1), target, hole))
        made = composite(made, true, hole) if self.on == "composite" else made
        values = self.measure(_in_bits(made, self.bits), _in_bits(true, self.bits), hole)
        self._rows += values.tolist()

    @abstractmethod
    def measure(self, made: Tensor, true: Tensor, hole: Tensor) -> Tensor:
        """A value per picture, ``(N,)``, of float64 pictures in [0, 1]."""

    def rows(self) -> list[float]:
        """A value per picture, in the order in which they came."""
        return list(self._rows)

    def compute(self) -> float:
        """Their mean; NaN where there is none."""
        return sum(self._rows) / len(self._rows) if self._rows else float("nan")


def _in_bits(picture: Tensor, bits: Bits) -> Tensor:
    if not bits:
        return picture
    levels = picture * 255
    # Values that came from 8 bits in float32 may lie a little below their level.
    return (levels.round() if bits == "round" else (levels + 1e-4).floor()) / 255


def _mean(values: Tensor, hole: Tensor, area: Area) -> Tensor:
    """Means ``(N,)`` over the picture, or over missing pixels; NaN where nothing is missing."""
    if area == "image":
        return values.mean((1, 2, 3))
    return (values * hole).sum((1, 2, 3)) / (hole.sum((1, 2, 3)) * values.shape[1])


class L1(PictureMetric):
    """Mean absolute error in percent of white.

    Args:
        area: over the whole picture, or over missing pixels alone.
        relative: EdgeConnect's and AOT-GAN's "MAE" instead: the sum of absolute differences over
            the sum of both pictures, also in percent.
    """

    better = "lower"

    def __init__(
        self,
        area: Area = "image",
        relative: bool = False,
        on: On = "composite",
        bits: Bits = "",
    ) -> None:
        super().__init__(on, bits)
        self.area, self.relative = area, relative

    def measure(self, made: Tensor, true: Tensor, hole: Tensor) -> Tensor:
        error = 100 * _mean((made - true).abs(), hole, self.area)
        return error / _mean(made + true, hole, self.area) if self.relative else error


class L2(PictureMetric):
    """Mean squared error of values in [0, 1], in percent, over the picture or the hole."""

    better = "lower"

    def __init__(self, area: Area = "image", on: On = "composite", bits: Bits = "") -> None:
        super().__init__(on, bits)
        self.area = area

    def measure(self, made: Tensor, true: Tensor, hole: Tensor) -> Tensor:
        return 100 * _mean((made - true).square(), hole, self.area)


class PSNR(PictureMetric):
    """Peak signal-to-noise ratio in dB, per picture: infinite where nothing differs.

    Args:
        area: whose mean squared error.
        slack: added to it, on the scale 0..255, so that equal pictures stay finite (CR-Fill's
            release adds 1e-8).
    """

    def __init__(
        self, area: Area = "image", slack: float = 0.0, on: On = "composite", bits: Bits = ""
    ) -> None:
        super().__init__(on, bits)
        self.area, self.slack = area, slack

    def measure(self, made: Tensor, true: Tensor, hole: Tensor) -> Tensor:
        error = _mean((made - true).square(), hole, self.area) + self.slack / 255**2
        return -10 * error.log10()


K1, K2 = 0.01**2, 0.03**2
Window = Callable[[Tensor], Tensor]
Variant = Literal["wang", "uniform", "padded", "grey"]


class SSIM(PictureMetric):
    """Structural similarity (Wang et al. 2004, https://doi.org/10.1109/TIP.2003.819861).

    Args:
        variant: ``"wang"``: Gaussian window of 11 pixels, sigma 1.5, only where it fits, each
            channel, then their mean (also MAT's). ``"uniform"``: scikit-image's default, a plain
            window of 7 pixels with sample covariance (AOT-GAN). ``"padded"``: Wang's with zeros
            around the picture (LaMa). ``"grey"``: EdgeConnect's, of grey pictures with a plain
            window of 51 pixels, or the largest odd one that fits.
    """

    def __init__(self, variant: Variant = "wang", on: On = "composite", bits: Bits = "") -> None:
        super().__init__(on, bits)
        if variant not in ("wang", "uniform", "padded", "grey"):
            raise TensorError(f"SSIM has no variant {variant!r}; wang, uniform, padded or grey")
        self.variant = variant

    def measure(self, made: Tensor, true: Tensor, hole: Tensor) -> Tensor:
        if self.variant == "grey":
            made, true = grey(made), grey(true)
        short = min(true.shape[2:])
        side = {"uniform": 7, "grey": min(51, short - 1 + short % 2)}.get(self.variant, 11)
        if short < side:
            raise TensorError(f"SSIM looks through {side} pixels but the picture has {short}")
        if self.variant in ("wang", "padded"):
            window = partial(gaussian, padding=5 if self.variant == "padded" else 0)
            return similarity(made, true, window)[0].mean((1, 2, 3))
        window = partial(F.avg_pool2d, kernel_size=side, stride=1)
        return similarity(made, true, window, side**2 / (side**2 - 1))[0].mean((1, 2, 3))


class MSSSIM(PictureMetric):
    """SSIM over five scales (Wang et al. 2003, https://doi.org/10.1109/ACSSC.2003.1292216).

    Contrast and structure at each scale, luminance at the last; a mean below 0 counts as 0. Each
    channel, then their mean.
    """

    weights = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

    def measure(self, made: Tensor, true: Tensor, hole: Tensor) -> Tensor:
        least = 11 * 2 ** (len(self.weights) - 1)
        if min(true.shape[2:]) < least:
            raise TensorError(
                f"MS-SSIM needs {least} pixels a side but the picture is "
                f"{true.shape[3]}x{true.shape[2]}; use SSIM"
            )
        product = torch.ones(true.shape[:2], dtype=true.dtype, device=true.device)
        for scale, weight in enumerate(self.weights):
            whole, contrast = similarity(made, true, gaussian)
            part = whole if scale == len(self.weights) - 1 else contrast
            product = product * part.mean((2, 3)).clamp(min=0) ** weight
            made, true = F.avg_pool2d(made, 2), F.avg_pool2d(true, 2)
        return product.mean(1)


def similarity(
    made: Tensor, true: Tensor, window: Window, unbiased: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Maps of SSIM and of its contrast and structure alone.

    Args:
        window: local means.
        unbiased: what local variances and covariance are multiplied by.
    """
    mean_made, mean_true = window(made), window(true)
    product = mean_made * mean_true
    squares = mean_made.square() + mean_true.square()
    covariance = unbiased * (window(made * true) - product)
    variances = unbiased * (window(made.square() + true.square()) - squares)
    contrast = (2 * covariance + K2) / (variances + K2)
    return (2 * product + K1) / (squares + K1) * contrast, contrast


def gaussian(picture: Tensor, padding: int = 0) -> Tensor:
    """Local means with Wang's window: 11 pixels, sigma 1.5, rows then columns."""
    places = torch.arange(-5, 6, dtype=picture.dtype, device=picture.device)
    weights = torch.exp(-(places**2) / (2 * 1.5**2))
    weights = weights / weights.sum()
    channels = picture.shape[1]
    column = weights.reshape(1, 1, -1, 1).repeat(channels, 1, 1, 1)
    down = F.conv2d(picture, column, padding=(padding, 0), groups=channels)
    return F.conv2d(down, column.mT, padding=(0, padding), groups=channels)


def grey(picture: Tensor) -> Tensor:
    """Luminance ``(N, 1, H, W)`` with scikit-image's weights (Rec. 709)."""
    weights = torch.tensor([0.2125, 0.7154, 0.0721], dtype=picture.dtype, device=picture.device)
    return (picture * weights[:, None, None]).sum(1, keepdim=True)
