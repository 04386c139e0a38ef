"""What a job on storages has to do: its photos with their masks, and the names of its outputs."""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from mendpix.errors import MendError
from mendpix.io.formats import FORMATS, MASK_SUFFIXES, SUFFIXES
from mendpix.io.pairing import PairingRules, match_masks
from mendpix.io.remote import open_storage, restore_address
from mendpix.io.storage import FileStamp, StorageTree

SHARD = ".tar"
"""Extension of an archive of pictures with their masks, in WebDataset's order."""


@dataclass(frozen=True, slots=True)
class RemoteTask:
    """One picture, or one shard of pictures.

    Attributes:
        photo: its name in the storage of photos.
        mask: its name in the storage of masks; "": the photo, or the shard, carries it.
        out: the name of the output in the target.
    """

    photo: str
    mask: str
    out: str

    @property
    def is_shard(self) -> bool:
        return self.photo.endswith(SHARD)


@dataclass(frozen=True, slots=True)
class RemoteSource:
    """Where a job's pictures come from and go to; picklable.

    Attributes:
        masks: None: the photos carry theirs, or they lie beside them.
        one_mask: the name of the mask for all photos; "": each has its own.
        rules: by which photos find their masks.
    """

    photos: StorageTree
    masks: StorageTree | None
    target: StorageTree
    one_mask: str = ""
    rules: PairingRules = field(default_factory=PairingRules)

    @property
    def places(self) -> tuple[str, str]:
        """Photos and masks as a manifest names them."""
        return self.photos.locate("").rstrip("/"), self.locate_masks()

    def locate_masks(self) -> str:
        """The folder of masks, or the one mask; "" where there is neither."""
        return "" if self.masks is None else self.masks.locate(self.one_mask).rstrip("/")


@dataclass(frozen=True, slots=True)
class RemotePlan:
    """What is to be done.

    Attributes:
        skipped: files without a partner, with the reason.
        remarks: how pairs were found, one line each.
        photos, masks: the stamps of what was listed, by name.
    """

    tasks: tuple[RemoteTask, ...]
    skipped: Mapping[str, str]
    remarks: tuple[str, ...]
    photos: Mapping[str, FileStamp]
    masks: Mapping[str, FileStamp]


def open_source(
    photos: Path | str, masks: Path | str | None, target: Path | str, rules: PairingRules
) -> RemoteSource:
    """The storages of a job's three places, each a folder or an address.

    Raises:
        MendError: one that cannot be opened, or the same place twice.
    """
    places = [restore_address(place).rstrip("/") for place in (photos, masks, target) if place]
    if len(set(places)) < len(places):
        raise MendError(f"{places[0]} is given twice; photos, masks and --out are three places")
    one_mask = ""
    if masks is not None and PurePosixPath(str(masks)).suffix.lower() in MASK_SUFFIXES:
        folder, _, one_mask = restore_address(masks).rpartition("/")
        masks = folder or "."
    return RemoteSource(
        open_storage(photos),
        None if masks is None else open_storage(masks),
        open_storage(target),
        one_mask,
        rules,
    )


def plan(source: RemoteSource) -> RemotePlan:
    """List the photos and masks and pair them as those of folders are paired.

    Raises:
        MendError: there is nothing to fill.
    """
    photos = source.photos.list_tree(source.rules.recursive)
    shards = [name for name in photos if name.endswith(SHARD)]
    pictures = group_by_stem(photos, SUFFIXES)
    if not pictures and not shards:
        what = f"{', '.join(sorted(SUFFIXES))} or {SHARD} files"
        raise MendError(f"no pictures in {source.photos.locate('')}; it must hold {what}")
    masks = _list_masks(source)
    partners, remarks = _pair(source, pictures, masks)
    tasks = [RemoteTask(name, source.one_mask, name) for name in shards]
    tasks += [RemoteTask(photo, mask, name_output(photo)) for photo, mask in partners.items()]
    if not tasks:
        raise MendError(
            f"no picture in {source.photos.locate('')} has a mask in "
            f"{source.locate_masks() or 'the same folder'} ({source.rules.pattern})"
        )
    used = {*partners, *partners.values()}
    skipped = {name: "nothing pairs with it" for name in pictures.values() if name not in used}
    return RemotePlan(tuple(tasks), skipped, remarks, photos, masks)


def _list_masks(source: RemoteSource) -> Mapping[str, FileStamp]:
    if source.masks is None:
        return {}
    if not source.one_mask:
        return source.masks.list_tree(source.rules.recursive)
    stamp = source.masks.stamp(source.one_mask)
    if stamp is None:
        raise MendError(f"{source.locate_masks()} does not exist; check the path")
    return {source.one_mask: stamp}


def _pair(
    source: RemoteSource, pictures: dict[str, str], masks: Mapping[str, FileStamp]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The photos' names with those of their masks, "" where they carry them; and remarks."""
    if source.one_mask or (source.masks is None and source.rules.from_alpha):
        return dict.fromkeys(pictures.values(), source.one_mask), ()
    files = {stem: Path(name) for stem, name in pictures.items()}
    others = files
    if source.masks is not None:
        others = {stem: Path(name) for stem, name in group_by_stem(masks, MASK_SUFFIXES).items()}
    if source.masks is None:
        partners, remarks = match_masks(files, others, source.rules)
    else:  # the same name in two places is two files
        renamed = {stem: Path("masks", path) for stem, path in others.items()}
        found, remarks = match_masks(files, renamed, source.rules)
        partners = {stem: path.relative_to("masks") for stem, path in found.items()}
    return {pictures[stem]: path.as_posix() for stem, path in partners.items()}, remarks


def group_by_stem(names: Iterable[str], suffixes: frozenset[str]) -> dict[str, str]:
    """The names with one of these extensions, by path and stem in NFC.

    Raises:
        MendError: two of one stem.
    """
    found: dict[str, str] = {}
    for name in names:
        path = PurePosixPath(name)
        if path.suffix.lower() not in suffixes:
            continue
        stem = unicodedata.normalize("NFC", path.with_suffix("").as_posix())
        if stem in found:
            raise MendError(f"{found[stem]} and {name} share a stem; rename one of them")
        found[stem] = name
    return found


def name_output(photo: str) -> str:
    """The photo's name, with an extension that can be written."""
    path = PurePosixPath(photo)
    return photo if path.suffix.lower() in FORMATS else path.with_suffix(".png").as_posix()
