"""Pairs photos with masks, by file stem and never by sort order.

Stems compare as Unicode's composed form (NFC), because some systems store names decomposed.
"""

import os
import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mendpix.errors import MendError
from mendpix.io.formats import MASK_SUFFIXES, SUFFIXES
from mendpix.io.paths import suggest_neighbour

ENDING = "-filled"
"""The suffix of the stem of a filled copy that is written beside its photo."""

_MASK_NAME = r"[_.-]mask\d*"
_PATTERN = "NAME_mask, NAME-mask or NAME.mask, with a number or without"
_MOST_NAMES = 5  # of files left out, in one line


@dataclass(frozen=True, slots=True)
class Pairing:
    """Photos with their masks (None: the photo carries its own), and what found no partner.

    Attributes:
        many: a folder of photos was given, even if it holds only one.
        root: that folder; None for a single photo.
        remarks: how pairs were found that do not simply share a stem, one line each.
        reasons: why a file was skipped, by path; those without one have no partner.
        left_out: what lies in the folders and was not looked at: subfolders, other files.
    """

    pairs: tuple[tuple[Path, Path | None], ...]
    skipped: tuple[Path, ...] = ()
    many: bool = False
    root: Path | None = None
    remarks: tuple[str, ...] = ()
    reasons: Mapping[Path, str] = field(default_factory=dict)
    left_out: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class PairingRules:
    """How the files of folders find their masks.

    Attributes:
        suffix: what a mask's stem adds to its photo's; "": ``_mask`` and its like.
        recursive: subfolders too; a pair lies in the same one of both folders.
        from_alpha: photos carry their masks as alpha, so none is looked for.
    """

    suffix: str = ""
    recursive: bool = False
    from_alpha: bool = False

    @property
    def pattern(self) -> str:
        """The names that count as masks, in words."""
        return f"NAME{self.suffix}" if self.suffix else _PATTERN

    def find_base(self, stem: str) -> str | None:
        """The stem of the photo that a mask of this stem belongs to; None: it has no suffix."""
        ending = re.escape(unicodedata.normalize("NFC", self.suffix)) or _MASK_NAME
        match = re.fullmatch(f"(.+?){ending}", stem, re.DOTALL)
        return match[1] if match else None


def pair(photo: Path, mask: Path | None, rules: PairingRules | None = None) -> Pairing:
    """Pair a photo or a folder of photos with a mask or a folder of masks.

    Two folders are paired by file stem, or by a mask's stem without its suffix; so are the
    pictures of one folder. One mask serves every photo of a folder.

    Raises:
        MendError: a path that is not there, nothing pairs, two files of one stem, a folder of
            masks for a single photo, or the same file or folder twice.
    """
    rules = rules or PairingRules()
    for path in (photo, mask):
        if path is not None and not os.path.lexists(path):
            hint = suggest_neighbour(path) or "; check the path"
            raise MendError(f"{path} does not exist{hint}")
    if mask is not None:
        _check_differ(photo, mask, rules)
    if not photo.is_dir():
        if mask is not None and mask.is_dir():
            raise MendError(f"{photo} is one picture but {mask} is a folder; name one mask file")
        return Pairing(((photo, mask),))
    photos = by_stem(photo, rules.recursive)
    left_out = find_left_out(photo, rules.recursive)
    if mask is not None and mask.is_dir():
        return _pair_folders((photo, photos), mask, rules, left_out)
    if mask is None and not rules.from_alpha:
        return _pair_inside(photo, photos, rules, left_out)
    own = [p for p in photos.values() if not _is_output(p, photos) and not _is_same(p, mask)]
    reasons = {p: _explain_skip(p, photos) for p in photos.values() if p not in own}
    pairs = tuple((path, mask) for path in own)
    return Pairing(pairs, tuple(reasons), True, photo, (), reasons, left_out)


def _check_differ(photo: Path, mask: Path, rules: PairingRules) -> None:
    if not _is_same(photo, mask):
        return
    if photo.is_dir():
        raise MendError(
            f"{photo} is given as the photos and as the masks; give it once, and photos are "
            f"paired with the masks beside them ({rules.pattern})"
        )
    raise MendError(f"{photo} is given as the photo and as its mask; name another file as the mask")


def _pair_folders(
    photos: tuple[Path, dict[str, Path]],
    mask: Path,
    rules: PairingRules,
    left_out: tuple[Path, ...],
) -> Pairing:
    root, files = photos
    masks = by_stem(mask, rules.recursive, MASK_SUFFIXES)
    partners, remarks = match_masks(files, masks, rules)
    if not partners:
        raise MendError(
            f"no picture in {root} has the stem of a mask in {mask}, nor one that a mask adds "
            f"a suffix to ({rules.pattern}); rename the masks, or name their --mask-suffix"
        )
    used = set(partners.values())
    alone = [path for stem, path in files.items() if stem not in partners]
    alone += [path for path in masks.values() if path not in used]
    pairs = tuple((files[stem], partners[stem]) for stem in files if stem in partners)
    left_out += find_left_out(mask, rules.recursive, MASK_SUFFIXES)
    return Pairing(pairs, tuple(alone), True, root, remarks, {}, left_out)


def _pair_inside(
    root: Path, files: dict[str, Path], rules: PairingRules, left_out: tuple[Path, ...]
) -> Pairing:
    """Pair the photos of a folder with the masks beside them."""
    partners, remarks = match_masks(files, files, rules)
    if not partners:
        raise MendError(
            f"no picture in {root} has a mask beside it ({rules.pattern}); give the masks, "
            "name their --mask-suffix, or let alpha mark the holes (--from-alpha)"
        )
    used = {path for one in partners.items() for path in (files[one[0]], one[1])}
    alone = [path for path in files.values() if path not in used]
    reasons = {p: _explain_skip(p, files) for p in alone if _is_output(p, files)}
    pairs = tuple((files[stem], partners[stem]) for stem in partners)
    return Pairing(pairs, tuple(alone), True, root, remarks, reasons, left_out)


def match_masks(
    photos: Mapping[str, Path], masks: Mapping[str, Path], rules: PairingRules | None = None
) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Stem of a photo -> its mask, and remarks on pairs that do not share a stem.

    The first of these that holds: the same stem, the mask's stem without its suffix, the same
    without regard to case. A photo is never its own mask.
    """
    rules = rules or PairingRules()
    by_base: dict[str, Path] = {}
    for stem, path in masks.items():
        base = rules.find_base(stem)
        if base is not None:
            by_base.setdefault(base, path)
    exact = {s: masks[s] for s in photos if s in masks and masks[s] != photos[s]}
    added = {s: by_base[s] for s in photos if s not in exact and s in by_base}
    partners = exact | added
    alike = _match_case(photos, masks, by_base, partners)
    remarks = [f"paired {photos[s].name} with {path.name}: only their case differs"
               for s, path in alike.items()]  # fmt: skip
    if added:
        remarks.insert(0, f"masks are paired by their suffix ({rules.pattern})")
    partners |= alike
    return {stem: partners[stem] for stem in photos if stem in partners}, tuple(remarks)


def _match_case(
    photos: Mapping[str, Path],
    masks: Mapping[str, Path],
    by_base: Mapping[str, Path],
    partners: Mapping[str, Path],
) -> dict[str, Path]:
    """Masks of photos without a partner whose stems differ in case only, where that is clear."""
    used = set(partners.values()) | set(photos.values())
    folded: dict[str, set[Path]] = {}
    for stem, path in [*masks.items(), *by_base.items()]:
        if path not in used:
            folded.setdefault(stem.casefold(), set()).add(path)
    alone = [stem for stem in photos if stem not in partners]
    names = [stem.casefold() for stem in alone]
    return {
        stem: next(iter(folded[name]))
        for stem, name in zip(alone, names, strict=True)
        if len(folded.get(name, ())) == 1 and names.count(name) == 1
    }


def _explain_skip(path: Path, photos: Collection[str]) -> str:
    return "it is an earlier fill" if _is_output(path, photos) else "it is the mask"


def _is_output(path: Path, photos: Collection[str]) -> bool:
    """Whether a file is what an earlier fill put beside its photo."""
    stem = unicodedata.normalize("NFC", path.stem)
    if not stem.endswith(ENDING):
        return False
    base = stem.removesuffix(ENDING)
    return any(Path(other).name == base for other in photos)


def _is_same(path: Path, other: Path | None) -> bool:
    return other is not None and other.exists() and path.exists() and path.samefile(other)


def by_stem(
    folder: Path, recursive: bool = False, suffixes: frozenset[str] = SUFFIXES
) -> dict[str, Path]:
    """The pictures in a folder, by stem in NFC, in the order of their names.

    Args:
        recursive: those in subfolders too, by path and stem (``day-2/photo``).

    Raises:
        MendError: no picture there, two of one stem, or a folder that cannot be read.
    """
    pictures: dict[str, Path] = {}
    for path in _list_folder(folder, recursive):
        if path.suffix.lower() not in suffixes or path.is_dir():
            continue
        stem = unicodedata.normalize("NFC", path.relative_to(folder).with_suffix("").as_posix())
        if stem in pictures:
            other = pictures[stem].name
            raise MendError(f"{other} and {path.name} in {folder} share a stem; rename one of them")
        pictures[stem] = path
    if not pictures:
        below = "" if recursive else _count_below(folder)
        raise MendError(
            f"no pictures in {folder}{below}; it must hold {', '.join(sorted(suffixes))} files"
        )
    return pictures


def _count_below(folder: Path) -> str:
    count = sum(path.is_dir() for path in find_left_out(folder))
    subfolders = "a subfolder" if count == 1 else f"{count} subfolders"
    return f" but {subfolders} (--recursive looks there)" if count else ""


def find_left_out(
    folder: Path, recursive: bool = False, suffixes: frozenset[str] = SUFFIXES
) -> tuple[Path, ...]:
    """What a folder holds besides pictures: other files, and subfolders unless ``recursive``."""
    return tuple(
        path
        for path in _list_folder(folder, recursive)
        if (path.is_dir() and not recursive)
        or (not path.is_dir() and path.suffix.lower() not in suffixes)
    )


def describe_left_out(paths: Collection[Path]) -> list[str]:
    """One line about other files, and one about subfolders, each counted and some named."""
    folders = [path for path in paths if path.is_dir()]
    others = [path for path in paths if path not in folders]
    lines = []
    if others:
        lines.append(f"left out {_name_some(others, 'file')} of other kinds")
    if folders:
        lines.append(f"left out {_name_some(folders, 'subfolder')}; --recursive takes them too")
    return lines


def _name_some(paths: list[Path], what: str) -> str:
    more = len(paths) - _MOST_NAMES
    names = ", ".join(path.name for path in paths[:_MOST_NAMES])
    plural = "s" if len(paths) > 1 else ""
    return f"{len(paths)} {what}{plural} ({names}{f' and {more} more' if more > 0 else ''})"


def _list_folder(folder: Path, recursive: bool = False) -> list[Path]:
    """What lies in a folder, sorted, without hidden files and folders; links are not followed."""
    listed: list[Path] = []
    try:
        for path in sorted(folder.iterdir()):
            if path.name.startswith("."):
                continue
            listed.append(path)
            if recursive and path.is_dir() and not path.is_symlink():
                listed += _list_folder(path, recursive)
    except OSError as problem:
        raise MendError(f"{folder} cannot be read: {problem.strerror}") from None
    return listed
