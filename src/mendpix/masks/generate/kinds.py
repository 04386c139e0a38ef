"""The kinds of holes by name, changed by options, mixed, and drawn."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from mendpix.errors import MaskError
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
        chosen = int(np.searchsorted(np.cumsum(shares), random.random() * shares.sum(), "right"))
        return self.parts[min(chosen, len(self.parts) - 1)][0](height, width, random)


def mixture(shares: Mapping[str | Generator, float]) -> Mixture:
    """A mixture of kinds, each with its share.

    Raises:
        MaskError: an unknown kind, or shares that are not positive.
    """
    for kind, share in shares.items():
        if not share > 0:
            raise MaskError(f"the share of {kind} is {share:g}; give more than 0, or leave it out")
    if not shares:
        raise MaskError("a mixture of nothing draws no hole; name a kind and its share")
    return Mixture(tuple((chosen(kind), float(share)) for kind, share in shares.items()))


def chosen(kind: str | Generator, options: Mapping[str, Any] | None = None) -> Generator:
    """A kind by name, or a generator as it is, with some options changed.

    Args:
        options: by the names of the generator's attributes; tables for nested ones.

    Raises:
        MaskError: an unknown kind or option, or a value of another type than the option's.
    """
    if isinstance(kind, str) and kind not in GENERATORS:
        raise MaskError(f"there is no kind of holes {kind!r}; {_near(kind, list(GENERATORS))}")
    made = GENERATORS[kind] if isinstance(kind, str) else kind
    return _changed(made, options) if options else made


def _changed(made: Any, options: Mapping[str, Any]) -> Any:
    known = [field.name for field in fields(made)] if is_dataclass(made) else []
    for name in options:
        if name not in known:
            raise MaskError(f"{type(made).__name__} has no option {name!r}; {_near(name, known)}")
    return replace(
        made, **{name: _like(getattr(made, name), options[name], name) for name in options}
    )


def _like(now: Any, value: Any, name: str) -> Any:
    """A value as an option takes it: text as a path, a list as a tuple, a table as options."""
    if is_dataclass(now) and isinstance(value, Mapping):
        return _changed(now, value)
    if name == "folder":
        return None if value is None else Path(value)
    if isinstance(now, tuple) and isinstance(value, list | tuple) and len(value) == len(now):
        return tuple(_like(n, v, name) for n, v in zip(now, value, strict=True))
    wanted = (int, float) if isinstance(now, float) else type(now)
    if not isinstance(value, wanted) or isinstance(value, bool) != isinstance(now, bool):
        raise MaskError(f"{name} is {value!r}; give something like {now!r}")
    return value


def _near(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"


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
    made = chosen(kind, options)
    random = np.random.Generator(np.random.Philox(key=[seed, _STREAM], counter=[0, 0, 0, index]))
    for _ in range(TRIES):
        hole = made(height, width, random)
        if 0 < np.count_nonzero(hole) < hole.size:
            return np.ascontiguousarray(hole)
    raise MaskError(f"{kind} with these options marks all or nothing of {width}x{height} pixels")
