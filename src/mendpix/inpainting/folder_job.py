"""A job on a folder that leaves a manifest in its target, from which it can go on."""

import hashlib
import json
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from mendpix import __version__
from mendpix.errors import MendError
from mendpix.inpainting import manifest as manifests
from mendpix.inpainting.filling import FillOutcome, FillTask, fill_file
from mendpix.inpainting.manifest import (
    FileHashes,
    FileVersion,
    JobDescription,
    Manifest,
    ManifestWriter,
    PictureRecord,
)
from mendpix.inpainting.options import FillOptions, FillSettings, MaskOptions, Runtime
from mendpix.inpainting.registry import Filler, choose_parts, find_model_files
from mendpix.io.pairing import PairingRules
from mendpix.io.storage import LocalStorage
from mendpix.types import Progress

AREAS = ("source", "exclude")
"""Options that name the file of a mask."""


@dataclass(frozen=True, slots=True)
class JobSource:
    """Where a job's pictures come from and go to: folders, or one mask for all.

    Attributes:
        masks: None: the photos carry theirs, or they lie beside them.
        rules: by which photos find their masks.
    """

    photos: Path
    masks: Path | None
    target: Path
    rules: PairingRules = field(default_factory=PairingRules)


class FolderJob:
    """One job on a folder: says what is left to do, and records what was done.

    Args:
        source: the folders.
        settings: of the fills.
    """

    def __init__(self, source: JobSource, settings: FillSettings) -> None:
        self.source = source
        self.storage = LocalStorage(source.target)
        self.description = describe(source, settings)
        self.writer = ManifestWriter(self.storage, self.description)

    def select(self, tasks: Sequence[FillTask], verify_hashes: bool = False) -> list[FillTask]:
        """The tasks that are not done yet, or no longer as they were done.

        A fill is done where the manifest has it under the same options, model and seed, its photo
        and mask are those that it was made of, and its files are there at their size. Inputs
        are read again only where their size or time changed.

        Args:
            verify_hashes: read all inputs and outputs again.
        """
        manifest = manifests.read(self.storage)
        return [task for task in tasks if not self._is_done(task, manifest, verify_hashes)]

    def begin(self, skipped: Mapping[Path, str] | None = None) -> None:
        """Write down the job, and the files that it skips, with the reason."""
        manifests.merge(self.storage)
        for path, reason in (skipped or {}).items():
            inside = path.is_relative_to(self.source.photos)
            name = path.relative_to(self.source.photos).as_posix() if inside else path.name
            self.writer.add(self._make_record(name, "skipped", reason=reason))
        self.writer.flush()

    def record(self, task: FillTask, outcome: FillOutcome) -> None:
        """Write down what became of a task."""
        name = self._name(task)
        if outcome.error:
            self.writer.add(self._make_record(name, "failed", reason=outcome.error))
            return
        files = outcome.files or FileHashes()
        target = self.source.target.absolute()
        outputs = tuple(
            replace(one, path=Path(os.path.relpath(one.path, target)).as_posix())
            for one in files.outputs
        )
        files = replace(files, outputs=outputs)
        key = make_key(name, files, self.description)
        self.writer.add(self._make_record(name, "done", key=key, files=files))

    def finish(self) -> None:
        """Write down what is not yet."""
        self.writer.flush()

    def _make_record(self, name: str, status: manifests.Status, **more: Any) -> PictureRecord:
        return PictureRecord(name, status, self.description.id, time.time(), **more)

    def _name(self, task: FillTask) -> str:
        """The output's name in the target, with ``/`` between folders."""
        assert task.out is not None, "a job has a target"
        return Path(os.path.relpath(task.out, self.source.target)).as_posix()

    def _is_done(self, task: FillTask, manifest: Manifest, verify: bool) -> bool:
        name = self._name(task)
        record = manifest.records.get(name)
        if record is None or record.status != "done":
            return False
        files = record.files
        return (
            record.key == make_key(name, files, self.description)
            and _is_same(LocalStorage(), files.photo, task.photo, verify)
            and _is_same(LocalStorage(), files.mask, task.mask, verify)
            and all(_is_there(self.storage, output, verify) for output in files.outputs)
        )


def describe(source: JobSource, settings: FillSettings) -> JobDescription:
    """What a job's manifest says of it.

    Raises:
        MendError: no such model.
        OSError: the mask of an option is not there.
    """
    places = str(source.photos.absolute()), str(source.masks.absolute()) if source.masks else ""
    return describe_job(places, source.rules, settings)


def describe_job(
    places: tuple[str, str], rules: PairingRules, settings: FillSettings
) -> JobDescription:
    """As :func:`describe`, of photos and masks anywhere."""
    settings = choose_parts(settings)
    storage, generator = LocalStorage(), settings.options.generator
    options = asdict(settings.options)
    areas = {name: Path(options[name]) for name in AREAS if options[name] is not None}
    options |= {name: str(path.absolute()) for name, path in areas.items()}
    weights = {path.name: path for path in find_model_files(settings.model)}
    if not isinstance(generator, str):
        weights[generator.path.name] = generator.path
        options["generator"] = generator.spec
    return JobDescription(
        id=secrets.token_hex(8),
        photos=places[0],
        masks=places[1],
        rules=asdict(rules),
        model=settings.model,
        models={name: storage.digest(str(path)) for name, path in weights.items()},
        areas={name: storage.digest(str(path)) for name, path in areas.items()},
        options=options,
        seed=settings.runtime.seed,
        version=__version__,
        started=time.time(),
    )


def make_key(name: str, files: FileHashes, job: JobDescription) -> str:
    """The key of a fill: its name, and a hash of all that its bytes hang on.

    A built-in model counts by its name, weights by their content, wherever they lie.
    """
    content = [files.photo and files.photo.sha256, files.mask and files.mask.sha256]
    model = dict(job.models) or job.model
    options = {**job.options, **job.areas}
    parts = [name, content, model, options, job.seed, job.version]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def recall(target: Path, runtime: Runtime, trust: bool) -> tuple[JobSource, FillSettings]:
    """The job that was last started on a target, to go on with it.

    Args:
        runtime, trust: of this command; seed and options are those of the job.

    Raises:
        MendError: there is none, or its options are not of this version.
    """
    job = manifests.read(LocalStorage(target)).latest
    if job is None:
        raise MendError(
            f"{target} holds no manifest of a job ({manifests.FOLDER}/) to resume; "
            "give the photos, the masks and --out as well"
        )
    known = {one.name for one in fields(FillOptions)}
    if unknown := sorted(set(job.options) - known):
        raise MendError(
            f"the job in {target} was begun by mendpix {job.version}, with the option "
            f"{unknown[0]} that {__version__} does not have; use that version"
        )
    options = FillOptions(**{name: freeze(value) for name, value in job.options.items()})
    masks = Path(job.masks) if job.masks else None
    source = JobSource(Path(job.photos), masks, target, PairingRules(**job.rules))
    runtime = replace(runtime, seed=job.seed)
    return source, FillSettings(job.model, options, runtime, trust=trust)


def freeze(value: Any) -> Any:
    """A value from JSON with tuples for its lists, as options hold them."""
    return tuple(map(freeze, value)) if isinstance(value, list) else value


def fill_and_hash(
    task: FillTask, settings: FillSettings, filler: Filler, progress: Progress | None = None
) -> FillOutcome:
    """As :func:`fill_file`, and the versions of all files it was made of and made."""
    try:
        photo = _describe_file(task.photo)  # before it is read: a later change is seen
        mask = None if task.mask is None else _describe_mask(task.mask)
    except OSError:
        return fill_file(task, settings, filler, progress)  # which says what is wrong
    outcome = fill_file(task, settings, filler, progress)
    if outcome.error or outcome.out is None:
        return outcome
    outputs = tuple(_describe_file(path) for path in (outcome.out, *outcome.others))
    return replace(outcome, files=FileHashes(photo, mask, outputs))


def _describe_file(path: Path) -> FileVersion:
    storage, name = LocalStorage(), str(path.absolute())
    stamp = storage.stamp(name)
    if stamp is None:
        raise FileNotFoundError(name)
    return FileVersion(name, stamp.size, stamp.version, storage.digest(name))


def _describe_mask(path: Path) -> FileVersion:
    return _describe_version(path, LocalStorage().stamp(str(path)))


@lru_cache(maxsize=64)
def _describe_version(path: Path, stamp: object) -> FileVersion:
    """One mask may serve every photo: it is hashed once for each version."""
    return _describe_file(path)


def _is_same(
    storage: LocalStorage, before: FileVersion | None, path: Path | None, verify: bool
) -> bool:
    """Whether an input has the content that it had."""
    if before is None or path is None:
        return before is None and path is None
    name = str(path.absolute())
    stamp = storage.stamp(name)
    if stamp is None or stamp.size != before.size:
        return False
    if not verify and (name, stamp.version) == (before.path, before.version):
        return True
    return storage.digest(name) == before.sha256


def _is_there(storage: LocalStorage, output: FileVersion, verify: bool) -> bool:
    stamp = storage.stamp(output.path)
    if stamp is None or stamp.size != output.size:
        return False
    return not verify or storage.digest(output.path) == output.sha256


@dataclass(frozen=True, slots=True)
class KnownFill:
    """How a picture was filled, as a manifest has it."""

    mask: Path | None
    options: MaskOptions


def recall_fill(picture: Path) -> KnownFill | None:
    """How a picture was filled, by the manifest beside it or in a folder above it."""
    path = picture.absolute()
    target = next((p for p in path.parents if (p / manifests.FOLDER).is_dir()), None)
    if target is None:
        return None
    manifest, name = manifests.read(LocalStorage(target)), path.relative_to(target).as_posix()
    for record in manifest.records.values():
        files = record.files
        if name in [output.path for output in files.outputs] and record.job in manifest.jobs:
            told = manifest.jobs[record.job].options
            chosen = {f.name: freeze(told[f.name]) for f in fields(MaskOptions) if f.name in told}
            return KnownFill(Path(files.mask.path) if files.mask else None, MaskOptions(**chosen))
    return None
