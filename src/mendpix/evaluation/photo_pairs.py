"""Pairing of photos with masks: by stem or by a manifest, never by sort order."""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mendpix.errors import MendError
from mendpix.evaluation.protocols import EvaluationProtocol
from mendpix.evaluation.results import Sample
from mendpix.io import pairing

MANIFEST = "manifest.csv"
"""Beside the photos: a table with columns ``photo`` and ``mask``, paths relative to it, and where
known ``source``, ``licence``, ``photo_sha256`` and ``mask_sha256``. Without a column ``mask`` it
only tells sources and licences."""

SPACING = 1000
"""Hole indices reserved for each picture: the number of attempts at drawing its hole."""

_DRAWN_HOLE = re.compile(r"drawn: (?P<kind>.+), seed \d+, index (?P<index>\d+)")


@dataclass(frozen=True, slots=True)
class PhotoPair:
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


def find_pairs(photos: Path, masks: Path | None, protocol: EvaluationProtocol) -> list[PhotoPair]:
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
    table = _find_table(photos, masks)
    if table is not None:
        return _read_table(table)
    if masks is None:
        return _pair_with_drawn_holes(photos, protocol)
    return _pair_by_stem(photos, masks)


def base_folders(photos: Path, masks: Path | None) -> tuple[Path, Path | None]:
    """The folders that the labels of photos and of masks are relative to."""
    if masks is not None and masks.suffix.lower() == ".csv":
        return masks.parent, masks.parent
    return _folder(photos), None if masks is None else _folder(masks)


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _find_table(photos: Path, masks: Path | None) -> Path | None:
    """The manifest.csv that pairs, if one does."""
    if masks is not None:
        return masks if masks.suffix.lower() == ".csv" else None
    beside = photos / MANIFEST
    return beside if beside.is_file() and {"photo", "mask"} <= set(_read_rows(beside)[0]) else None


def _read_rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise MendError(f"{path} cannot be read: {problem}") from None
    if not rows:
        raise MendError(f"{path} lists nothing; give it the columns photo and mask")
    return rows


def _read_table(table: Path) -> list[PhotoPair]:
    rows = _read_rows(table)
    if not {"photo", "mask"} <= set(rows[0]):
        raise MendError(f"{table} has columns {', '.join(rows[0])} but needs photo and mask")
    pairs = [_pair_from_row(table, row) for row in rows]
    _check_names_unique(pairs, table)
    return _number_pairs(pairs)


def _pair_from_row(table: Path, row: dict[str, str]) -> PhotoPair:
    photo, mask = row["photo"] or "", row["mask"] or ""
    for what, file in (("photo", photo), ("mask", mask)):
        if not file:
            partner = photo or mask
            raise MendError(f"{table} has no {what} beside {partner}; complete the line")
        if not (table.parent / file).is_file():
            raise MendError(f"{table} names the {what} {file}, which is not there")
    return PhotoPair(
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


def _pair_by_stem(photos: Path, masks: Path) -> list[PhotoPair]:
    if photos.is_file() and masks.is_file():
        return [PhotoPair(photos.stem, photos, photos.name, masks, masks.name)]
    if photos.is_file() or masks.is_file():
        raise MendError(f"one of {photos} and {masks} is a folder; give two files or two folders")
    files, all_masks = pairing.by_stem(photos), pairing.by_stem(masks)
    partners, _ = pairing.match_masks(files, all_masks)
    unpaired = [path for stem, path in files.items() if stem not in partners]
    unpaired += [path for path in all_masks.values() if path not in partners.values()]
    if unpaired:
        more = f" (and {len(unpaired) - 1} more)" if len(unpaired) > 1 else ""
        raise MendError(
            f"{unpaired[0]}{more} has no partner of its stem in the other folder "
            "(a mask's may add _mask); "
            f"rename or add files, or pair them in a {MANIFEST}"
        )
    return _number_pairs(
        PhotoPair(stem, path, path.name, partners[stem], partners[stem].name)
        for stem, path in files.items()
    )


def _pair_with_drawn_holes(photos: Path, protocol: EvaluationProtocol) -> list[PhotoPair]:
    files = {photos.stem: photos} if photos.is_file() else pairing.by_stem(photos)
    rows = _read_sources(photos)
    pairs = _number_pairs(
        _pair_without_mask(stem, path, rows.get(path.name, {})) for stem, path in files.items()
    )
    if protocol.draw == "turn":
        return pairs
    return [
        replace(pair, name=f"{pair.name}.{kind.label}", kind=kind.label)
        for pair in pairs
        for kind in protocol.kinds
    ]


def _read_sources(photos: Path) -> dict[str, dict[str, str]]:
    """Photo -> its row of a manifest.csv that pairs nothing, with its source and licence."""
    table = photos / MANIFEST
    rows = _read_rows(table) if table.is_file() else []
    return {row.get("photo") or "": row for row in rows}


def _pair_without_mask(stem: str, path: Path, row: dict[str, str]) -> PhotoPair:
    source, licence = row.get("source") or "", row.get("licence") or ""
    return PhotoPair(stem, path, path.name, source=source, licence=licence)


def _number_pairs(pairs: Iterable[PhotoPair]) -> list[PhotoPair]:
    ordered = sorted(pairs, key=lambda pair: pair.name)
    return [replace(pair, place=place) for place, pair in enumerate(ordered)]


def _check_names_unique(pairs: Sequence[PhotoPair], where: Path) -> None:
    by_name: dict[str, PhotoPair] = {}
    for pair in pairs:
        if pair.name in by_name:
            other = by_name[pair.name].label
            raise MendError(f"{where}: {other} and {pair.label} share a stem; rename one of them")
        by_name[pair.name] = pair


def rebuild_pairs(samples: Sequence[Sample], photos: Path, masks: Path | None) -> list[PhotoPair]:
    """The pairs that an earlier evaluation measured, with the hashes that their files had.

    Raises:
        MendError: a file that is not there.
    """
    return [_pair_from_sample(sample, photos, masks) for sample in samples]


def _pair_from_sample(sample: Sample, photos: Path, masks: Path | None) -> PhotoPair:
    match = _DRAWN_HOLE.fullmatch(sample.mask)
    mask = None if match else (masks or photos) / sample.mask
    for path in (photos / sample.photo, mask):
        if path is not None and not path.is_file():
            raise MendError(f"{path} is not there; say where the photos (and masks) lie now")
    return PhotoPair(
        sample.name,
        photos / sample.photo,
        sample.photo,
        mask,
        "" if match else sample.mask,
        place=int(match["index"]) // SPACING if match else 0,
        kind=match["kind"] if match and sample.name.endswith(f".{match['kind']}") else "",
        source=sample.source,
        licence=sample.licence,
        photo_sha256=sample.photo_sha256,
        mask_sha256=sample.mask_sha256,
    )
