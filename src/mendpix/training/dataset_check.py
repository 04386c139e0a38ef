"""Checks a folder of pictures before any time is spent on training (``mendpix check``).

It reads every picture as training does, so what it calls usable is what training will use.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix.errors import PictureError
from mendpix.training import decoding
from mendpix.training.photos import is_held_out, map_in_order
from mendpix.training.profiling import CostEstimate, profile
from mendpix.training.provenance import read_manifest
from mendpix.training.recipe import DataSettings, Recipe
from mendpix.training.recipe_io import read_recipe
from mendpix.training.sources import PictureItem, PictureOrigin, find_origin

DEFAULT_SIZE = 256  # side that pictures should have where no recipe says another
MAX_DIFFERING_BITS = (
    12  # of 256 bits of a fingerprint: as many differ between copies of one picture, or fewer
)
MIN_SPREAD = 6.0  # a picture whose grey levels spread less has no fingerprint to go by
_MAX_CHANNEL_DIFFERENCE = (
    2.0  # mean difference of channels, of 255, up to which a picture counts as grey
)
_LICENCE_NAMES = ("licence", "license", "copying", "sources", "attribution", "credits")

Fingerprint = NDArray[np.uint64]


@dataclass(frozen=True)
class DatasetReport:
    """The findings; files are relative to the folder.

    Attributes:
        files: how many picture files.
        usable: how many training can use.
        held_out: how many of them are kept for validation.
        size: the training size that was asked for.
        widths, heights: smallest, median and largest of what could be read.
        corrupt: files that cannot be read.
        too_small: files whose short side is below ``size``.
        same: groups of files equal in every byte.
        near: groups of files that show the same picture, resized or stored differently.
        grey: colour files that hold no colour.
        transparent: files with fully transparent pixels, of which the largest opaque rectangle is
            used.
        licence_files: licence texts or lists found.
        licensed: how many usable files the ``read_manifest.csv`` names a licence for.
        forecast: what training would take on this machine, where a recipe was named.
    """

    folder: str
    size: int
    files: int
    usable: int
    held_out: int
    widths: tuple[int, float, int]
    heights: tuple[int, float, int]
    corrupt: tuple[str, ...] = ()
    too_small: tuple[str, ...] = ()
    same: tuple[tuple[str, ...], ...] = ()
    near: tuple[tuple[str, ...], ...] = ()
    grey: tuple[str, ...] = ()
    transparent: tuple[str, ...] = ()
    licence_files: tuple[str, ...] = ()
    licensed: int = 0
    forecast: CostEstimate | None = None

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return asdict(self)

    @property
    def problems(self) -> dict[str, tuple[str, ...]]:
        """Files to look at, by what is the matter with them; only what there is."""
        groups = {"same file": self.same, "near duplicates": self.near}
        problems = {name: tuple(map(" = ".join, same)) for name, same in groups.items()}
        problems |= {"corrupt": self.corrupt, "too small": self.too_small, "greyscale": self.grey}
        problems |= {"transparent": self.transparent}
        return {name: files for name, files in problems.items() if files}

    def rows(self) -> list[tuple[str, str, str]]:
        """The report as a table: what, the finding, advice (or nothing)."""
        copies = _count_copies((*self.same, *self.near))
        leak = "copies may lie on both sides of the split; keep one of each" if copies else ""
        return [
            ("pictures", f"{self.files}", ""),
            ("usable", f"{self.usable} ({self.held_out} held out)", _advise_on_count(self.usable)),
            ("width", _format_range(self.widths), ""),
            ("height", _format_range(self.heights), ""),
            ("corrupt", f"{len(self.corrupt)}", "left out" if self.corrupt else ""),
            (f"below {self.size} px", f"{len(self.too_small)}", self._advise_on_size()),
            ("same file", f"{_count_copies(self.same)}", leak if self.same else ""),
            ("near duplicates", f"{_count_copies(self.near)}", leak if self.near else ""),
            ("greyscale", f"{len(self.grey)}", "fills may turn out grey" if self.grey else ""),
            ("transparent", f"{len(self.transparent)}", self._advise_on_transparency()),
            ("licence", self._describe_licence(), self._advise_on_licence()),
            *(self.forecast.rows() if self.forecast else ()),
        ]

    def _advise_on_size(self) -> str:
        return "left out; a smaller --size would use them" if self.too_small else ""

    def _advise_on_transparency(self) -> str:
        return "their largest opaque part is used" if self.transparent else ""

    def _describe_licence(self) -> str:
        named = f"named for {self.licensed} of {self.usable}" if self.licensed else ""
        return ", ".join(filter(None, (*self.licence_files[:3], named))) or "none found"

    def _advise_on_licence(self) -> str:
        if self.licence_files or self.licensed:
            return ""
        return "add a manifest.csv (file,licence) or a LICENSE before you share weights"


def _count_copies(groups: Sequence[Sequence[str]]) -> int:
    return sum(len(group) - 1 for group in groups)


def _advise_on_count(usable: int) -> str:
    return "few: start from weights by --from" if usable < 100 else ""


def _format_range(values: tuple[int, float, int]) -> str:
    return f"{values[0]} to {values[2]}, median {values[1]:g}"


@dataclass(frozen=True)
class PictureInspection:
    """One file: its size (of its opaque part), the bytes' digest, the picture's fingerprint."""

    file: str
    width: int = 0
    height: int = 0
    digest: str = ""
    fingerprint: Fingerprint | None = field(default=None, repr=False)
    grey: bool = False
    transparent: float = 0.0


def check(photos: Path | str, recipe: str | Path | Recipe | None = None) -> DatasetReport:
    """Look through a folder tree of pictures and shards, or one shard or pipe.

    Args:
        recipe: a name, a file or a recipe, for its size and what it would take; without one,
            pictures are measured against 256 pixels.

    Raises:
        TrainingError: the folder is missing or holds no pictures.
        RecipeError: no such recipe, or one that makes no sense.
    """
    if recipe is not None and not isinstance(recipe, Recipe):
        recipe = read_recipe(recipe)
    origin = find_origin(Path(photos))
    with ThreadPoolExecutor(4) as pool:
        items = map_in_order(pool, inspect_picture, origin.iterate_items())
        inspections = sorted(items, key=lambda inspection: inspection.file)
    size = recipe.size if recipe else DEFAULT_SIZE
    return _build_report(origin, inspections, size, recipe)


def inspect_picture(item: PictureItem) -> PictureInspection:
    """Read one picture; a width of 0 says that it could not be."""
    file = item.file
    try:
        data = item.read()
        decoded, transparent = decoding.decode(data, file)
    except (OSError, PictureError, cv2.error):
        return PictureInspection(file)
    height, width = decoded.shape[:2]
    digest = hashlib.sha256(data.data).hexdigest()
    small = cv2.resize(decoded, (17, 16), interpolation=cv2.INTER_AREA).astype(np.float32)
    fingerprint = compute_fingerprint(small)
    grey = _is_grey(decoded)
    return PictureInspection(file, width, height, digest, fingerprint, grey, transparent)


def compute_fingerprint(small: NDArray[np.float32]) -> Fingerprint | None:
    """256 bits of a picture reduced to ``(16, 17, 3)``: where it grows brighter to the right.

    They hardly change when a picture is resized or stored anew. None for a flat picture, whose
    bits are its noise.
    """
    levels = small.mean(axis=2)
    if levels.std() < MIN_SPREAD:
        return None
    return np.packbits(levels[:, 1:] > levels[:, :-1]).view(np.uint64)


def _is_grey(decoded: NDArray[Any]) -> bool:
    small = cv2.resize(decoded, (64, 64), interpolation=cv2.INTER_AREA).astype(np.float32)
    return float(np.abs(small - small.mean(axis=2, keepdims=True)).mean()) < _MAX_CHANNEL_DIFFERENCE


def _build_report(
    origin: PictureOrigin,
    inspections: Sequence[PictureInspection],
    size: int,
    recipe: Recipe | None,
) -> DatasetReport:
    readable = [inspection for inspection in inspections if inspection.width]
    usable = [
        inspection for inspection in readable if min(inspection.width, inspection.height) >= size
    ]
    licensed = {file for file, row in read_manifest(origin.folder).items() if "licence" in row}
    share = (recipe.data if recipe else DataSettings()).held_out
    same = _group_by_key((inspection.digest, inspection.file) for inspection in readable)
    return DatasetReport(
        folder=origin.name,
        size=size,
        files=len(inspections),
        usable=len(usable),
        held_out=sum(is_held_out(inspection.file, share) for inspection in usable),
        widths=_find_min_median_max([inspection.width for inspection in readable]),
        heights=_find_min_median_max([inspection.height for inspection in readable]),
        corrupt=tuple(inspection.file for inspection in inspections if not inspection.width),
        too_small=tuple(k.file for k in readable if min(k.width, k.height) < size),
        same=same,
        near=_find_near_duplicates(readable, {file for group in same for file in group[1:]}),
        grey=tuple(inspection.file for inspection in readable if inspection.grey),
        transparent=tuple(inspection.file for inspection in readable if inspection.transparent),
        licence_files=_find_licence_files(origin),
        licensed=sum(inspection.file in licensed for inspection in usable),
        forecast=profile(recipe, count_usable_pixels(usable, recipe))
        if recipe and usable
        else None,
    )


def _find_min_median_max(values: list[int]) -> tuple[int, float, int]:
    return (min(values), median(values), max(values)) if values else (0, 0, 0)


def count_usable_pixels(inspections: Iterable[PictureInspection], recipe: Recipe) -> int:
    """Pixels that training keeps in memory, when pictures are cached."""
    if recipe.data.cache == "none":
        return 0
    wanted = recipe.data.short_side or recipe.size
    shapes = ((inspection.width, inspection.height) for inspection in inspections)
    return round(sum(wanted * wanted * max(w, h) / min(w, h) for w, h in shapes))


def _find_licence_files(origin: PictureOrigin) -> tuple[str, ...]:
    folder = origin.folder
    # What else lies beside a single shard is not its own, but a licence right there may be.
    paths = folder.glob("*") if origin.single else folder.rglob("*")
    files = (path for path in sorted(paths) if path.is_file())
    licences = (path for path in files if path.stem.lower().startswith(_LICENCE_NAMES))
    return tuple(path.relative_to(folder).as_posix() for path in licences)


def _group_by_key(keyed: Iterable[tuple[Any, str]]) -> tuple[tuple[str, ...], ...]:
    """Files with the same key, where there are several."""
    groups: dict[Any, list[str]] = defaultdict(list)
    for key, file in keyed:
        groups[key].append(file)
    return tuple(tuple(files) for files in groups.values() if len(files) > 1)


def _find_near_duplicates(
    inspections: Sequence[PictureInspection], copies: set[str]
) -> tuple[tuple[str, ...], ...]:
    """Groups of files whose fingerfingerprints nearly agree; exact copies are known already."""
    candidates = [k for k in inspections if k.fingerprint is not None and k.file not in copies]
    if not candidates:
        return ()
    fingerprints = np.stack(
        [inspection.fingerprint for inspection in candidates if inspection.fingerprint is not None]
    )
    # Union-find: each picture points to an earlier one of its group, the first to itself.
    parents = list(range(len(candidates)))

    def find_root(place: int) -> int:
        while parents[place] != place:
            place = parents[place]
        return place

    for place in range(len(candidates) - 1):
        differ = np.bitwise_count(fingerprints[place + 1 :] ^ fingerprints[place]).sum(axis=1)
        for other in np.flatnonzero(differ <= MAX_DIFFERING_BITS):
            one, two = sorted((find_root(place), find_root(place + 1 + int(other))))
            parents[two] = one
    return _group_by_key((find_root(n), inspection.file) for n, inspection in enumerate(candidates))
