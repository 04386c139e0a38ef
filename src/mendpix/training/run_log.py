"""What a run reports: lines of ``log.jsonl``, TensorBoard's event files, events for the caller."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mendpix.training.events import EventCallback, TrainingEvent
from mendpix.training.run_directory import RunDirectory
from mendpix.training.tensorboard import EventFile


class RunLog:
    """Reports of one run; only the first of its processes reports anything.

    Args:
        watch: called with every event.
        active: False on the other processes, where nothing is reported.
        event_file: None where none is written.
    """

    def __init__(
        self,
        directory: RunDirectory,
        total: int,
        watch: EventCallback,
        active: bool = True,
        event_file: EventFile | None = None,
    ) -> None:
        self.directory, self.total, self.active = directory, total, active
        self._watch, self._event_file = watch, event_file
        self._logged_lost = 0

    def write(self, step: int, **values: Any) -> None:
        """Add a line to the log; tables of numbers in it go to TensorBoard too."""
        if not self.active:
            return
        self.directory.log({"step": step, **values})
        if self._event_file is not None:
            tables = {key: table for key, table in values.items() if isinstance(table, dict)}
            numbers = {f"{key}/{name}": v for key, t in tables.items() for name, v in t.items()}
            self._event_file.add_numbers(step, numbers)

    def add_sheet(self, step: int, pixels: NDArray[np.uint8]) -> None:
        """Add a sample sheet to TensorBoard."""
        if self._event_file is not None:
            self._event_file.add_picture(step, "sheet", pixels)

    def report(self, event: TrainingEvent) -> None:
        """Call the caller's callback."""
        if self.active:
            self._watch(event)

    def say(self, step: int, message: str) -> None:
        """Report a message."""
        self.report(TrainingEvent(step, self.total, message=message))

    def log_lost_files(self, step: int, lost: Mapping[str, str]) -> None:
        """Log the files, with reasons, that can no longer be read; each once."""
        for file, why in list(lost.items())[self._logged_lost :]:
            self._logged_lost += 1
            self.write(step, lost=file, why=why)
            self.say(step, f"{file} can no longer be read ({why}); the run goes on without it")

    def close(self) -> None:
        """Finish the event file."""
        if self._event_file is not None:
            self._event_file.close()
