"""Which photo is measured with which mask: by name or by a manifest, never by sort order."""

import csv
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mendpix.errors import MendError
from mendpix.evaluation.protocols import Protocol
from mendpix.evaluation.results import Sample
from mendpix.io import pairing

MANIFEST = "manifest.csv"
"""Beside the photos: a table with columns ``photo`` and ``mask``, paths relative to it, and where
known ``source``, ``licence``, ``photo_sha256`` and ``mask_sha256``. Without a column ``mask`` it
only tells sources and licences."""

SPACING = 1000
"""Numbers of holes that belong to one picture: as many attempts it has."""

_DRAWN = re.compile(r"drawn: (?P<kind>.+), seed \d+, index (?P<index>\d+)")


@dataclass(frozen=True, slots=True)
class Pair:
    """A photo with its mask, or with what its hole is drawn from.

    Attributes:
        name: of the picture in the results.
        label, mask_label: as the results call the files.
        mask: None where the hole is drawn.
        place: the photo's among the sorted names, from 0 on.
        kind: the label of the kind that is drawn; "" for the kinds in turn.
        photo_sha256, mask_sha256: what the files should have, "" where nothing is said.
    """

    name: str
    photo: Path
    label: str
    mask: Path | None = None
    mask_label: str = ""
    place: int = 0
    kind: str = ""
    source: str = ""
    licence: str = ""
    photo_sha256: str = ""
    mask_sha256: str = ""


def gather(photos: Path, masks: Path | None, protocol: Protocol) -> list[Pair]:
    """The pairs of an evaluation, sorted by name.

    Args:
        photos: a folder of pictures, with a ``manifest.csv`` or without; one picture.
        masks: a folder with one mask for each photo, of the same stem; a mask for one picture;
            a ``manifest.csv``. None: the photos' manifest, or holes that the protocol draws.

    Raises:
        MendError: a photo or mask without its partner, a path that is not there, or two photos of
            one name.
    """
    for path in (photos, masks):
        if path is not None and not path.exists():
            raise MendError(f"{path} does not exist; check the path")
    table = _table(photos, masks)
    if table is not None:
        return _listed(table)
    if masks is None:
        return _drawn(photos, protocol)
    return _by_stem(photos, masks)


def bases(photos: Path, masks: Path | None) -> tuple[Path, Path | None]:
    """The folders that the labels of photos and of masks are relative to."""
    if masks is not None and masks.suffix.lower() == ".csv":
        return masks.parent, masks.parent
    return _folder(photos), None if masks is None else _folder(masks)


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _table(photos: Path, masks: Path | None) -> Path | None:
    """The manifest.csv that pairs, if one does."""
    if masks is not None:
        return masks if masks.suffix.lower() == ".csv" else None
    beside = photos / MANIFEST
    return beside if beside.is_file() and {"photo", "mask"} <= set(_rows(beside)[0]) else None


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise MendError(f"{path} cannot be read: {problem}") from None
    if not rows:
        raise MendError(f"{path} lists nothing; give it the columns photo and mask")
    return rows


def _listed(table: Path) -> list[Pair]:
    rows = _rows(table)
    if not {"photo", "mask"} <= set(rows[0]):
        raise MendError(f"{table} has columns {', '.join(rows[0])} but needs photo and mask")
    pairs = [_of_row(table, row) for row in rows]
    return _placed(_unique(pairs, table))


def _of_row(table: Path, row: dict[str, str]) -> Pair:
    photo, mask = row["photo"] or "", row["mask"] or ""
    for what, file in (("photo", photo), ("mask", mask)):
        if not file:
            partner = photo or mask
            raise MendError(f"{table} has no {what} beside {partner}; complete the line")
        if not (table.parent / file).is_file():
            raise MendError(f"{table} names the {what} {file}, which is not there")
    return Pair(
        Path(photo).stem,
        table.parent / photo,
        photo,
        table.parent / mask,
        mask,
        source=row.get("source") or "",
        licence=row.get("licence") or "",
        photo_sha256=row.get("photo_sha256") or "",
        mask_sha256=row.get("mask_sha256") or "",
    )


def _by_stem(photos: Path, masks: Path) -> list[Pair]:
    if photos.is_file() and masks.is_file():
        return [Pair(photos.stem, photos, photos.name, masks, masks.name)]
    if photos.is_file() or masks.is_file():
        raise MendError(f"one of {photos} and {masks} is a folder; give two files or two folders")
    files, partners = pairing.by_stem(photos), pairing.by_stem(masks)
    alone = [path for stem, path in files.items() if stem not in partners]
    alone += [path for stem, path in partners.items() if stem not in files]
    if alone:
        more = f" (and {len(alone) - 1} more)" if len(alone) > 1 else ""
        raise MendError(
            f"{alone[0]}{more} has no partner of its stem in the other folder; "
            f"rename or add files, or pair them in a {MANIFEST}"
        )
    return _placed(
        Pair(stem, path, path.name, partners[stem], partners[stem].name)
        for stem, path in files.items()
    )


def _drawn(photos: Path, protocol: Protocol) -> list[Pair]:
    files = {photos.stem: photos} if photos.is_file() else pairing.by_stem(photos)
    said = _said(photos)
    plain = _placed(
        Pair(stem, path, path.name, source=said(path, "source"), licence=said(path, "licence"))
        for stem, path in files.items()
    )
    if protocol.draw == "turn":
        return plain
    return [
        replace(pair, name=f"{pair.name}.{kind.label}", kind=kind.label)
        for pair in plain
        for kind in protocol.kinds
    ]


def _said(photos: Path) -> Callable[[Path, str], str]:
    """What a manifest.csv that pairs nothing says of a photo."""
    table = photos / MANIFEST
    rows = _rows(table) if table.is_file() else []
    lines = {row.get("photo") or "": row for row in rows}
    return lambda photo, key: lines.get(photo.name, {}).get(key) or ""


def _placed(pairs: Iterable[Pair]) -> list[Pair]:
    ordered = sorted(pairs, key=lambda pair: pair.name)
    return [replace(pair, place=place) for place, pair in enumerate(ordered)]


def _unique(pairs: Sequence[Pair], where: Path) -> Sequence[Pair]:
    seen: dict[str, Pair] = {}
    for pair in pairs:
        if pair.name in seen:
            other = seen[pair.name].label
            raise MendError(f"{where}: {other} and {pair.label} share a stem; rename one of them")
        seen[pair.name] = pair
    return pairs


def from_shots(shots: Sequence[Sample], photos: Path, masks: Path | None) -> list[Pair]:
    """The pairs that an earlier evaluation measured, with the hashes that their files had.

    Raises:
        MendError: a file that is not there.
    """
    return [_of_shot(shot, photos, masks) for shot in shots]


def _of_shot(shot: Sample, photos: Path, masks: Path | None) -> Pair:
    drawn = _DRAWN.fullmatch(shot.mask)
    mask = None if drawn else (masks or photos) / shot.mask
    for path in (photos / shot.photo, mask):
        if path is not None and not path.is_file():
            raise MendError(f"{path} is not there; say where the photos (and masks) lie now")
    return Pair(
        shot.name,
        photos / shot.photo,
        shot.photo,
        mask,
        "" if drawn else shot.mask,
        place=int(drawn["index"]) // SPACING if drawn else 0,
        kind=drawn["kind"] if drawn and shot.name.endswith(f".{drawn['kind']}") else "",
        source=shot.source,
        licence=shot.licence,
        photo_sha256=shot.photo_sha256,
        mask_sha256=shot.mask_sha256,
    )
