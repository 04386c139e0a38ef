"""A run's numbers and sheets for TensorBoard, written by TensorBoard's own writer.

TensorBoard is optional: without it a run writes its ``log.jsonl`` and sheets alone.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mendpix.errors import TrainingError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


def check_available(wanted: bool | None) -> bool:
    """Whether a run writes event files: as asked for, or else where TensorBoard is installed.

    Raises:
        TrainingError: they are asked for, and TensorBoard is not installed.
    """
    if wanted is False:
        return False
    installed = find_spec("tensorboard") is not None
    if wanted and not installed:
        raise TrainingError(
            "event files need TensorBoard, which is not installed: "
            "pip install 'mendpix[tensorboard]'"
        )
    return installed


class EventFile:
    """One event file, begun with its first entry; a resumed run begins another beside it.

    Args:
        folder: where TensorBoard looks for the run.
        step: the step that the run goes on from. What an older file has from there on, of a run
            that was killed after its last saved state, is then hidden by TensorBoard.
    """

    def __init__(self, folder: Path, step: int = 0) -> None:
        self._folder, self._step = folder, step
        self._writer: SummaryWriter | None = None

    def add_numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Add numbers by their tags."""
        if not values:
            return
        writer = self._open()
        for tag, value in values.items():
            writer.add_scalar(tag, value, step)
        writer.flush()  # a run may be killed at any moment; the writer would wait two minutes

    def add_picture(self, step: int, tag: str, pixels: NDArray[np.uint8]) -> None:
        """Add a picture ``(H, W, 3)`` RGB."""
        writer = self._open()
        writer.add_image(tag, pixels, step, dataformats="HWC")
        writer.flush()

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.close()

    def _open(self) -> "SummaryWriter":
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter  # here: it takes a second

            # Entries are hidden from purge_step on, and the step that comes next is one later.
            purge = self._step + 1 if self._step else None
            self._writer = SummaryWriter(str(self._folder), purge_step=purge)
        return self._writer
