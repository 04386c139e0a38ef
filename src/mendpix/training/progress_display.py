"""A run as a person watches it: a bar with rate and time left, losses, validations."""

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from mendpix.training.events import TrainingEvent


class Display:
    """Shows a run on a console; inside ``with``, it is a Watch."""

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
        self._measured: dict[str, float] = {}

    def __enter__(self) -> "Display":
        return self  # the bar appears with the first moment: a mistake said before it stands alone

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.progress.stop()

    def __call__(self, moment: TrainingEvent) -> None:
        """Show a moment of the run; the log holds every term, the bar their sum."""
        self.progress.start()
        self.progress.update(self.task, completed=moment.step, total=moment.total)
        if moment.words:
            self.progress.console.print(moment.words, highlight=False)
        if moment.losses:
            rate = f"{moment.rate:.2f} steps/s"
            total = sum(v for name, v in moment.losses.items() if "/" not in name)
            self.progress.update(self.task, rate=rate, losses=f"loss {total:.4g}")
        if moment.measured != self._measured:
            self._measured = dict(moment.measured)
            shown = _words(moment.measured)
            self.progress.console.print(f"step {moment.step}: {shown}", highlight=False)


def _words(numbers: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in numbers.items())
