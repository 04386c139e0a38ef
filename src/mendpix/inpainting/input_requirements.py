"""What a network needs of a picture (a multiple, a size, a centred hole), arranged and undone.

Shared by networks that run in PyTorch and by exported ones, so that both fill alike.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mendpix.errors import TensorError
from mendpix.inpainting import windows
from mendpix.inpainting.windows import Window
from mendpix.types import Hole, Photo, Progress, sub_range

Run = Callable[[Photo, Hole, Progress | None], Photo]
Start = Run
"""A filler that fills a hole before the network sees it."""

LARGEST = 1024 * 1024
"""Pixels that a network without a size of its own is given at once."""

NEAR = 8  # pixels between two parts of a hole that go into one square all the same
SLACK = 0.05  # how far outside [0, 1] known values may lie: cubic resizing overshoots


@dataclass(frozen=True, slots=True)
class InputRequirements:
    """What a network works on.

    Attributes:
        multiple: height and width must be multiples of it.
        size: the one height and width it works at, in pixels; None: any multiple.
        hole_side: of a network of one size, how wide the part of a hole may be that it is shown
            at once; 0: half its size.
        centred: it was only ever shown a hole of ``hole_side`` in the very centre.
        largest: pixels that a network without a size is given at once.
    """

    multiple: int = 1
    size: int | None = None
    hole_side: int = 0
    centred: bool = False
    largest: int = LARGEST

    @property
    def inner(self) -> int:
        """The side of a square's middle that holds what is to be filled."""
        return self.hole_side or (self.size or 0) // 2


def fill(
    photo: Photo,
    hole: Hole,
    needs: InputRequirements,
    run: Run,
    start: Start | None = None,
    progress: Progress | None = None,
) -> Photo:
    """Fill ``photo`` ``(H, W, 3)`` where ``hole`` ``(H, W)`` is True, with a network.

    - A network of one size gets the whole picture where that fits into it, else a square around
      each part of the hole, resized to the size: where the part is small enough, at the
      picture's own resolution. Parts near each other share a square. Where nothing but a centred
      hole will do, the part lies within the square that the network predicts, and the whole of
      that square is declared missing. Beyond the picture's border the square sees it mirrored.
    - Any other network gets the picture, padded to its ``multiple`` by mirroring; of a picture
      above ``largest`` pixels, a window around each part of the hole with as much again on every
      side; a window above that is filled at a lower resolution.

    Args:
        run: ``run(photo, hole, progress) -> photo``, the network on a picture that suits it, in
            [0, 1]; it may raise what ``progress`` raises.
        start: fills the hole of that picture first, before it is padded.
        progress: called with the share done; may raise to stop.

    Returns: a new photo, its known pixels as they were.

    Raises:
        TensorError: an array of another shape, kind or range.
    """
    check(photo, hole)
    if not hole.any():
        return photo.copy()
    filled = photo.astype(np.float32)
    filled[hole] = 0.5 if hole.all() else photo.mean((0, 1), np.float64, where=_known(hole))
    _Work(needs, run, start, progress).fill(filled, hole)
    return filled


def refine(
    photo: Photo, hole: Hole, needs: InputRequirements, run: Run, progress: Progress | None = None
) -> Photo:
    """Go over the hole ``(H, W)`` of a photo ``(H, W, 3)`` that is filled already.

    The network is shown the photo as it is, its fill included, even where no pixel is known: a
    piece may lie wholly inside a large hole. It is cut and resized as by :func:`fill`.

    Returns: a new photo, its pixels outside the hole as they were.

    Raises:
        TensorError: an array of another shape, kind or range, or NaN or Inf in the hole.
    """
    check(photo, hole)
    refined = photo.astype(np.float32)
    if not np.isfinite(refined).all(where=hole[..., None]):
        raise TensorError("photo has NaN or Inf in the hole; fill it before it is refined")
    np.clip(refined, 0, 1, out=refined, where=hole[..., None])
    if hole.any():
        _Work(needs, run, None, progress).fill(refined, hole)
    return refined


@dataclass(frozen=True, slots=True)
class _Work:
    """One fill: the network, what it needs, and its progress callback."""

    needs: InputRequirements
    run: Run
    start: Start | None
    progress: Progress | None

    def fill(self, filled: Photo, hole: Hole) -> None:
        """Overwrite the hole's pixels of ``filled``; the network sees what they hold now."""
        if self.needs.size is None:
            self.fill_whole(filled, hole)
        else:
            self.fill_squares(filled, hole, self.needs.size)

    def fill_whole(self, filled: Photo, hole: Hole) -> None:
        fits = hole.size <= self.needs.largest
        whole = [Window(0, 0, *hole.shape)]
        parts = whole if fits else windows.find_windows(hole, context=1.0, smallest=128)
        for step, window in enumerate(parts):
            missing = hole[window.slices]
            output = self._run_reduced(
                filled[window.slices], missing, self._step_progress(step, len(parts))
            )
            filled[window.slices][missing] = output[missing]
            self._tell(step, len(parts))

    def _run_reduced(self, photo: Photo, hole: Hole, progress: Progress | None) -> Photo:
        """Fill a window; one with too many pixels through a smaller picture of it."""
        height, width = hole.shape
        if hole.size <= self.needs.largest:
            return self._run_padded(photo, hole, progress)
        shrink = (self.needs.largest / hole.size) ** 0.5
        size = (max(1, int(height * shrink)), max(1, int(width * shrink)))
        small = self._run_padded(
            windows.resize(photo, size), windows.resize_hole(hole, size), progress
        )
        return windows.resize(small, (height, width)).clip(0, 1)

    def _run_padded(self, photo: Photo, hole: Hole, progress: Progress | None) -> Photo:
        height, width = hole.shape
        multiple = self.needs.multiple
        photo, progress = self._fill_start(photo, hole, progress)
        output = self.run(windows.pad(photo, multiple), windows.pad(hole, multiple), progress)
        return output[:height, :width]

    def _fill_start(
        self, photo: Photo, hole: Hole, progress: Progress | None
    ) -> tuple[Photo, Progress | None]:
        """A picture whose hole another filler has filled; what is left to tell."""
        if self.start is None or not hole.any() or hole.all():
            return photo, progress
        bare = photo.copy()
        bare[hole] = 0  # as any filler that is called by its name sees it
        output = self.start(bare, hole, sub_range(progress, 0.0, 0.5))
        return np.where(hole[..., None], output.clip(0, 1), photo), sub_range(progress, 0.5, 0.5)

    def fill_squares(self, filled: Photo, hole: Hole, size: int) -> None:
        left = hole.copy()
        boxes = _boxes(hole, self.needs)
        for step, box in enumerate(boxes):
            view = _choose_square(box, hole.shape, self.needs)
            self._fill_square(filled, left, box, view, size, self._step_progress(step, len(boxes)))
            left[box.slices] = False
            self._tell(step, len(boxes))

    def _fill_square(
        self,
        filled: Photo,
        left: Hole,
        box: Window,
        view: Window,
        size: int,
        progress: Progress | None,
    ) -> None:
        """Fill a box of the picture through a square, which may reach beyond the picture."""
        seen = np.ix_(
            _mirror_places(view.top, view.height, left.shape[0]),
            _mirror_places(view.left, view.width, left.shape[1]),
        )
        small = windows.resize(filled[seen], (size, size)).clip(0, 1)
        missing = self._hide_centre(windows.resize_hole(left[seen], (size, size)))
        small, progress = self._fill_start(small, missing, progress)
        output = windows.resize(self.run(small, missing, progress), (view.height, view.width)).clip(
            0, 1
        )
        place = Window(box.top - view.top, box.left - view.left, box.height, box.width)
        here = left[box.slices]
        filled[box.slices][here] = output[place.slices][here]

    def _hide_centre(self, hole: Hole) -> Hole:
        """With the whole centre missing, for a network that was only ever shown that."""
        if not self.needs.centred:
            return hole
        start = (hole.shape[0] - self.needs.inner) // 2
        middle = slice(start, start + self.needs.inner)
        hole = hole.copy()
        hole[middle, middle] = True
        return hole

    def _step_progress(self, step: int, steps: int) -> Progress | None:
        """The callback of a step; its end is told by :meth:`_tell`."""
        return sub_range(self.progress, step / steps, 1 / steps)

    def _tell(self, step: int, steps: int) -> None:
        if self.progress is not None:
            self.progress((step + 1) / steps)


def _boxes(hole: Hole, needs: InputRequirements) -> list[Window]:
    """What is filled at once: the whole picture, or boxes of the hole's parts, top to bottom."""
    if _fits(hole.shape, needs):
        return [Window(0, 0, *hole.shape)]
    boxes = [_box(hole, part) for part in windows.find_windows(hole, context=0, smallest=NEAR)]
    return boxes if needs.centred else _gather_boxes(boxes, needs.inner)


def _fits(shape: tuple[int, ...], needs: InputRequirements) -> bool:
    return not needs.centred and max(shape) <= (needs.size or 0)


def _gather_boxes(boxes: list[Window], side: int) -> list[Window]:
    """Boxes united with the first before them with which they still fit into a square."""
    done: list[Window] = []
    for box in boxes:
        for index, other in enumerate(done):
            both = box.union(other)
            if max(both.height, both.width) <= side:
                done[index] = both
                break
        else:
            done.append(box)
    return done


def _choose_square(box: Window, shape: tuple[int, ...], needs: InputRequirements) -> Window:
    """The square through which a box is filled.

    A network for centred holes gets the box in its middle; any other one as much of the picture
    as there is, with mirrored surroundings only where the picture is smaller than the square.
    """
    size = needs.size or 0
    side = max(size, int(np.ceil(max(box.height, box.width) * size / needs.inner)))
    if not needs.centred:
        side = max(size, min(side, max(shape)))
    top = box.top + (box.height - side) // 2
    start = box.left + (box.width - side) // 2
    if not needs.centred:
        top, start = _move_inside(top, side, shape[0]), _move_inside(start, side, shape[1])
    return Window(top, start, side, side)


def _move_inside(start: int, side: int, length: int) -> int:
    """Moved into the picture; where that is too small, with the picture in the middle."""
    if side > length:
        return (length - side) // 2
    return min(max(start, 0), length - side)


def _box(hole: Hole, window: Window) -> Window:
    """The box of what is missing inside a window."""
    box = windows.bounding_window(hole[window.slices])
    return Window(window.top + box.top, window.left + box.left, box.height, box.width)


def _mirror_places(start: int, length: int, size: int) -> NDArray[np.intp]:
    """``length`` places from ``start`` of an axis that goes back and forth beyond its ends."""
    places = np.arange(start, start + length) % (2 * size)
    return np.where(places < size, places, 2 * size - 1 - places)


def check(photo: Photo, hole: Hole) -> None:
    """Refuse arrays that are no photo ``(H, W, 3)`` in [0, 1] with its hole ``(H, W)``.

    Raises:
        TensorError: names what was given and what is wanted.
    """
    if photo.ndim != 3 or photo.shape[2] != 3:
        raise TensorError(f"photo has shape {photo.shape} but must be (H, W, 3)")
    if not np.issubdtype(photo.dtype, np.floating):
        raise TensorError(f"photo is {photo.dtype} but must be float32 in [0, 1]; divide by 255")
    if hole.shape != photo.shape[:2]:
        raise TensorError(f"hole is {hole.shape} but photo is {photo.shape[:2]}; resize the hole")
    if hole.dtype != np.bool_:
        raise TensorError(f"hole is {hole.dtype} but must be bool; give hole > 0")
    if hole.all():
        return
    low = float(photo.min(initial=np.inf, where=_known(hole)))
    high = float(photo.max(initial=-np.inf, where=_known(hole)))
    if not (low >= -SLACK and high <= 1 + SLACK):  # the negation catches NaN too
        raise TensorError(f"photo spans [{low:g}, {high:g}] where known but must lie in [0, 1]")


def _known(hole: Hole) -> Hole:
    """Where a photo's values are known ``(H, W, 1)``: an index would copy a large photo."""
    return ~hole[..., None]
