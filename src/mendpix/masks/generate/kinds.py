"""The kinds of holes by name, changed by options, mixed, and drawn."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mendpix.errors import MaskError, did_you_mean
from mendpix.masks.generate.base import TRIES, Generator, Random
from mendpix.masks.generate.crfill import CrFill
from mendpix.masks.generate.mask_files import Objects, Varied
from mendpix.masks.generate.random_regions import Regions
from mendpix.masks.generate.shapes import Blocks, Boxes, Centre, Drawings, TurnedBoxes, Walk
from mendpix.masks.generate.strokes import DeepFill, FreeForm, Gmcnn, Irregular, Lama
from mendpix.types import Hole

GENERATORS: dict[str, Generator] = {
    "centre": Centre(),
    "regions": Regions(),
    "blocks": Blocks(),
    "box": Boxes(count=(1, 1), side=(88, 128), margin=20),
    "boxes": Boxes(),
    "turned-boxes": TurnedBoxes(),
    "turned-boxes-centred": TurnedBoxes(spread=1 / 6),
    "deepfill": DeepFill(),
    "deepfill-strokes": DeepFill(box=0),
    "comod": FreeForm(),
    "mat": FreeForm(small=4, large=2, strokes=8),
    "crfill": CrFill(),
    "lama": Lama(),
    "lama-thick": Lama(boxes=Boxes(count=(1, 4)), box_share=0.3, most=0.5),
    "lama-medium": Lama(
        Irregular(strokes=(4, 6), length=(10, 109), width=(5, 54)),
        Boxes(count=(1, 6), side=(10, 49), margin=0),
        box_share=0.3,
        most=0.5,
    ),
    "lama-thin": Lama(
        Irregular(strokes=(4, 51), length=(10, 49), width=(5, 14)), box_share=0.0, most=0.5
    ),
    "irregular": Irregular(strokes=(4, 7), length=(10, 99), width=(10, 39), area=(0.15, 0.5)),
    "partial-conv": Irregular(
        strokes=(4, 9), angles=6, length=(20, 127), width=(10, 44), area=(0.15, 0.65)
    ),
    "gmcnn": Gmcnn(),
    "drawings": Drawings(),
    "walk": Walk(),
    "objects": Objects(),
    "varied": Varied(),
}
"""Kinds of holes by name, with the options of their source. ``objects`` and ``varied`` need the
folder of masks that they are made of; ``crfill`` can take one."""

COUNTS = ("angles", "count", "large", "segments", "small", "steps", "strokes", "vertices")
"""Options that say of how many things a hole is made."""
DIVISORS = ("angles", "grain", "side", "size", "zoom")
"""Options that something is divided by, or that leave nothing at 0."""
MOST_THINGS, LARGEST_LENGTH = 1000, 8192

_STREAM = 0x484F4C45  # keeps these random numbers apart from all others of the same seed


@dataclass(frozen=True, slots=True)
class Mixture:
    """Now one generator, now another.

    Attributes:
        parts: each with its share, relative to the others'.
    """

    parts: tuple[tuple[Generator, float], ...]

    def __call__(self, height: int, width: int, random: Random) -> Hole:
        shares = np.array([share for _, share in self.parts])
        place = int(np.searchsorted(np.cumsum(shares), random.random() * shares.sum(), "right"))
        # the sum's rounding may put the place behind the last part
        return self.parts[min(place, len(self.parts) - 1)][0](height, width, random)


def mix(shares: Mapping[str | Generator, float]) -> Mixture:
    """A mixture of kinds, each with its share.

    Raises:
        MaskError: an unknown kind, or shares that are not positive.
    """
    for kind, share in shares.items():
        if not share > 0:
            raise MaskError(f"the share of {kind} is {share:g}; give more than 0, or leave it out")
    if not shares:
        raise MaskError("a mixture of nothing draws no hole; name a kind and its share")
    return Mixture(tuple((choose(kind), float(share)) for kind, share in shares.items()))


def choose(kind: str | Generator, options: Mapping[str, Any] | None = None) -> Generator:
    """A kind by name, or a generator as it is, with some options changed.

    Args:
        options: by the names of the generator's attributes; tables for nested ones.

    Raises:
        MaskError: an unknown kind or option, or a value of another type than the option's.
    """
    if isinstance(kind, str) and kind not in GENERATORS:
        raise MaskError(f"there is no kind of holes {kind!r}; {did_you_mean(kind, GENERATORS)}")
    generator = GENERATORS[kind] if isinstance(kind, str) else kind
    return _set_options(generator, options) if options else generator


def _set_options(generator: Any, options: Mapping[str, Any]) -> Any:
    known = [field.name for field in fields(generator)] if is_dataclass(generator) else []
    for name in options:
        if name not in known:
            hint = did_you_mean(name, known)
            raise MaskError(f"{type(generator).__name__} has no option {name!r}; {hint}")
    values = {name: _convert(getattr(generator, name), options[name], name) for name in options}
    return replace(generator, **values)


def _convert(now: Any, value: Any, name: str) -> Any:
    """A value as an option takes it: text as a path, a list as a tuple, a table as options."""
    if is_dataclass(now) and isinstance(value, Mapping):
        return _set_options(now, value)
    if name == "folder":
        return _convert_folder(value)
    if isinstance(now, tuple) and isinstance(value, list | tuple) and len(value) == len(now):
        pair = tuple(_convert(n, v, name) for n, v in zip(now, value, strict=True))
        if pair[0] > pair[1]:
            raise MaskError(f"{name} is {list(value)}; give the smaller number first")
        return pair
    types = (int, float) if isinstance(now, float) else type(now)  # 1 stands for 1.0
    if not isinstance(value, types) or isinstance(value, bool) != isinstance(now, bool):
        raise MaskError(f"{name} is {repr(value)[:60]}; give something like {now!r}")
    return value if isinstance(value, str | bool) else _check_number(value, name)


def _convert_folder(value: Any) -> Path | None:
    if value is None:
        return None
    if not isinstance(value, str | Path) or not Path(value).is_dir():
        raise MaskError(
            f"folder is {repr(value)[:60]}, which is no folder; name the one that holds the masks"
        )
    return Path(value)


def _check_number(value: float, name: str) -> float:
    """A number that a hole can be drawn with, in seconds and not in hours.

    Raises:
        MaskError: names the range.
    """
    most = MOST_THINGS if name in COUNTS else LARGEST_LENGTH
    least = 1e-3 if name in DIVISORS else 0
    if not least <= value <= most:  # the negation catches NaN too
        raise MaskError(f"{name} is {value:.60g}; give a number from {least:g} to {most}")
    return value


def draw(
    kind: str | Generator,
    size: int | tuple[int, int],
    seed: int = 0,
    index: int = 0,
    options: Mapping[str, Any] | None = None,
) -> Hole:
    """Draw a hole: always the same one for the same arguments, whatever was drawn before.

    Args:
        kind: a name in :data:`GENERATORS`, or a generator.
        size: side of a square, or height and width, in pixels.
        seed, index: whole numbers from 0 on; every index is a hole of its own.
        options: of the kind, by name, to change from its source's.

    Returns: ``(H, W)`` bool, True = missing, never empty and never everything.

    Raises:
        MaskError: an unknown kind or option, a size that leaves no room for a hole, or options
            that no hole fits.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width) < 4:
        raise MaskError(f"a picture of {width}x{height} has no room for a hole; give 4x4 or more")
    if seed < 0 or index < 0:
        raise MaskError(f"seed is {seed} and index {index}; give whole numbers from 0 on")
    generator = choose(kind, options)
    random = np.random.Generator(np.random.Philox(key=[seed, _STREAM], counter=[0, 0, 0, index]))
    for _ in range(TRIES):
        hole = generator(height, width, random)
        if 0 < np.count_nonzero(hole) < hole.size:
            return np.ascontiguousarray(hole)
    raise MaskError(f"{kind} with these options marks all or nothing of {width}x{height} pixels")
