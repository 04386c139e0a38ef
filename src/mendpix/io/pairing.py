"""Pairs photos with masks, by file stem and never by sort order."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from mendpix.errors import MendError
from mendpix.io.files import FORMATS
from mendpix.io.paths import suggest_neighbour

SUFFIXES = frozenset({*FORMATS, ".gif", ".heic", ".heif"})
"""Extensions of the files in a folder that count as pictures."""

ENDING = "-filled"
"""The suffix of the stem of a filled copy that is written beside its photo."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """Photos with their masks (None: the photo carries its own), and what found no partner.

    ``many`` says that a folder of photos was given, even if it holds only one.
    """

    pairs: tuple[tuple[Path, Path | None], ...]
    skipped: tuple[Path, ...] = ()
    many: bool = False


def pair(photo: Path, mask: Path | None) -> Pairing:
    """Pair a photo or a folder of photos with a mask or a folder of masks.

    Two folders are paired by file stem; one mask serves every photo of a folder.

    Raises:
        MendError: a path that is not there, nothing pairs, two files of one stem, or a folder of
            masks for a single photo.
    """
    for path in (photo, mask):
        if path is not None and not os.path.lexists(path):
            hint = suggest_neighbour(path) or "; check the path"
            raise MendError(f"{path} does not exist{hint}")
    if not photo.is_dir():
        if mask is not None and mask.is_dir():
            raise MendError(f"{photo} is one picture but {mask} is a folder; name one mask file")
        return Pairing(((photo, mask),))
    photos = by_stem(photo)
    if mask is None or not mask.is_dir():
        own = [p for p in photos.values() if not _is_output(p, photos) and not _is_same(p, mask)]
        left = [p for p in photos.values() if p not in own]
        return Pairing(tuple((path, mask) for path in own), tuple(left), many=True)
    masks = by_stem(mask)
    shared = [stem for stem in photos if stem in masks]
    if not shared:
        raise MendError(f"no picture in {photo} has the stem of a mask in {mask}; rename the masks")
    alone = [path for group in (photos, masks) for s, path in group.items() if s not in shared]
    return Pairing(tuple((photos[s], masks[s]) for s in shared), tuple(alone), many=True)


def _is_output(path: Path, photos: Collection[str]) -> bool:
    """Whether a file is what an earlier fill put beside its photo."""
    return path.stem.endswith(ENDING) and path.stem.removesuffix(ENDING) in photos


def _is_same(path: Path, other: Path | None) -> bool:
    return other is not None and other.exists() and path.samefile(other)


def by_stem(folder: Path) -> dict[str, Path]:
    """The pictures lying directly in a folder, by stem, in the order of their names.

    Raises:
        MendError: no picture there, two of one stem, or a folder that cannot be read.
    """
    pictures: dict[str, Path] = {}
    for path in _list_folder(folder):
        if path.name.startswith(".") or path.suffix.lower() not in SUFFIXES or path.is_dir():
            continue
        if path.stem in pictures:
            other = pictures[path.stem].name
            raise MendError(f"{other} and {path.name} in {folder} share a stem; rename one of them")
        pictures[path.stem] = path
    if not pictures:
        raise MendError(
            f"no pictures in {folder}; it must hold {', '.join(sorted(SUFFIXES))} files"
        )
    return pictures


def _list_folder(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as problem:
        raise MendError(f"{folder} cannot be read: {problem.strerror}") from None
