"""Which photo goes with which mask, by name and never by sort order."""

from dataclasses import dataclass
from pathlib import Path

from .errors import MendError

SUFFIXES = frozenset(
    ".avif .bmp .heic .heif .jpeg .jpg .pgm .png .ppm .tif .tiff .webp".split()
)


@dataclass(frozen=True, slots=True)
class Pairing:
    """Photos with their masks (None: the photo carries its own), and what found no partner."""

    pairs: tuple[tuple[Path, Path | None], ...]
    skipped: tuple[Path, ...] = ()
    many: bool = False


def pair(photo: Path, mask: Path | None) -> Pairing:
    """Pair a photo or a folder of photos with a mask or a folder of masks.

    Two folders are paired by file stem; one mask serves every photo of a folder.

    Raises:
        MendError: nothing there, nothing pairs, two files of one stem, or a folder of masks for
            a single photo.
    """
    if not photo.is_dir():
        if mask is not None and mask.is_dir():
            raise MendError(f"{photo} is one picture but {mask} is a folder; name one mask file")
        return Pairing(((photo, mask),))
    photos = by_stem(photo)
    if mask is None or not mask.is_dir():
        return Pairing(tuple((path, mask) for path in photos.values()), many=True)
    masks = by_stem(mask)
    shared = [stem for stem in photos if stem in masks]
    if not shared:
        raise MendError(f"no picture in {photo} has the stem of a mask in {mask}; rename the masks")
    alone = [path for stem, path in (photos | masks).items() if stem not in photos.keys() & masks]
    return Pairing(tuple((photos[s], masks[s]) for s in shared), tuple(alone), many=True)


def by_stem(folder: Path) -> dict[str, Path]:
    """The pictures lying directly in a folder, by stem, in the order of their names.

    Raises:
        MendError: no picture there, or two of one stem.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix.lower() not in SUFFIXES:
            continue
        if path.stem in found:
            other = found[path.stem].name
            raise MendError(f"{other} and {path.name} in {folder} share a stem; rename one of them")
        found[path.stem] = path
    if not found:
        raise MendError(f"no pictures in {folder}; it must hold {', '.join(sorted(SUFFIXES))} files")
    return found
