"""What a filler is, and the promise that known values come back."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from mendpix.errors import MaskError, MendError, TensorError
from mendpix.inpainting import windows
from mendpix.types import Hole, Photo, Progress, sub_range

if TYPE_CHECKING:
    from mendpix.inpainting.constraints import Constraints

SLACK = 1e-3
"""How far outside [0, 1] a known value may lie: the rounding of resizing."""


class Filler(Protocol):
    """Anything that fills holes; nobody needs to inherit from it.

    Built with its options, then called as ``filler(photo, hole, progress=None) -> photo``:

    - photo: ``(H, W, C)`` float32, in [0, 1] where known;
    - hole: ``(H, W)`` bool, True = missing; what lies under it is never looked at;
    - progress: called with the share done, in [0, 1], at least twice a second on long work; it
      may raise :class:`~mendpix.errors.Cancelled`.

    ``channels`` is 3, or "any" for a filler that takes any C. One that has ``skips_nan = True``
    takes known pixels that are NaN as unusable: no source, and not to be filled either. One that
    copies texture and has ``takes_sources = True`` is called with a fourth argument, ``sources``
    ``(H, W)``, where only some of it may be copied. One that
    has ``local = True`` looks only at what :func:`~mendpix.inpainting.windows.plan_windows` plans.
    """

    @property
    def channels(self) -> Literal[3, "any"]: ...

    def __call__(self, photo: Photo, hole: Hole, progress: Progress | None = None) -> Photo: ...


class CheckedFiller:
    """Another filler, with its inputs checked and every known value copied back.

    What the filler inside sees never depends on what lies under the hole. Photos of other than
    three channels reach a filler for three one channel at a time, repeated and averaged back.
    Known pixels that are not finite are no source, and come back as they were.
    """

    channels: Literal["any"] = "any"

    def __init__(self, inner: Filler) -> None:
        self.inner = inner

    @property
    def card(self) -> dict[str, Any]:
        """What the weights file inside says of itself; empty where there is none."""
        return dict(getattr(self.inner, "card", {}))

    @property
    def local(self) -> bool:
        """Whether the filler inside looks at windows around the hole only."""
        return bool(getattr(self.inner, "local", False))

    def prepare(self) -> None:
        """Do now what the first fill would do once: compile what is to be compiled."""
        for filler in (self.inner, getattr(self.inner, "start", None)):
            getattr(filler, "prepare", lambda: None)()

    def __call__(
        self,
        photo: Photo,
        hole: Hole,
        progress: Progress | None = None,
        constraints: "Constraints | None" = None,
    ) -> Photo:
        """Fill ``photo`` ``(H, W, C)`` where ``hole`` ``(H, W)`` is True; see :class:`Filler`.

        Raises:
            TensorError: an array of another shape, kind or range.
            MaskError: everything is missing.
            MendError: the filler inside gave values that are no numbers.
        """
        check(photo, hole)
        filled = photo.copy()
        if hole.any():
            filled[hole] = self.missing(photo.copy(), hole, progress, constraints)
        return filled

    def missing(
        self,
        photo: Photo,
        hole: Hole,
        progress: Progress | None = None,
        constraints: "Constraints | None" = None,
    ) -> Photo:
        """Only the values ``(N, C)`` of the missing pixels; overwrites ``photo``, to save a copy.

        Raises what a call raises, except for wrong arrays, which are not looked for.
        """
        gap = self._hide(photo, hole)
        same = self.inner.channels == "any" or photo.shape[2] == 3
        filler = self.inner if same else self._fill_planes
        if constraints is None:
            values = filler(photo, gap, progress)[hole]
        else:
            constraints.check_filler(self.inner)
            values = constraints.fill(filler, photo, gap, progress)[hole]
        if not np.isfinite(values).all():
            raise MendError(f"{type(self.inner).__name__} gave values that are no numbers")
        return values

    def tries(
        self,
        photo: Photo,
        hole: Hole,
        count: int,
        progress: Progress | None = None,
        constraints: "Constraints | None" = None,
    ) -> Iterator[Photo]:
        """``count`` fills to choose from, the likeliest first: values as of :meth:`missing`.

        Raises:
            MendError: the filler inside has one fill only.
        """
        candidates = getattr(self.inner, "candidates", None)
        if candidates is None:
            name = type(self.inner).__name__
            raise MendError(f"{name} has 1 fill, not {count}; ask the model 'auto' for more")
        gap = self._hide(photo, hole)
        if constraints is None:
            yield from (filled[hole] for filled in candidates(photo, gap, count, progress))
            return
        constraints.check_filler(self.inner)
        yield from (
            filled[hole]
            for filled in constraints.fill_tries(candidates, photo, gap, count, progress)
        )

    def _hide(self, photo: Photo, hole: Hole) -> Hole:
        """Overwrite what lies under the hole and what is not finite.

        Returns: what the filler is to call missing.
        """
        finite = windows.find_finite(photo)
        check_known(finite & ~hole)
        photo[hole] = 0
        unusable = ~finite & ~hole
        if not unusable.any():
            return hole
        if getattr(self.inner, "skips_nan", False):
            photo[unusable] = np.nan
            return hole
        photo[unusable] = 0
        return hole | unusable

    def _fill_planes(self, photo: Photo, hole: Hole, progress: Progress | None) -> Photo:
        """Fill one channel at a time, as three equal ones, with a filler for three."""
        count = photo.shape[2]
        planes = []
        for index in range(count):
            grey = np.repeat(photo[..., index : index + 1], 3, axis=2)
            part = sub_range(progress, index / count, 1 / count)
            planes.append(self.inner(grey, hole, part).mean(axis=2))
        return np.stack(planes, axis=2)


def check_known(known: Hole) -> None:
    """Refuse a photo of which no pixel is known.

    Raises:
        MaskError: none is.
    """
    if not known.any():
        raise MaskError(
            f"all {known.size} pixels are missing or unusable, so nothing is left to fill "
            "from; leave some known, or invert the mask"
        )


def check(photo: Photo, hole: Hole) -> None:
    """Refuse arrays that are no photo ``(H, W, C)`` in [0, 1] with its hole ``(H, W)``.

    Raises:
        TensorError: names what was given and what is wanted.
    """
    if photo.ndim != 3 or photo.dtype != np.float32:
        raise TensorError(
            f"photo is {photo.dtype} of shape {photo.shape} but must be float32 (H, W, C); "
            "mendpix.fill() takes other kinds"
        )
    if hole.dtype != np.bool_ or hole.shape != photo.shape[:2]:
        raise TensorError(
            f"hole is {hole.dtype} of shape {hole.shape} but must be bool {photo.shape[:2]}; "
            "give mask > 0 at the photo's size"
        )
    known = np.isfinite(photo) & ~hole[..., None]
    low, high = photo.min(where=known, initial=0), photo.max(where=known, initial=1)
    if low < -SLACK or high > 1 + SLACK:
        raise TensorError(
            f"photo spans [{low:g}, {high:g}] where known but must lie in [0, 1]; "
            "divide by 255, or let mendpix.fill() scale it"
        )
