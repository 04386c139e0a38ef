"""One call of ``mendpix fill --engine ray``: a job on many machines, reported like a folder's."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mendpix.cli import terminal
from mendpix.cli.fill_run import FillRun, FolderOptions, Output, count_pictures
from mendpix.errors import MendError

if TYPE_CHECKING:
    from mendpix.inpainting.cluster.job import JobDriver
    from mendpix.inpainting.cluster.ray_engine import ClusterOptions, RayEngine
    from mendpix.inpainting.cluster.remote_filler import RemoteResult
    from mendpix.inpainting.cluster.tasks import RemoteSource, RemoteTask
    from mendpix.inpainting.options import FillSettings
    from mendpix.io.pairing import PairingRules


class ClusterPlace(NamedTuple):
    """Where a cluster is, and what of it the job takes; see the options of the command."""

    address: str
    gpus: float
    workers: int


def open_cluster_run(
    settings: "FillSettings",
    output: Output,
    folder: FolderOptions,
    rules: "PairingRules",
    place: ClusterPlace,
    save_hole: Path | None,
) -> "ClusterRun":
    """The run of a command's options.

    Raises:
        MendError: an option that a cluster does not take.
    """
    from mendpix.inpainting.cluster.ray_engine import ClusterOptions

    if save_hole is not None:
        raise MendError("--save-hole is not for --engine ray; fill a few pictures here with it")
    if folder.memory is not None:
        raise MendError(
            "--memory is not for --engine ray; Ray shares it out by --threads and --gpus"
        )
    cpus = settings.runtime.threads or 1
    options = ClusterOptions(place.address, place.workers, cpus, place.gpus)
    return ClusterRun(settings, output, folder, rules, options)


class ClusterRun(FillRun):
    """Fills a folder or an address on a Ray cluster.

    Args:
        cluster: where, and what each worker takes.
    """

    def __init__(
        self,
        settings: "FillSettings",
        output: Output,
        folder: FolderOptions,
        rules: "PairingRules",
        cluster: "ClusterOptions",
    ) -> None:
        super().__init__(settings, output, folder, rules)
        self.cluster = cluster

    def fill(self, photo: Path, mask: Path | None, out: Path | None) -> None:
        """Fill the pictures below a folder or an address."""
        from mendpix.inpainting.cluster.job import JobDriver
        from mendpix.inpainting.cluster.ray_engine import RayEngine

        source = self._open(photo, mask, out)
        driver = JobDriver(source, self.settings)
        self.settings, self.many = driver.settings, True
        self.count = len(driver.plan.tasks)
        for name, reason in driver.plan.skipped.items():
            self._report_skip(Path(name), reason)
        for line in driver.plan.remarks:
            terminal.remark(line)
        tasks = self._select_tasks(driver)
        if not tasks:
            return
        with (
            terminal.reserve_output(),
            RayEngine(self.cluster) as engine,
            self._show_progress() as progress,
        ):
            engine.check_nodes(driver.job)
            self._work(driver, tasks, engine, progress)

    def _open(self, photo: Path, mask: Path | None, out: Path | None) -> "RemoteSource":
        from mendpix.inpainting.cluster import job, tasks

        if self.folder.resume and mask is None and out is None and not self.rules.from_alpha:
            self.check_resume_alone(str(photo))
            asked = self.settings
            source, self.settings = job.recall(photo, asked.runtime, asked.trust)
            self.rules = source.rules
            return source
        if out is None:
            raise MendError("--engine ray fills into a folder or an address; name it as --out")
        return tasks.open_source(photo, mask, out, self.rules)

    def _select_tasks(self, driver: "JobDriver") -> "list[RemoteTask]":
        if not self.folder.resume:
            return list(driver.plan.tasks)
        tasks = driver.select(self.folder.verify_hashes)
        self.done_before = self.count - len(tasks)
        total = count_pictures(self.count)
        terminal.remark(f"resumed: {self.done_before} of {total} filled already")
        return tasks

    def _work(
        self,
        driver: "JobDriver",
        tasks: "list[RemoteTask]",
        engine: "RayEngine",
        progress: "terminal.ShowProgress",
    ) -> None:
        driver.begin()
        try:
            with self._catch_interrupt():
                for done, result in enumerate(engine.fill(driver.job, tasks), 1):
                    driver.record(result)
                    self.report_result(result)
                    progress(done / len(tasks))
        finally:
            driver.finish()

    def report_result(self, result: "RemoteResult") -> None:
        """Report the pictures of a task; one that an earlier worker had filled counts as before."""
        self.done_before += not result.outcomes
        for outcome in result.outcomes:
            self._report(outcome)
