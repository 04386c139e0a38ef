"""Tar shards of pictures: what lies in one is filled on the way from one archive to another.

Files of a sample follow each other and share their name up to the first dot (WebDataset's order):
``0001.jpg`` and ``0001.mask.png``, beside ``0001.json`` and others, which are copied.
"""

import copy
import hashlib
import io
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from mendpix.errors import MendError
from mendpix.inpainting import manifest as manifests
from mendpix.inpainting.cluster.remote_filler import RemoteFiller, RemoteResult
from mendpix.inpainting.cluster.tasks import RemoteTask, name_output
from mendpix.inpainting.filling import FillOutcome
from mendpix.inpainting.folder_job import make_key
from mendpix.inpainting.manifest import FileHashes, FileVersion
from mendpix.io.formats import MASK_SUFFIXES, SUFFIXES


class Member(NamedTuple):
    """One file of an archive."""

    info: tarfile.TarInfo
    content: bytes

    @property
    def kind(self) -> str:
        """What its name says after the first dot, in lower case: ``mask.png``."""
        return PurePosixPath(self.info.name).name.partition(".")[2].lower()

    @property
    def is_mask(self) -> bool:
        first, _, rest = self.kind.rpartition(".")
        return first.startswith("mask") and f".{rest}" in MASK_SUFFIXES

    @property
    def is_photo(self) -> bool:
        return f".{self.kind}" in SUFFIXES


class HashingReader(io.RawIOBase):
    """Reads through to a file and hashes all that was read."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.digest, self.size = file, hashlib.sha256(), 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        content = self.file.read(size)
        self.digest.update(content)
        self.size += len(content)
        return content

    def drain(self) -> None:
        """Read what is left, so that the hash is that of the file."""
        while self.read(1 << 20):
            pass


def fill_shard(filler: RemoteFiller, task: RemoteTask) -> RemoteResult:
    """Fill the pictures of a shard; those that fail are left out of the output and said.

    Raises:
        MendError: it is no tar archive, or holds no picture with a mask.
    """
    photos = filler.job.source.photos
    stamp = photos.stamp(task.photo)
    outcomes: list[FillOutcome] = []
    with photos.open(task.photo) as file, tempfile.NamedTemporaryFile(suffix=".tar") as draft:
        reader = HashingReader(file)
        try:
            with (
                tarfile.open(fileobj=reader, mode="r|*") as archive,
                tarfile.open(fileobj=draft, mode="w") as output,
            ):
                for sample in read_samples(archive):
                    outcomes += fill_sample(filler, task, sample, output)
        except tarfile.TarError as problem:
            raise MendError(f"{task.photo} is no tar archive, or damaged: {problem}") from None
        reader.drain()
        if not outcomes:
            raise MendError(f"{task.photo} holds no picture with a mask (0001.jpg, 0001.mask.png)")
        draft.flush()
        filler.target.upload(task.out, Path(draft.name))
        output_version = hash_output(filler, task.out, Path(draft.name))
    where = photos.locate(task.photo)
    version = stamp.version if stamp else ""
    photo = FileVersion(where, reader.size, version, reader.digest.hexdigest())
    mask = filler.read_mask(task.mask)[0] if task.mask else None
    return conclude(filler, task, FileHashes(photo, mask, (output_version,)), outcomes)


def conclude(
    filler: RemoteFiller, task: RemoteTask, files: FileHashes, outcomes: list[FillOutcome]
) -> RemoteResult:
    """The records of a shard and of each picture in it that failed."""
    failed = [outcome for outcome in outcomes if outcome.error]
    names = [f"{task.out}/{PurePosixPath(outcome.photo).name}" for outcome in failed]
    records = [
        filler.make_record(name, "failed", reason=outcome.error)
        for name, outcome in zip(names, failed, strict=True)
    ]
    if failed:
        reason = f"{len(failed)} of {len(outcomes)} pictures failed; the others are in {task.out}"
        record = filler.make_record(task.out, "failed", reason=reason)
    else:
        key = make_key(task.out, files, filler.job.description)
        record = filler.make_record(task.out, "done", key=key, files=files)
        manifests.leave_record(filler.target, record)
    return RemoteResult(task, (record, *records), tuple(outcomes))


def read_samples(archive: tarfile.TarFile) -> Iterator[list[Member]]:
    """The files of an archive, those of one sample together; folders and links are left out."""
    sample: list[Member] = []
    for info in archive:
        file = archive.extractfile(info) if info.isfile() else None
        if file is None:
            continue
        member = Member(info, file.read())
        if sample and find_sample(sample[0].info.name) != find_sample(info.name):
            yield sample
            sample = []
        sample.append(member)
    if sample:
        yield sample


def find_sample(name: str) -> str:
    """The name of the sample that a file belongs to."""
    path = PurePosixPath(name)
    return (path.parent / path.name.partition(".")[0]).as_posix()


def fill_sample(
    filler: RemoteFiller, task: RemoteTask, sample: list[Member], output: tarfile.TarFile
) -> list[FillOutcome]:
    """Fill a sample's picture into an archive and copy its other files, all but the mask."""
    photo = next((member for member in sample if member.is_photo), None)
    mask = next((member for member in sample if member.is_mask), None)
    named = (mask.info.name, mask.content) if mask else None
    if task.mask:
        named = (task.mask, filler.read_mask(task.mask)[1])
    from_alpha = filler.settings.options.marks_holes
    if photo is None or (named is None and not from_alpha):
        for member in sample:
            append(output, member.info, member.content)
        return []
    name = f"{task.photo}/{photo.info.name}"
    outcome, filled = filler.fill_content(name, photo.content, named, name_output(photo.info.name))
    for member in sample if not outcome.error else ():
        if member is photo:
            for out, content in filled.items():
                append(output, member.info, content, out)
        elif member is not mask:
            append(output, member.info, member.content)
    return [outcome]


def append(
    output: tarfile.TarFile, info: tarfile.TarInfo, content: bytes, name: str | None = None
) -> None:
    """Add a file with the times and rights of another one."""
    info = copy.copy(info)
    info.name, info.size, info.pax_headers = name or info.name, len(content), {}
    output.addfile(info, io.BytesIO(content))


def hash_output(filler: RemoteFiller, name: str, file: Path) -> FileVersion:
    """The version of a shard that was just written."""
    with file.open("rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    return filler.describe_output(name, file.stat().st_size, digest)
