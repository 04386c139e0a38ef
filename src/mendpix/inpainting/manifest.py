"""The manifest of jobs on a folder: what became of every picture, made of which files, and how.

It lies in the target, as ``.mendpix/*.jsonl``. Each of these segments is written once, whole, under
a name of its own, and never changed, so that any number of processes and machines can write at the
same time, on object stores too. A segment's lines describe a job or one picture; of several lines
on one picture the latest counts. Reading merges many segments into one.
"""

import json
import logging
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from mendpix.io.storage import Storage

FOLDER = ".mendpix"
"""Where a manifest lies in the target of its jobs."""

KEYS = f"{FOLDER}/keys"
"""Where workers of other machines leave a segment for each picture, named by its key, until the
driver has it in one of its own: a picture whose worker or driver is killed is not done again."""

INTERVAL = 2.0
"""Seconds between two segments of a writer: a killed one loses the record of no more."""

MOST_SEGMENTS = 16
"""More are merged into one when they are read."""

log = logging.getLogger(__name__)

Status = Literal["done", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class FileVersion:
    """One file as a job found or left it.

    Attributes:
        path: of an input as it was given; of an output relative to the target.
        size: in bytes.
        version: the time of its last change in nanoseconds, or an object store's ETag.
        sha256: of its content, in hex.
    """

    path: str
    size: int
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class FileHashes:
    """The files of one fill: the photo, its mask where it has one, and what was written."""

    photo: FileVersion | None = None
    mask: FileVersion | None = None
    outputs: tuple[FileVersion, ...] = ()


@dataclass(frozen=True, slots=True)
class JobDescription:
    """What a job was told, enough to go on with it.

    Attributes:
        photos, masks: the folders, or one mask, in full; masks "" where the photos carry theirs.
        rules: by which photos find their masks, by name.
        model: as it was asked for.
        models: the sha256 of each file of weights that it stands for, by the file's name.
        areas: the sha256 of each mask that an option names, by the option's name.
        options: of the fills, by name.
        seed: of the fills.
        version: of mendpix.
        started: in seconds since 1970.
    """

    id: str
    photos: str
    masks: str
    rules: Mapping[str, Any]
    model: str
    models: Mapping[str, str]
    areas: Mapping[str, str]
    options: Mapping[str, Any]
    seed: int
    version: str
    started: float


@dataclass(frozen=True, slots=True)
class PictureRecord:
    """What became of one picture.

    Attributes:
        name: of the output, relative to the target, ``/`` between folders.
        key: of the content of its inputs and of all that the fill hangs on; "" where it failed.
        job: the id of its job.
        time: when it ended, in seconds since 1970.
        reason: why it failed or was skipped.
    """

    name: str
    status: Status
    job: str
    time: float
    key: str = ""
    reason: str = ""
    files: FileHashes = field(default_factory=FileHashes)


@dataclass(slots=True)
class Manifest:
    """Jobs by id and the latest record of each picture by its name."""

    jobs: dict[str, JobDescription] = field(default_factory=dict)
    records: dict[str, PictureRecord] = field(default_factory=dict)

    @property
    def latest(self) -> JobDescription | None:
        """The job that was started last."""
        return max(self.jobs.values(), key=lambda job: job.started, default=None)

    def add(self, entry: JobDescription | PictureRecord) -> None:
        """Add a job, or a record where it is the picture's latest."""
        if isinstance(entry, JobDescription):
            self.jobs[entry.id] = entry
            return
        before = self.records.get(entry.name)
        if before is None or before.time <= entry.time:
            self.records[entry.name] = entry


class ManifestWriter:
    """Adds to the manifest of a target; each writer has segments of its own."""

    def __init__(self, storage: Storage, job: JobDescription) -> None:
        self.storage = storage
        self._lines: list[JobDescription | PictureRecord] = [job]
        self._left: list[str] = []
        self._written = time.monotonic()

    def add(self, record: PictureRecord) -> None:
        """Add a record, which reaches the storage within ``INTERVAL`` or with the next one."""
        self._lines.append(record)
        if time.monotonic() - self._written >= INTERVAL:
            self.flush()

    def flush(self) -> None:
        """Write what was added since the last segment, and remove what workers left of it."""
        if self._lines:
            _write_segment(self.storage, self._lines)
        for name in self._left:
            self.storage.remove(name)
        self._lines, self._left, self._written = [], [], time.monotonic()

    def supersede(self, key: str) -> None:
        """Remove what a worker left of a picture once its record, added before, is written."""
        self._left.append(name_key_segment(key))


def read(storage: Storage) -> Manifest:
    """The manifest of a target; an empty one where there is none.

    A line that cannot be read is left out with a warning: its picture is filled again.
    """
    manifest, names = Manifest(), set[str]()
    while new := set(_list_segments(storage)) - names:
        for name in sorted(new):
            try:
                content = storage.read(name)
            except FileNotFoundError:  # merged meanwhile, into a segment that is there now
                pass
            else:
                for entry in _parse_segment(content, name):
                    manifest.add(entry)
        names |= new
    return manifest


def merge(storage: Storage) -> None:
    """Merge the segments into one where there are many; others may read and write meanwhile."""
    names = _list_segments(storage)
    if len(names) <= MOST_SEGMENTS:
        return
    manifest = read(storage)
    used = {record.job for record in manifest.records.values()}
    if manifest.latest is not None:
        used.add(manifest.latest.id)
    jobs = [job for job in manifest.jobs.values() if job.id in used]
    _write_segment(storage, [*jobs, *manifest.records.values()])
    for name in names:  # only now, so that nothing is lost when this process ends
        storage.remove(name)


def _list_segments(storage: Storage) -> list[str]:
    """The segments' names; a draft that a killed process left begins with a dot."""
    names = [*storage.list_names(FOLDER), *storage.list_names(KEYS)]
    return [n for n in names if n.endswith(".jsonl") and not n.rpartition("/")[2].startswith(".")]


def name_key_segment(key: str) -> str:
    """The name of the segment of one picture."""
    return f"{KEYS}/{key}.jsonl"


def leave_record(storage: Storage, record: PictureRecord) -> None:
    """Write the segment of one picture, for the driver to take up."""
    storage.write(name_key_segment(record.key), _format_line(record).encode())


def find_record(storage: Storage, key: str) -> PictureRecord | None:
    """The record that a worker left of a picture; None: there is none."""
    try:
        content = storage.read(name_key_segment(key))
    except FileNotFoundError:
        return None
    found = [one for one in _parse_segment(content, key) if isinstance(one, PictureRecord)]
    return found[0] if found else None


def _write_segment(storage: Storage, entries: list[JobDescription | PictureRecord]) -> None:
    name = f"{FOLDER}/{time.time_ns():020d}-{secrets.token_hex(4)}.jsonl"
    storage.write(name, "".join(map(_format_line, entries)).encode())


def _format_line(entry: JobDescription | PictureRecord) -> str:
    return json.dumps({_kind_of(entry): asdict(entry)}) + "\n"


def _kind_of(entry: JobDescription | PictureRecord) -> str:
    return "job" if isinstance(entry, JobDescription) else "picture"


def _parse_segment(content: bytes, name: str) -> Iterator[JobDescription | PictureRecord]:
    for number, line in enumerate(content.splitlines(), 1):
        try:
            ((kind, table),) = json.loads(line).items()
            yield JobDescription(**table) if kind == "job" else _parse_record(table)
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
            log.warning("line %d of %s cannot be read; its picture is filled again", number, name)


def _parse_record(table: dict[str, Any]) -> PictureRecord:
    files = table.pop("files")
    photo, mask = (_parse_version(files[name]) for name in ("photo", "mask"))
    outputs = tuple(FileVersion(**one) for one in files["outputs"])
    return PictureRecord(**table, files=FileHashes(photo, mask, outputs))


def _parse_version(table: dict[str, Any] | None) -> FileVersion | None:
    return None if table is None else FileVersion(**table)
