"""A filler from a network: the one place where a picture's array becomes a tensor and comes back.

What a network needs (a multiple, one size, a hole in the centre) is arranged here and undone.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mendpix import windows
from mendpix.errors import TensorError, WeightsError
from mendpix.networks import weights
from mendpix.prediction import SLACK, Prediction
from mendpix.windows import Window

Photo = NDArray[np.float32]
Hole = NDArray[np.bool_]
Progress = Callable[[float], None]

LARGEST = 1024 * 1024
"""Pixels that a network without a size of its own is given at once."""

NEAR = 8  # pixels between two parts of a hole that go into one square all the same


class NetworkFiller:
    """Fill holes with a network, on any picture; known pixels are kept as they are.

    - A network of one size (``network.size``) gets a square window around each part of the hole,
      resized to that size: where the part is small enough, at the picture's own resolution. With
      ``hole_shape = "centre"`` the part lies within the square that the network predicts, and
      the whole of that square is declared missing. Beyond the picture's border the window sees
      the picture mirrored.
    - Any other network gets the picture, padded to its ``multiple`` by mirroring; of a picture
      above ``largest`` pixels, a window around each part of the hole with as much again on
      every side; a window above that is filled at a lower resolution.

    The same picture gives the same fill. One call at a time runs; others wait.

    Args:
        network: of ``NETWORKS``; moved to the device and set to eval mode.
        device: as for :func:`~mendpix.networks.weights.choose_device`.
        card: what the weights file said of itself.
        largest: in pixels, see above.

    Raises:
        WeightsError: a device that is not there.
    """

    channels: ClassVar[Literal[3]] = 3

    def __init__(
        self,
        network: nn.Module,
        device: str | torch.device = "cpu",
        card: Mapping[str, Any] | None = None,
        largest: int = LARGEST,
    ) -> None:
        self.device = weights.choose_device(device)
        self.network = network.to(self.device)
        self.card = dict(card or {})
        self.largest = largest
        self.size: int | None = getattr(network, "size", None)
        self.hole_side: int = getattr(network, "hole_side", (self.size or 0) // 2)
        self._lock = Lock()

    def __call__(self, photo: Photo, hole: Hole, progress: Progress | None = None) -> Photo:
        """Fill ``photo`` ``(H, W, 3)`` float32 in [0, 1] where ``hole`` ``(H, W)`` is True.

        Args:
            progress: told the share done, after each layer of the network; may raise to stop.

        Raises:
            TensorError: an array of another shape, kind or range.
            WeightsError: the network's weights give no numbers, or the accelerator's memory
                does not suffice.
        """
        check(photo, hole)
        if not hole.any():
            return photo.copy()
        filled = photo.astype(np.float32)
        filled[hole] = 0.5 if hole.all() else photo.mean((0, 1), np.float64, where=_known(hole))
        with self._lock:
            self.network.eval()
            if self.size is None:
                self._fill_whole(filled, hole, progress)
            else:
                self._fill_squares(filled, hole, self.size, progress)
        return filled

    def _fill_whole(self, filled: Photo, hole: Hole, progress: Progress | None) -> None:
        whole = [Window(0, 0, *hole.shape)]
        fits = hole.size <= self.largest
        parts = whole if fits else windows.around(hole, context=1.0, smallest=128)
        for step, window in enumerate(parts):
            with self._told(progress, step, len(parts)):
                missing = hole[window.slices]
                made = self._reduced(filled[window.slices], missing)
                filled[window.slices][missing] = made[missing]

    def _reduced(self, photo: Photo, hole: Hole) -> Photo:
        """Fill a window; one with too many pixels through a smaller picture of it."""
        height, width = hole.shape
        if hole.size > self.largest:
            shrink = (self.largest / hole.size) ** 0.5
            size = (max(1, int(height * shrink)), max(1, int(width * shrink)))
            small = self._padded(windows.resize(photo, size), windows.resize_hole(hole, size))
            return windows.resize(small, (height, width)).clip(0, 1)
        return self._padded(photo, hole)

    def _padded(self, photo: Photo, hole: Hole) -> Photo:
        height, width = hole.shape
        multiple: int = getattr(self.network, "multiple", 1)
        padded = self._run(windows.pad(photo, multiple), windows.pad(hole, multiple))
        return padded[:height, :width]

    def _fill_squares(
        self, filled: Photo, hole: Hole, size: int, progress: Progress | None
    ) -> None:
        left = hole.copy()
        parts = windows.around(hole, context=0, smallest=NEAR)
        for step, part in enumerate(parts):
            with self._told(progress, step, len(parts)):
                box = _box(hole, part)
                self._fill_square(filled, left, box, size)
                left[box.slices] = False

    def _fill_square(self, filled: Photo, left: Hole, box: Window, size: int) -> None:
        """Fill a box of the picture through a window in whose middle it lies."""
        inner = self.hole_side / size
        side = max(size, int(np.ceil(max(box.height, box.width) / inner)))
        top = box.top + (box.height - side) // 2
        start = box.left + (box.width - side) // 2
        seen = np.ix_(_mirrored(top, side, left.shape[0]), _mirrored(start, side, left.shape[1]))
        small = windows.resize(filled[seen], (size, size)).clip(0, 1)
        missing = self._arranged(windows.resize_hole(left[seen], (size, size)))
        made = windows.resize(self._run(small, missing), (side, side)).clip(0, 1)
        place = Window(box.top - top, box.left - start, box.height, box.width)
        here = left[box.slices]
        filled[box.slices][here] = made[place.slices][here]

    def _arranged(self, hole: Hole) -> Hole:
        """With the whole centre missing, for a network that was only ever shown that."""
        if getattr(self.network, "hole_shape", None) != "centre":
            return hole
        start = (hole.shape[0] - self.hole_side) // 2
        middle = slice(start, start + self.hole_side)
        hole = hole.copy()
        hole[middle, middle] = True
        return hole

    def _run(self, photo: Photo, hole: Hole) -> Photo:
        """The network's picture ``(H, W, 3)`` of a photo that suits it, cut to [0, 1]."""
        image = torch.from_numpy(np.ascontiguousarray(photo.transpose(2, 0, 1)))[None]
        where = torch.from_numpy(hole.astype(np.float32))[None, None]
        try:
            with torch.inference_mode():
                prediction: Prediction = self.network(image.to(self.device), where.to(self.device))
                made = prediction.image[0].float().clamp(0, 1).cpu()
        except torch.OutOfMemoryError:
            height, width = hole.shape
            raise WeightsError(
                f"{width}x{height} pixels at once do not fit the memory of {self.device}; "
                "use --device cpu, or a NetworkFiller with a smaller 'largest'"
            ) from None
        if not made.isfinite().all():
            name = type(self.network).__name__
            raise WeightsError(f"{name} gave values that are no numbers; its weights are broken")
        return made.permute(1, 2, 0).numpy()

    @contextmanager
    def _told(self, progress: Progress | None, step: int, steps: int) -> Iterator[None]:
        """Tell ``progress`` of every layer that has run, so that it can stop a long pass."""
        if progress is None:
            yield
            return
        leaves = [m for m in self.network.modules() if not any(True for _ in m.children())]
        done = 0

        def tell(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            nonlocal done
            done += 1
            progress((step + min(done / len(leaves), 0.99)) / steps)

        hooks = [leaf.register_forward_hook(tell) for leaf in leaves]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
        progress((step + 1) / steps)


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


def _box(hole: Hole, window: Window) -> Window:
    """The box of what is missing inside a window."""
    part = hole[window.slices]
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    return Window(
        window.top + int(rows[0]),
        window.left + int(columns[0]),
        int(rows[-1] - rows[0]) + 1,
        int(columns[-1] - columns[0]) + 1,
    )


def _mirrored(start: int, length: int, size: int) -> NDArray[np.intp]:
    """``length`` places from ``start`` of an axis that goes back and forth beyond its ends."""
    places = np.arange(start, start + length) % (2 * size)
    return np.where(places < size, places, 2 * size - 1 - places)


def load_filler(
    path: str | Path, device: str = "auto", threads: int | None = None
) -> NetworkFiller:
    """A filler from a weights file, ours or one of the foreign formats, or from a run folder.

    Args:
        threads: how many PyTorch may use from now on, in the whole process; None: no change.

    Raises:
        WeightsError: as for :func:`~mendpix.networks.weights.load`, or the file holds a
            discriminator.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    network, card = weights.load(path, device)
    if card["kind"] != "network":
        name = card["network"]
        raise WeightsError(f"{path} holds the discriminator {name!r}, which fills nothing")
    return NetworkFiller(network, device, card)
