"""What each worker does: it reads a picture from its storage, fills it, and writes it to another.

An output is known by its key, a hash of its name and of all that its bytes hang on. What a worker
has done it leaves under that key in the target, so that after a killed worker or driver at most
what was under way is done again, to the same bytes.
"""

import hashlib
import shutil
import tempfile
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from mendpix.errors import MendError
from mendpix.inpainting import manifest as manifests
from mendpix.inpainting.cluster.tasks import RemoteSource, RemoteTask
from mendpix.inpainting.filling import FillOutcome, FillTask, fill_file
from mendpix.inpainting.folder_job import AREAS, make_key
from mendpix.inpainting.manifest import FileHashes, FileVersion, JobDescription, PictureRecord
from mendpix.inpainting.options import FillSettings
from mendpix.inpainting.registry import CheckedFiller, open_filler
from mendpix.io.storage import StorageTree


@dataclass(frozen=True, slots=True)
class RemoteJob:
    """A job as its workers know it; picklable.

    Attributes:
        areas: the masks that options name, each the file's name and its content.
    """

    source: RemoteSource
    settings: FillSettings
    description: JobDescription
    areas: Mapping[str, tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class RemoteResult:
    """What became of a task.

    Attributes:
        records: for the manifest; of a shard, one more for each picture that failed.
        outcomes: of its pictures, for people; none where an earlier worker had filled it.
    """

    task: RemoteTask
    records: tuple[PictureRecord, ...]
    outcomes: tuple[FillOutcome, ...] = ()


def read_areas(settings: FillSettings) -> dict[str, tuple[str, bytes]]:
    """The masks that options name, which lie on the driver's machine.

    Raises:
        MendError: one cannot be read.
    """
    areas = {name: getattr(settings.options, name) for name in AREAS}
    paths = {name: Path(path) for name, path in areas.items() if path is not None}
    try:
        return {name: (path.name, path.read_bytes()) for name, path in paths.items()}
    except OSError as problem:
        raise MendError(f"{problem.filename} cannot be read: {problem.strerror}") from None


class RemoteFiller:
    """Fills the tasks of a job, one after the other.

    Raises:
        MendError: the filler cannot be opened on this machine.
    """

    def __init__(self, job: RemoteJob) -> None:
        self.job = job
        self.target: StorageTree = job.source.target
        self.folder = tempfile.mkdtemp(prefix="mendpix-")
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self.settings = replace(job.settings, options=self._place_areas())
        self.filler: CheckedFiller = open_filler(self.settings)
        self._masks: dict[str, tuple[FileVersion, bytes]] = {}

    def __call__(self, task: RemoteTask) -> RemoteResult:
        """Fill a task; what fails is a record that says why."""
        try:
            if task.is_shard:
                from mendpix.inpainting.cluster.shards import fill_shard  # here: few jobs have any

                return fill_shard(self, task)
            return self._fill_picture(task)
        except FileNotFoundError as missing:
            return self.fail(task, f"{missing.args[-1] or task.photo} is not there any more")
        except (MendError, OSError) as problem:
            return self.fail(task, str(problem))

    def fail(self, task: RemoteTask, reason: str) -> RemoteResult:
        """The result of a task that failed."""
        error = reason if task.photo in reason else f"{task.photo}: {reason}"
        outcome = FillOutcome(Path(task.photo), None, None, error=error)
        return RemoteResult(task, (self.make_record(task.out, "failed", reason=error),), (outcome,))

    def make_record(self, name: str, status: manifests.Status, **more: Any) -> PictureRecord:
        """A record of this job, as of now."""
        return PictureRecord(name, status, self.job.description.id, time.time(), **more)

    def read_mask(self, name: str) -> tuple[FileVersion, bytes]:
        """A mask and its version; the one that serves all photos is read once."""
        masks = self.job.source.masks or self.job.source.photos
        if name not in self._masks:
            self._masks.clear()
            self._masks[name] = _read(masks, name)
        return self._masks[name]

    def fill_content(
        self, name: str, content: bytes, mask: tuple[str, bytes] | None, out: str
    ) -> tuple[FillOutcome, dict[str, bytes]]:
        """Fill a picture's bytes.

        Args:
            name: of the photo, as messages call it.
            mask: name and content; None: the photo carries it.
            out: the name of the output, whose extension says the format.

        Returns: the outcome, and the content of each output by its name.
        """
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            photo_file = _place(Path(folder, "photo"), name, content)
            mask_file = None if mask is None else _place(Path(folder, "mask"), *mask)
            out_file = Path(folder, "out", PurePosixPath(out).name)
            out_file.parent.mkdir()
            task = FillTask(photo_file, mask_file, out_file)
            outcome = fill_file(task, self.settings, self.filler)
            names = {str(photo_file): name, str(out_file): out}
            if mask_file is not None and mask is not None:
                names[str(mask_file)] = mask[0]
            files = () if outcome.error else (out_file, *outcome.others)
            parent = PurePosixPath(out).parent
            outputs = {(parent / file.name).as_posix(): file.read_bytes() for file in files}
            return _rename(outcome, names, tuple(map(Path, outputs))), outputs

    def _fill_picture(self, task: RemoteTask) -> RemoteResult:
        photo, content = _read(self.job.source.photos, task.photo)
        mask = self.read_mask(task.mask) if task.mask else None
        files = FileHashes(photo, mask[0] if mask else None)
        key = make_key(task.out, files, self.job.description)
        done = self._find_done(key)
        if done is not None:
            return RemoteResult(task, (done,))
        named = (task.mask, mask[1]) if mask else None
        outcome, outputs = self.fill_content(task.photo, content, named, task.out)
        if outcome.error:
            record = self.make_record(task.out, "failed", reason=outcome.error)
            return RemoteResult(task, (record,), (outcome,))
        files = replace(files, outputs=tuple(self.store(*one) for one in outputs.items()))
        record = self.make_record(task.out, "done", key=key, files=files)
        manifests.leave_record(self.target, record)
        return RemoteResult(task, (record,), (outcome,))

    def store(self, name: str, content: bytes) -> FileVersion:
        """Write an output; its version, relative to the target."""
        self.target.write(name, content)
        return self.describe_output(name, len(content), hashlib.sha256(content).hexdigest())

    def describe_output(self, name: str, size: int, sha256: str) -> FileVersion:
        """The version of an output that was just written."""
        stamp = self.target.stamp(name)
        return FileVersion(name, size, stamp.version if stamp else "", sha256)

    def _find_done(self, key: str) -> PictureRecord | None:
        """The record that another worker left of this fill, where its outputs are there."""
        record = manifests.find_record(self.target, key)
        if record is None:
            return None
        stamps = [self.target.stamp(one.path) for one in record.files.outputs]
        sizes = [stamp.size if stamp else -1 for stamp in stamps]
        return record if sizes == [one.size for one in record.files.outputs] else None

    def _place_areas(self) -> Any:
        areas = self.job.areas.items()
        placed: dict[str, Any] = {
            name: _place(Path(self.folder, name), *file) for name, file in areas
        }
        return replace(self.job.settings.options, **placed)


def _read(storage: StorageTree, name: str) -> tuple[FileVersion, bytes]:
    """A file and its version, which is asked for before it is read: a later change is seen."""
    stamp = storage.stamp(name)
    content = storage.read(name)
    digest = hashlib.sha256(content).hexdigest()
    version = stamp.version if stamp else ""
    return FileVersion(storage.locate(name), len(content), version, digest), content


def _place(folder: Path, name: str, content: bytes) -> Path:
    folder.mkdir()
    path = folder / PurePosixPath(name).name
    path.write_bytes(content)
    return path


def _rename(outcome: FillOutcome, names: Mapping[str, str], outs: tuple[Path, ...]) -> FillOutcome:
    """The outcome with the files' own names for those that they had while they were filled."""

    def say(text: str) -> str:
        for path, name in names.items():
            text = text.replace(path, name)
        return text

    return replace(
        outcome,
        photo=Path(say(str(outcome.photo))),
        mask=None if outcome.mask is None else Path(say(str(outcome.mask))),
        out=outs[0] if outs else None,
        others=outs[1:],
        error=say(outcome.error),
        warnings=tuple(map(say, outcome.warnings)),
    )
