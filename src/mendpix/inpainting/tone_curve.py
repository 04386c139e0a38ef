"""Tone curves: bring a picture's values to [0, 1] by what surrounds its hole, and back.

A network errs by a few thousandths of the range that it is shown, and PatchMatch compares 255ths
of it. So values that use a small part of their number type, or that one highlight dwarfs, are
stretched: the surroundings of the hole take up most of [0, 1]; values beyond theirs keep their
order in a toe and a shoulder, which are logarithmic. A curve has an inverse, so that nothing is
lost but rounding. Linear light is brought to a space in which equal steps look about equal.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix.inpainting import windows
from mendpix.inpainting.base import check_known
from mendpix.io.picture import Array, Picture, round_to, white
from mendpix.types import Hole, Photo

Values = NDArray[np.float64]

REACH = 80
"""Pixels around the hole whose values say what the fill's will be."""

_TAIL = 1 / 16  # of [0, 1], for values beyond those of the surroundings
_ENDS = (0.5, 99.5)  # percentiles: what lies beyond is a highlight or a dead pixel
_BRIGHT = 0.25  # of white; surroundings that reach it are shown as they are
_SPREAD = 0.1  # of white; the same for the spread of the whole picture
_NEAR = 2.0  # spans; extreme values within as much need no tail
_GREY, _DARK = 0.4, 0.18  # medians of encoded and of linear light, as shares of the brightest
_GAMMA = 2.4  # the largest; that of sRGB
_FEWEST = 64  # pixels that say what surrounds the hole
_LOOKED_AT = 500_000  # pixels that are looked at to fit a curve
_ROWS = 64  # that are encoded in one go, to save memory


@dataclass(frozen=True, slots=True)
class ToneCurve:
    """A curve from values to [0, 1], one for each of C channels (or for all, where C is 1).

    With ``t = (value - low) / span``, t in [0, 1] becomes ``t ** (1 / gamma)``, which takes up
    [0, 1] but for the tails: a toe down to ``t = toe`` and a shoulder up to ``t = shoulder``.

    Attributes:
        low, span, gamma: ``(C,)``.
        toe: ``(C,)``, at most 0; 0: no toe.
        shoulder: ``(C,)``, at least 1; 1: no shoulder.
    """

    low: Values
    span: Values
    gamma: Values
    toe: Values
    shoulder: Values

    @property
    def linear(self) -> bool:
        """Whether values are only shifted and scaled."""
        return bool(
            (self.gamma == 1).all() and (self.toe == 0).all() and (self.shoulder == 1).all()
        )

    @property
    def ends(self) -> tuple[Values, Values]:
        """Where in [0, 1] the toe ends and the shoulder begins, ``(C,)`` each."""
        return np.where(self.toe < 0, _TAIL, 0.0), np.where(self.shoulder > 1, 1 - _TAIL, 1.0)

    def encode(self, pixels: Array) -> Photo:
        """Values ``(H, W, C)`` of any number type as float32 in [0, 1]; NaN stays NaN."""
        if self.linear and pixels.dtype in (np.uint8, np.uint16) and not self.low.any():
            return np.divide(pixels, self.span, dtype=np.float32)
        encoded = np.empty(pixels.shape, np.float32)
        for top in range(0, len(pixels), _ROWS):
            rows = pixels[top : top + _ROWS]
            encoded[top : top + _ROWS] = self._bend((rows - self.low) / self.span)
        return encoded

    def decode(self, encoded: Photo, dtype: np.dtype[np.generic]) -> Array:
        """Encoded values ``(N, C)`` in the picture's dtype: rounded and clipped where integer."""
        light = np.clip(encoded.astype(np.float64), 0, 1)
        return round_to(self._unbend(light) * self.span + self.low, dtype)

    def _bend(self, light: Values) -> Values:
        light = np.clip(light, self.toe, self.shoulder)
        if self.linear:
            return light
        first, last = self.ends
        bent = first + (last - first) * np.clip(light, 0, 1) ** (1 / self.gamma)
        above = np.log(np.maximum(light, 1)) / np.log(np.maximum(self.shoulder, 1 + 1e-9))
        below = np.log1p(np.maximum(-light, 0)) / np.log1p(np.maximum(-self.toe, 1e-9))
        return np.asarray(bent + (1 - last) * above - first * below)

    def _unbend(self, bent: Values) -> Values:
        if self.linear:
            return bent
        first, last = self.ends
        light = np.clip((bent - first) / (last - first), 0, 1) ** self.gamma
        above = np.maximum(bent - last, 0) / np.maximum(1 - last, 1e-9)
        below = np.maximum(first - bent, 0) / np.maximum(first, 1e-9)
        light = light * self.shoulder**above
        return np.asarray(light - np.expm1(below * np.log1p(-self.toe)))


def encode_photo(picture: Picture, hole: Hole, local: bool) -> tuple[Photo, Hole, ToneCurve]:
    """Values for a filler, NaN where they are no source, and the curve that turns them back.

    Args:
        local: only the part that a local filler looks at, to save memory.

    Returns: the photo, its hole, and the curve; of the hole's pixels none is left out.

    Raises:
        MaskError: no known pixel is finite.
    """
    usable = find_usable(picture, hole)
    part = windows.find_part(hole | ~usable, hole).slices if local else ()
    pixels, usable, gap = picture.pixels[part], usable[part], np.ascontiguousarray(hole[part])
    curve = fit_curve(pixels, usable, gap)
    photo = curve.encode(pixels)
    photo[~usable & ~gap] = np.nan
    return photo, gap, curve


def find_usable(picture: Picture, hole: Hole) -> Hole:
    """The pixels ``(H, W)`` that may be a source: finite and, if there are such, not transparent.

    Raises:
        MaskError: none is known.
    """
    finite = windows.find_finite(picture.pixels)
    if picture.no_data is not None:
        finite = finite & (picture.pixels != picture.no_data).any(axis=-1)
    opaque = finite if picture.alpha is None else finite & (picture.alpha != 0)
    usable = opaque if (opaque & ~hole).any() else finite
    check_known(usable & ~hole)
    return usable


def fit_curve(pixels: Array, usable: Hole, hole: Hole) -> ToneCurve:
    """The curve that suits the surroundings of a hole ``(H, W)``.

    8-bit values, and others that use their range as photos do, are divided by white. Grey and RGB
    get one curve for all channels, so that colours stay what they are; other numbers of channels,
    which need not have a unit in common, one for each.

    Args:
        pixels: ``(H, W, C)``, of any number type.
        usable: ``(H, W)``, known pixels that count; those of the hole do not matter.
    """
    count = pixels.shape[2]
    if pixels.dtype == np.uint8:
        return join([divide_by(255.0)])
    known, near = sample(pixels, usable & ~hole, hole)
    if count in (1, 3):
        return join([fit_channel(known.ravel(), near.ravel(), pixels.dtype)])
    return join([fit_channel(known[:, i], near[:, i], pixels.dtype) for i in range(count)])


def sample(pixels: Array, usable: Hole, hole: Hole) -> tuple[Values, Values]:
    """Values ``(n, C)`` of usable pixels, and of those around the hole; of all the extreme ones."""
    step = max(1, round((hole.size / _LOOKED_AT) ** 0.5))
    height, width = (-(-length // step) for length in hole.shape)
    reach = -(-REACH // step)
    square = np.ones((2 * reach + 1,) * 2, np.uint8)
    around = cv2.dilate(windows.resize_hole(hole, (height, width)).astype(np.uint8), square) > 0
    some = usable[::step, ::step]
    near = pixels[::step, ::step][some & around].astype(np.float64)
    known = pixels[::step, ::step][some].astype(np.float64)
    extremes = find_extremes(pixels, usable)
    return np.concatenate([known, extremes]), near if len(near) >= _FEWEST else known


def find_extremes(pixels: Array, usable: Hole) -> Values:
    """The smallest and the largest usable value of each channel, ``(2, C)``."""
    planes = [pixels[..., index] for index in range(pixels.shape[2])]
    values = [plane[usable] for plane in planes]
    return np.array([[one.min() for one in values], [one.max() for one in values]], np.float64)


def fit_channel(known: Values, near: Values, dtype: np.dtype[np.generic]) -> tuple[float, ...]:
    """Low, span, gamma, toe and shoulder for values ``(n,)``, and for those around the hole."""
    smallest, largest, brightest = float(known.min()), float(known.max()), white(dtype)
    bottom, top = np.percentile(near, _ENDS)
    low_end, high_end = np.percentile(known, _ENDS)
    in_range = smallest >= 0 and largest <= brightest
    if in_range and top >= _BRIGHT * brightest and high_end - low_end >= _SPREAD * brightest:
        dark = np.issubdtype(dtype, np.floating) and np.median(near) < _DARK * top
        return 0.0, brightest, fit_gamma(near, brightest) if dark else 1.0, 0.0, 1.0
    if not top > bottom:  # black borders, skies without a star
        bottom, top = (low_end, high_end) if high_end > low_end else (smallest, largest)
    # light is counted from black, temperatures and heights from the least there is
    low = 0.0 if 0 <= bottom <= top / 2 else float(bottom)
    span = float(top) - low
    if not (0 < span < np.inf):
        return divide_by(1.0, smallest)
    low, high = reach_out(low, low + span, smallest, largest)
    gamma = fit_gamma(near, high) if low == 0 else 1.0
    span = high - low
    return low, span, gamma, min(0.0, (smallest - low) / span), max(1.0, (largest - low) / span)


def reach_out(low: float, high: float, smallest: float, largest: float) -> tuple[float, float]:
    """The range, with the extreme values where they are not far outside."""
    span = high - low
    if largest <= low + _NEAR * span:
        high = max(high, largest)
    if low != 0 and smallest >= high - _NEAR * span:
        low = min(low, smallest)
    return low, high


def fit_gamma(near: Values, brightest: float) -> float:
    """What makes the median of dark values a middle grey; 1 where it is one already."""
    middle = float(np.median(near)) / brightest
    if middle <= 0:
        return _GAMMA
    return float(np.clip(np.log(min(middle, 0.99)) / np.log(_GREY), 1, _GAMMA))


def divide_by(span: float, low: float = 0.0) -> tuple[float, ...]:
    """The straight curve."""
    return low, span, 1.0, 0.0, 1.0


def join(channels: list[tuple[float, ...]]) -> ToneCurve:
    """The curve of channels whose parameters are given."""
    return ToneCurve(*np.array(channels, np.float64).T)
