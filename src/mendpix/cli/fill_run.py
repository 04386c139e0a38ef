"""One call of ``mendpix fill``: one picture or a folder, what is printed of it, and its end."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from mendpix.cli import terminal
from mendpix.errors import MendError

if TYPE_CHECKING:
    from mendpix.inpainting.filling import FillOutcome, FillTask
    from mendpix.inpainting.folder_job import FolderJob
    from mendpix.inpainting.options import FillSettings
    from mendpix.io.pairing import PairingRules

Output = Literal["text", "json", "json-lines"]

_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?) ?([kmgt]?)i?b?", re.IGNORECASE)


def parse_memory(text: str | None) -> int | None:
    """Bytes of a size such as 4GB, 800M or 2.5 GiB (a K is 1024); None stays None.

    Raises:
        MendError: it is none, or less than a process needs.
    """
    if text is None:
        return None
    match = _SIZE.fullmatch(text.strip())
    size = float(match[1]) * 1024 ** " kmgt".index(match[2].lower() or " ") if match else 0.0
    if size < 2**20:
        raise MendError(f"--memory is {text!r} but must be a size of at least 1MB, such as 4GB")
    return int(size)


@dataclass(frozen=True, slots=True)
class FolderOptions:
    """How a folder is worked on, which changes no byte of what is written.

    Attributes:
        resume: leave out what the manifest in the target says is done.
        verify_hashes: read inputs and outputs again to believe it.
        memory: bytes that the pictures under way may take together.
    """

    workers: int = 1
    resume: bool = False
    verify_hashes: bool = False
    memory: int | None = None


class FillRun:
    """Fills, reports each picture as it is done, and sums up.

    Args:
        output: for people, one JSON document at the end, or a line of JSON for each picture.
        rules: by which a folder's files find their masks.
        save_hole: file (of many pictures: folder) for the holes that are filled.
    """

    def __init__(
        self,
        settings: "FillSettings",
        output: Output,
        folder: FolderOptions,
        rules: "PairingRules",
        save_hole: Path | None = None,
    ) -> None:
        self.settings, self.output, self.folder, self.rules = settings, output, folder, rules
        self.save_hole = save_hole
        self.outcomes: list[FillOutcome] = []
        self.skipped: dict[Path, str] = {}
        self.count, self.done_before, self.many = 1, 0, False
        self.job: FolderJob | None = None

    def fill(self, photo: Path, mask: Path | None, out: Path | None) -> None:
        """Fill a picture, or the pictures of a folder."""
        from mendpix.inpainting.registry import choose_parts

        marks_holes = self.settings.options.marks_holes
        if self.folder.resume and mask is None and out is None and not marks_holes:
            photo, mask, out = self._recall(photo)
        self.settings = choose_parts(self.settings)
        if _is_one(photo) and (mask is None or _is_one(mask)) and not (out and out.is_dir()):
            self._fill_one(photo, mask, out)
        else:
            self._fill_folder(photo, mask, out)

    def end(self) -> None:
        """Print the summary that was asked for; the exit code says whether any picture failed."""
        if self.output == "json":
            terminal.print_json(self._summarize())
        if any(outcome.error for outcome in self.outcomes):
            raise typer.Exit(1 if self.many else 2)

    def _recall(self, target: Path) -> tuple[Path, Path | None, Path]:
        """The folders and settings of the last job on a target."""
        from mendpix.inpainting import folder_job

        self.check_resume_alone(str(target))
        asked = self.settings
        source, self.settings = folder_job.recall(target, asked.runtime, asked.trust)
        self.rules = source.rules
        return source.photos, source.masks, target

    def check_resume_alone(self, target: str) -> None:
        """Refuse options beside a ``--resume`` that takes them from a manifest.

        Raises:
            MendError: there are some.
        """
        from mendpix.inpainting.options import FillOptions
        from mendpix.io.pairing import PairingRules

        asked = self.settings
        chosen = (asked.model, asked.options, asked.runtime.seed, self.rules)
        if chosen != ("auto", FillOptions(), 0, PairingRules()):
            raise MendError(
                f"--resume alone takes its options from the manifest in {target}; "
                "to change one, give the photos, the masks and --out as well"
            )

    def _fill_one(self, photo: Path, mask: Path | None, out: Path | None) -> None:
        from mendpix.inpainting.filling import FillTask, fill_file
        from mendpix.inpainting.registry import open_filler

        if self.folder.resume:
            raise MendError(f"--resume goes on with a folder, but {photo} is one picture")
        task = FillTask(photo, mask, out, self.save_hole)
        new_folders = NewFolders([task])
        with self._show_progress() as progress, self._catch_interrupt():
            filler = open_filler(self.settings)
            self._report(fill_file(task, self.settings, filler, progress))
            new_folders.report()

    def _fill_folder(self, photo: Path, mask: Path | None, out: Path | None) -> None:
        from mendpix.inpainting import batch, filling, folder_job

        tasks = self._plan(photo, mask, out)
        fill, new_folders = filling.fill_file, NewFolders(tasks)
        if self.many and out is not None:
            fill = folder_job.fill_and_hash
            self.job = folder_job.FolderJob(
                folder_job.JobSource(photo, mask, out, self.rules), self.settings
            )
            tasks = self._select(self.job, tasks)
        elif self.folder.resume:
            raise MendError("--resume reads the manifest of a folder; name it as --out")
        options = self.folder
        with self._show_progress() as progress, self._catch_interrupt():
            fills = batch.run(
                tasks, self.settings, options.workers, progress, memory=options.memory, fill=fill
            )
            with closing(fills), self._keep_manifest():
                new_folders.report()
                for task, outcome in fills:
                    if self.job is not None:
                        self.job.record(task, outcome)
                    self._report(outcome)
                    new_folders.report()

    def _plan(self, photo: Path, mask: Path | None, out: Path | None) -> "Sequence[FillTask]":
        """What to fill; the files that nothing pairs with are reported."""
        from mendpix.inpainting import batch
        from mendpix.io import pairing

        pairs = pairing.pair(photo, mask, self.rules)
        tasks = batch.plan(pairs, out, self.settings.force, self.save_hole)
        self.many, self.count = pairs.many, len(tasks)
        for path in pairs.skipped:
            self._report_skip(path, pairs.reasons.get(path, "nothing pairs with it"))
        for line in (*pairs.remarks, *pairing.describe_left_out(pairs.left_out)):
            terminal.remark(line)
        return tasks

    def _report_skip(self, path: Path, reason: str) -> None:
        self.skipped[path] = reason
        terminal.remark(f"skipped {path}: {reason}")
        if self.output == "json-lines":
            line = {"status": "skipped", "photo": path, "error": reason}
            terminal.print_json(line, indent=None)

    def _select(self, job: "FolderJob", tasks: "Sequence[FillTask]") -> "Sequence[FillTask]":
        """The tasks that are left to do."""
        if not self.folder.resume:
            return tasks
        left = job.select(tasks, self.folder.verify_hashes)
        self.done_before = len(tasks) - len(left)
        terminal.remark(
            f"resumed: {self.done_before} of {count_pictures(len(tasks))} filled already"
        )
        return left

    @contextmanager
    def _keep_manifest(self) -> Iterator[None]:
        """Write down the job before and what was not written down yet after the block."""
        if self.job is None:
            yield
            return
        self.job.begin(self.skipped)
        try:
            yield
        finally:
            self.job.finish()

    @contextmanager
    def _catch_interrupt(self) -> Iterator[None]:
        """Ctrl-C prints how many pictures are filled, and ends the command."""
        try:
            yield
        except KeyboardInterrupt:
            filled = self.done_before + sum(not outcome.error for outcome in self.outcomes)
            way = "; the same command with --resume goes on" if self.job is not None else ""
            terminal.remark(f"stopped: {filled} of {count_pictures(self.count)} filled{way}")
            raise typer.Exit(130) from None

    @contextmanager
    def _show_progress(self) -> Iterator[Callable[[float], None]]:
        """Progress bar, after a remark on compiling, which happens once per installation."""
        if self.settings.model in ("auto", "patchmatch"):
            from mendpix.inpainting import patchmatch

            if not patchmatch.compiled():
                terminal.remark("compiling PatchMatch for this machine, once; it takes a while")
        title = "filling" if self.count == 1 else f"{self.count} photos"
        with terminal.show_log(), terminal.progress_bar(title) as bar:
            yield bar

    def _report(self, outcome: "FillOutcome") -> None:
        from mendpix.io.streams import is_standard_output

        self.outcomes.append(outcome)
        for text in outcome.warnings:
            terminal.warn(f"{outcome.photo}: {text}")
        if outcome.error:
            terminal.remark(f"error: {outcome.error}")
        if self.output == "json-lines":
            line = {"status": "failed" if outcome.error else "done", **asdict(outcome)}
            terminal.print_json(line, indent=None)
        elif self.output == "text" and not outcome.error:
            show = terminal.remark if is_standard_output(outcome.out) else terminal.print_line
            show(format_outcome(outcome))

    def _summarize(self) -> dict[str, Any]:
        generator = self.settings.options.generator
        return {
            "model": self.settings.model,
            "generator": None if isinstance(generator, str) else generator.as_dict(),
            "seed": self.settings.runtime.seed,
            "fills": [asdict(outcome) for outcome in self.outcomes],
            "skipped": list(self.skipped),
            "done_before": self.done_before,
            "failed": sum(bool(outcome.error) for outcome in self.outcomes),
        }


def _is_one(path: Path) -> bool:
    """Whether a path is one picture, which may come through a stream."""
    from mendpix.io.streams import is_open_stream

    return path.is_file() or is_open_stream(path)


def format_outcome(outcome: "FillOutcome") -> str:
    """What was filled and how the file's format changed the rest, in one line."""
    named = f"{outcome.out} to {outcome.others[-1].name}" if outcome.others else f"{outcome.out}"
    grown = "" if outcome.grow is None else f", grown by {outcome.grow} px,"
    line = (
        f"{named}: {100 * outcome.hole_ratio:.3g} % of {outcome.width}x{outcome.height}{grown} "
        f"filled in {outcome.seconds:.2f} s"
    )
    if not outcome.largest_change:
        return line
    return (
        f"{line}; the format changed known pixels by at most {outcome.largest_change:g} of "
        f"{outcome.white:g} and {outcome.mean_change:.2g} on average; write a .png to change none"
    )


def count_pictures(pictures: int) -> str:
    """A number of pictures in words."""
    return "1 picture" if pictures == 1 else f"{pictures} pictures"


class NewFolders:
    """Names each folder that a command makes, once: a mistyped one is seen to be new."""

    def __init__(self, tasks: "Sequence[FillTask]") -> None:
        folders = {task.out.parent for task in tasks if task.out is not None}
        self.missing = {folder for folder in folders if not folder.exists()}

    def report(self) -> None:
        """Name the folders that had not been there and are now."""
        from mendpix.io.paths import suggest_neighbour

        for folder in sorted(folder for folder in self.missing if folder.is_dir()):
            self.missing.remove(folder)
            terminal.remark(f"made {folder}/{suggest_neighbour(folder)}")
