"""The data doctor: what a folder of pictures holds, before any time is spent on training.

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

from mendpix.training.photos import in_order, is_held_out
from mendpix.training.profiling import CostEstimate, rehearse
from mendpix.training.provenance import manifest
from mendpix.training.recipe import Data, Recipe
from mendpix.training.recipe_io import read
from mendpix.training.sources import Item, Origin, origin

PLAIN_SIZE = 256  # side that pictures should have where no recipe says another
NEAR = 12  # of 256 bits of a fingerprint: as many differ between copies of one picture, or fewer
FLAT = 6.0  # a picture whose grey levels spread less has no fingerprint to go by
_GREY = 2.0  # mean difference of channels, of 255, up to which a picture counts as grey
_LICENCE_NAMES = ("licence", "license", "copying", "sources", "attribution", "credits")

Print = NDArray[np.uint64]


@dataclass(frozen=True)
class Report:
    """What was found; files are relative to the folder.

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
        licence_files: licence texts or lists found.
        licensed: how many usable files the ``manifest.csv`` names a licence for.
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
        said = {name: tuple(" = ".join(group) for group in kept) for name, kept in groups.items()}
        said |= {"corrupt": self.corrupt, "too small": self.too_small, "greyscale": self.grey}
        return {name: files for name, files in said.items() if files}

    def rows(self) -> list[tuple[str, str, str]]:
        """What was looked at, what was found, and what to do about it (or nothing)."""
        spare = sum(len(group) - 1 for group in (*self.same, *self.near))
        leak = "copies may lie on both sides of the split; keep one of each" if spare else ""
        return [
            ("pictures", f"{self.files}", ""),
            ("usable", f"{self.usable} ({self.held_out} held out)", _few(self.usable)),
            ("width", _span(self.widths), ""),
            ("height", _span(self.heights), ""),
            ("corrupt", f"{len(self.corrupt)}", "left out" if self.corrupt else ""),
            (f"below {self.size} px", f"{len(self.too_small)}", self._small_advice()),
            ("same file", f"{_spare(self.same)}", leak if self.same else ""),
            ("near duplicates", f"{_spare(self.near)}", leak if self.near else ""),
            ("greyscale", f"{len(self.grey)}", "fills may turn out grey" if self.grey else ""),
            ("licence", self._licence(), self._licence_advice()),
            *(self.forecast.rows() if self.forecast else ()),
        ]

    def _small_advice(self) -> str:
        return "left out; a smaller --size would use them" if self.too_small else ""

    def _licence(self) -> str:
        named = f"named for {self.licensed} of {self.usable}" if self.licensed else ""
        return ", ".join(filter(None, (*self.licence_files[:3], named))) or "none found"

    def _licence_advice(self) -> str:
        if self.licence_files or self.licensed:
            return ""
        return "add a manifest.csv (file,licence) or a LICENSE before you share weights"


def _spare(groups: Sequence[Sequence[str]]) -> int:
    return sum(len(group) - 1 for group in groups)


def _few(usable: int) -> str:
    return "few: start from weights by --from" if usable < 100 else ""


def _span(values: tuple[int, float, int]) -> str:
    return f"{values[0]} to {values[2]}, median {values[1]:g}"


@dataclass(frozen=True)
class Look:
    """One file: its size, the bytes' digest, the picture's fingerprint."""

    file: str
    width: int = 0
    height: int = 0
    digest: str = ""
    fingerprint: Print | None = field(default=None, repr=False)
    grey: bool = False


def check(photos: Path | str, recipe: str | Path | Recipe | None = None) -> Report:
    """Look through a folder tree of pictures and shards, or one shard or pipe.

    Args:
        recipe: a name, a file or a recipe, for its size and what it would take; without one,
            pictures are measured against 256 pixels.

    Raises:
        TrainingError: the folder is missing or holds no pictures.
        RecipeError: no such recipe, or one that makes no sense.
    """
    folder = Path(photos)
    chosen = recipe if isinstance(recipe, Recipe) or recipe is None else read(recipe)
    pictures = origin(folder)
    with ThreadPoolExecutor(4) as pool:
        looks = sorted(in_order(pool, look, pictures.items()), key=lambda look: look.file)
    size = chosen.size if chosen else PLAIN_SIZE
    return _report(pictures, looks, size, chosen)


def look(item: Item) -> Look:
    """Read one picture; a width of 0 says that it could not be."""
    file = item.file
    try:
        data = item.content()
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if data.size else None
    except (OSError, cv2.error):
        decoded = None
    if decoded is None:
        return Look(file)
    height, width = decoded.shape[:2]
    digest = hashlib.sha256(data.data).hexdigest()
    small = cv2.resize(decoded, (17, 16), interpolation=cv2.INTER_AREA).astype(np.float32)
    return Look(file, width, height, digest, fingerprint(small), _is_grey(decoded))


def fingerprint(small: NDArray[np.float32]) -> Print | None:
    """256 bits of a picture reduced to ``(16, 17, 3)``: where it grows brighter to the right.

    They hardly change when a picture is resized or stored anew. None for a flat picture, whose
    bits are its noise.
    """
    levels = small.mean(axis=2)
    if levels.std() < FLAT:
        return None
    return np.packbits(levels[:, 1:] > levels[:, :-1]).view(np.uint64)


def _is_grey(decoded: NDArray[np.uint8]) -> bool:
    small = cv2.resize(decoded, (64, 64), interpolation=cv2.INTER_AREA).astype(np.float32)
    return float(np.abs(small - small.mean(axis=2, keepdims=True)).mean()) < _GREY


def _report(origin: Origin, looks: Sequence[Look], size: int, recipe: Recipe | None) -> Report:
    folder = origin.folder
    read_well = [look for look in looks if look.width]
    usable = [look for look in read_well if min(look.width, look.height) >= size]
    named = {file for file, said in manifest(folder).items() if "licence" in said}
    share = (recipe.data if recipe else Data()).held_out
    same = _groups((look.digest, look.file) for look in read_well)
    return Report(
        folder=origin.name,
        size=size,
        files=len(looks),
        usable=len(usable),
        held_out=sum(is_held_out(look.file, share) for look in usable),
        widths=_three([look.width for look in read_well]),
        heights=_three([look.height for look in read_well]),
        corrupt=tuple(look.file for look in looks if not look.width),
        too_small=tuple(k.file for k in read_well if min(k.width, k.height) < size),
        same=same,
        near=_near(read_well, {file for group in same for file in group[1:]}),
        grey=tuple(look.file for look in read_well if look.grey),
        licence_files=_licence_files(origin),
        licensed=sum(look.file in named for look in usable),
        forecast=rehearse(recipe, usable_pixels(usable, recipe)) if recipe and usable else None,
    )


def _three(values: list[int]) -> tuple[int, float, int]:
    return (min(values), median(values), max(values)) if values else (0, 0, 0)


def usable_pixels(looks: Iterable[Look], recipe: Recipe) -> int:
    """Pixels that training keeps in memory, when pictures are cached."""
    if recipe.data.cache == "none":
        return 0
    wanted = recipe.data.short_side or recipe.size
    shapes = ((look.width, look.height) for look in looks)
    return round(sum(wanted * wanted * max(w, h) / min(w, h) for w, h in shapes))


def _licence_files(origin: Origin) -> tuple[str, ...]:
    folder = origin.folder
    around = folder.glob("*") if origin.single else folder.rglob("*")
    files = (path for path in sorted(around) if path.is_file())
    known = (path for path in files if path.stem.lower().startswith(_LICENCE_NAMES))
    return tuple(path.relative_to(folder).as_posix() for path in known)


def _groups(keyed: Iterable[tuple[Any, str]]) -> tuple[tuple[str, ...], ...]:
    """Files with the same key, where there are several."""
    kept: dict[Any, list[str]] = defaultdict(list)
    for key, file in keyed:
        kept[key].append(file)
    return tuple(tuple(files) for files in kept.values() if len(files) > 1)


def _near(looks: Sequence[Look], copies: set[str]) -> tuple[tuple[str, ...], ...]:
    """Groups of files whose fingerprints nearly agree; exact copies are known already."""
    shown = [k for k in looks if k.fingerprint is not None and k.file not in copies]
    if not shown:
        return ()
    prints = np.stack([look.fingerprint for look in shown if look.fingerprint is not None])
    head = list(range(len(shown)))

    def first(place: int) -> int:
        while head[place] != place:
            place = head[place]
        return place

    for place in range(len(shown) - 1):
        differ = np.bitwise_count(prints[place + 1 :] ^ prints[place]).sum(axis=1)
        for other in np.flatnonzero(differ <= NEAR):
            one, two = sorted((first(place), first(place + 1 + int(other))))
            head[two] = one
    return _groups((first(place), look.file) for place, look in enumerate(shown))
