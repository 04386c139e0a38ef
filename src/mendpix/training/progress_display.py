"""Progress bar of a run, with rate, time left and losses; validations as lines above it."""

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from mendpix.errors import escape
from mendpix.training.events import TrainingEvent


class ProgressDisplay:
    """Shows a run on a console; inside ``with``, it is an event callback."""

    def __init__(self, console: Console) -> None:
        self.progress = Progress(
            TextColumn("training"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
            console=console,
        )
        self.task = self.progress.add_task("training", total=None, rate="", losses="")
        self._validation: dict[str, float] = {}

    def __enter__(self) -> "ProgressDisplay":
        return self  # the bar appears with the first event, so that an error before stands alone

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.progress.stop()

    def __call__(self, event: TrainingEvent) -> None:
        """Show an event of the run; the log holds every term, the bar their sum."""
        self.progress.start()
        self.progress.update(self.task, completed=event.step, total=event.total)
        if event.message:
            self.progress.console.print(escape(event.message), highlight=False, markup=False)
        if event.losses:
            rate = f"{event.rate:.2f} steps/s"
            total = sum(v for name, v in event.losses.items() if "/" not in name)
            self.progress.update(self.task, rate=rate, losses=f"loss {total:.4g}")
        if event.validation != self._validation:
            self._validation = dict(event.validation)
            numbers = _format_numbers(event.validation)
            self.progress.console.print(f"step {event.step}: {numbers}", highlight=False)


def _format_numbers(numbers: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in numbers.items())
