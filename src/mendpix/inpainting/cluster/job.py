"""A job on storages, as its driver sees it: what is left to do, and the manifest in the target."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

from mendpix import __version__
from mendpix.errors import MendError
from mendpix.inpainting import manifest as manifests
from mendpix.inpainting.cluster import tasks as planning
from mendpix.inpainting.cluster.remote_filler import RemoteJob, RemoteResult, read_areas
from mendpix.inpainting.cluster.tasks import RemotePlan, RemoteSource, RemoteTask
from mendpix.inpainting.folder_job import describe_job, freeze, make_key
from mendpix.inpainting.manifest import FileVersion, Manifest, ManifestWriter, PictureRecord
from mendpix.inpainting.options import FillOptions, FillSettings, Runtime
from mendpix.inpainting.registry import choose_parts
from mendpix.io.pairing import PairingRules
from mendpix.io.remote import open_storage, restore_address
from mendpix.io.storage import FileStamp, StorageTree


class JobDriver:
    """Plans a job and records what becomes of it; the model is resolved here, once.

    Args:
        source: the places.
        settings: of the fills.

    Raises:
        MendError: nothing to fill, no such model, or places that cannot be opened.
    """

    def __init__(self, source: RemoteSource, settings: FillSettings) -> None:
        self.source, self.settings = source, choose_parts(settings)
        self.description = describe_job(source.places, source.rules, self.settings)
        self.plan: RemotePlan = planning.plan(source)
        self.writer = ManifestWriter(source.target, self.description)

    @property
    def job(self) -> RemoteJob:
        """What its workers need to know."""
        return RemoteJob(self.source, self.settings, self.description, read_areas(self.settings))

    def select(self, verify_hashes: bool = False) -> list[RemoteTask]:
        """The tasks that are not done yet, or no longer as they were done.

        Inputs whose size and version (an object store's ETag) are those of the manifest are not
        read again, unless ``verify_hashes``.
        """
        manifest = manifests.read(self.source.target)
        there = self.source.target.list_tree()
        return [
            task
            for task in self.plan.tasks
            if not self._is_done(task, manifest, there, verify_hashes)
        ]

    def begin(self) -> None:
        """Write down the job, and the files that it skips, with the reason."""
        manifests.merge(self.source.target)
        for name, reason in self.plan.skipped.items():
            self.writer.add(self._make_record(name, "skipped", reason))
        self.writer.flush()

    def record(self, result: RemoteResult) -> None:
        """Write down what became of a task; it reaches the storage within some seconds."""
        for record in result.records:
            self.writer.add(record)
            if record.key:
                self.writer.supersede(record.key)

    def finish(self) -> None:
        """Write down what is not yet."""
        self.writer.flush()

    def _make_record(self, name: str, status: manifests.Status, reason: str) -> PictureRecord:
        return PictureRecord(name, status, self.description.id, time.time(), reason=reason)

    def _is_done(
        self,
        task: RemoteTask,
        manifest: Manifest,
        there: Mapping[str, FileStamp],
        verify: bool,
    ) -> bool:
        record = manifest.records.get(task.out)
        if record is None or record.status != "done":
            return False
        files, masks = record.files, self.source.masks or self.source.photos
        stamps = self.plan.masks or self.plan.photos
        return (
            record.key == make_key(task.out, files, self.description)
            and _is_same(self.source.photos, files.photo, task.photo, self.plan.photos, verify)
            and _is_same(masks, files.mask, task.mask, stamps, verify)
            and _are_there(self.source.target, files.outputs, there, verify)
        )


def recall(target: Path | str, runtime: Runtime, trust: bool) -> tuple[RemoteSource, FillSettings]:
    """The job that was last started on a target, to go on with it.

    Raises:
        MendError: there is none, or its options are not of this version.
    """
    job = manifests.read(open_storage(target)).latest
    if job is None:
        raise MendError(
            f"{restore_address(target)} holds no manifest of a job ({manifests.FOLDER}/) to "
            "resume; give the photos, the masks and --out as well"
        )
    known = {one.name for one in fields(FillOptions)}
    if unknown := sorted(set(job.options) - known):
        raise MendError(
            f"the job in {restore_address(target)} was begun by mendpix {job.version}, with the "
            f"option {unknown[0]} that {__version__} does not have; use that version"
        )
    options = FillOptions(**{name: freeze(value) for name, value in job.options.items()})
    rules = PairingRules(**job.rules)
    source = planning.open_source(job.photos, job.masks or None, target, rules)
    return source, FillSettings(job.model, options, replace(runtime, seed=job.seed), trust=trust)


def _is_same(
    storage: StorageTree,
    before: FileVersion | None,
    name: str,
    stamps: Mapping[str, FileStamp],
    verify: bool,
) -> bool:
    """Whether an input has the content that it had."""
    if before is None or not name:
        return before is None and not name
    stamp = stamps.get(name)
    if stamp is None or stamp.size != before.size:
        return False
    known = (before.path, before.version) == (storage.locate(name), stamp.version)
    return (known and not verify) or storage.digest(name) == before.sha256


def _are_there(
    target: StorageTree,
    outputs: Sequence[FileVersion],
    there: Mapping[str, FileStamp],
    verify: bool,
) -> bool:
    for output in outputs:
        stamp = there.get(output.path)
        if stamp is None or stamp.size != output.size:
            return False
        if verify and target.digest(output.path) != output.sha256:
            return False
    return True
