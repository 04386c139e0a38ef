"""What an exported network takes and gives: a small table, read from a file or an option."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mendpix.errors import WeightsError
from mendpix.inpainting.input_requirements import LARGEST, InputRequirements
from mendpix.types import Hole, Photo

PLANES = {
    "photo": 3,  # in the network's own range, under the hole whatever the filler put there
    "known": 3,  # the same, and 0 under the hole
    "hole": 1,  # 1 = missing
    "valid": 1,  # 1 = known
    "valid-half": 1,  # known 0.5, missing -0.5
}
"""What an input may be made of, with the channels each takes."""

SHAPES = ("any", "centre")

SMALLEST_SIZE, LARGEST_SIZE, LARGEST_MULTIPLE = 8, 8192, 1024
"""Pixels; beyond, a network would see too little of a picture, or take all memory."""

_LIMITS = {
    "multiple": f"; it must be 1 to {LARGEST_MULTIPLE}",
    "size": f"; it must be {SMALLEST_SIZE} to {LARGEST_SIZE}, or left out where any will do",
    "hole_side": f"; it must be 0 to {LARGEST_SIZE}",
    "values": "; it must be two numbers that differ, such as [0, 1]",
    "output_values": "; it must be two numbers that differ, such as [0, 1]",
    "hole_values": "; it must be two numbers that differ, such as [0, 1]",
}


@dataclass(frozen=True, slots=True)
class OnnxDescription:
    """The description of an exported network, whose inputs and output are ``(N, C, H, W)``.

    Attributes:
        inputs: for each input, its planes in order (see ``PLANES``).
        output: the name of the picture that comes out; "": the first output.
        values: the network's range for black and white, such as (-1, 1) or (0, 255).
        output_values: the same of what comes out; None: as ``values``.
        hole_values: what "hole" and "valid" are for no and yes.
        multiple: height and width must be multiples of it.
        size: the one height and width it works at; None: any.
        hole_shape: "any", or "centre" where it only ever saw a hole in the very centre.
        hole_side: with a size, how wide the part of a hole may be that it is shown at once, in
            pixels; 0: half the size.
        start: the name of a filler that fills the hole before the network sees it; "": none.
    """

    inputs: Mapping[str, tuple[str, ...]]
    output: str = ""
    values: tuple[float, float] = (0.0, 1.0)
    output_values: tuple[float, float] | None = None
    hole_values: tuple[float, float] = (0.0, 1.0)
    multiple: int = 1
    size: int | None = None
    hole_shape: str = "any"
    hole_side: int = 0
    start: str = ""

    @classmethod
    def of(cls, table: Mapping[str, Any], source: str) -> "OnnxDescription":
        """The description in a table.

        Raises:
            WeightsError: an unknown name, or a value of another kind.
        """
        if not isinstance(table, Mapping):
            raise WeightsError(f"{source} describes itself by {_abbreviate(table)}, not a table")
        known = [field.name for field in fields(cls)]
        for name in table:
            if name not in known:
                raise WeightsError(f"{source} describes {name!r}, which is unknown{_suggest(name)}")
        if not isinstance(table.get("inputs"), Mapping) or not table["inputs"]:
            raise WeightsError(f"{source} describes no inputs; name each with its planes")
        return cls(**{name: _parse(name, value, source) for name, value in table.items()})

    @classmethod
    def read_from(cls, path: Path) -> "OnnxDescription":
        """The description in a TOML or JSON file.

        Raises:
            WeightsError: it cannot be read, or as :meth:`of`.
        """
        try:
            text = path.read_text("utf-8")
            table = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        except (OSError, ValueError, RecursionError) as problem:
            raise WeightsError(f"{path} cannot be read: {problem}") from None
        if not isinstance(table, Mapping):
            raise WeightsError(f"{path} holds no table; describe the network in one")
        return cls.of(table, str(path))

    def table(self) -> dict[str, Any]:
        """The table that :meth:`of` reads, without what is at its default."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        default = {field.name: field.default for field in fields(self)}
        changed = {name: value for name, value in values.items() if value != default[name]}
        return {**changed, "inputs": {name: list(planes) for name, planes in self.inputs.items()}}

    def requirements(self, largest: int = LARGEST) -> InputRequirements:
        centred = self.hole_shape == "centre"
        return InputRequirements(self.multiple, self.size, self.hole_side, centred, largest)

    def check_names(self, inputs: Sequence[str], outputs: Sequence[str], source: str) -> None:
        """Refuse a description of other inputs or outputs than a graph has.

        Raises:
            WeightsError: lists both.
        """
        if sorted(inputs) != sorted(self.inputs):
            raise WeightsError(
                f"{source} has the inputs {', '.join(inputs)} but "
                f"{', '.join(self.inputs)} are described; name each with its planes"
            )
        if self.output and self.output not in outputs:
            raise WeightsError(
                f"{source} has the outputs {', '.join(outputs)}, not {self.output}; "
                "name one of them as 'output'"
            )

    def feed(self, photo: Photo, hole: Hole) -> dict[str, NDArray[np.float32]]:
        """Every input ``(1, C, H, W)`` of a photo ``(H, W, 3)`` in [0, 1] and its hole."""
        image = _scale(photo.transpose(2, 0, 1), (0.0, 1.0), self.values)
        valid = (~hole)[None].astype(np.float32)
        planes = {
            "photo": image,
            "known": image * valid,
            "hole": _scale(1 - valid, (0.0, 1.0), self.hole_values),
            "valid": _scale(valid, (0.0, 1.0), self.hole_values),
            "valid-half": valid - np.float32(0.5),
        }
        return {
            name: np.concatenate([planes[plane] for plane in parts])[None]
            for name, parts in self.inputs.items()
        }

    def read(self, output: NDArray[Any]) -> Photo:
        """The picture ``(H, W, 3)`` in [0, 1] of an output ``(1, 3, H, W)``."""
        if output.ndim != 4 or output.shape[:2] != (1, 3):
            return np.zeros(output.shape, np.float32)  # its shape is refused by the caller
        values = self.output_values or self.values
        image = _scale(output[0].astype(np.float32), values, (0.0, 1.0))
        return np.ascontiguousarray(image.clip(0, 1).transpose(1, 2, 0))


def _scale(
    values: NDArray[np.float32], old: tuple[float, float], new: tuple[float, float]
) -> NDArray[np.float32]:
    """Values of one range in another; untouched where both are the same."""
    if old == new:
        return values
    gain = np.float32((new[1] - new[0]) / (old[1] - old[0]))
    return (values - np.float32(old[0])) * gain + np.float32(new[0])


def _suggest(name: str) -> str:
    known = [field.name for field in fields(OnnxDescription)]
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"


def _parse(name: str, value: Any, source: str) -> Any:
    """One value of a table, as the description keeps it."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    match name:
        case "inputs":
            return {str(key): _parse_planes(key, planes, source) for key, planes in value.items()}
        case "values" | "hole_values":
            valid = _is_range(value)
        case "output_values":
            valid = value is None or _is_range(value)
        case "multiple":
            valid = is_count and 0 < value <= LARGEST_MULTIPLE
        case "size":
            valid = value is None or (is_count and SMALLEST_SIZE <= value <= LARGEST_SIZE)
        case "hole_side":
            valid = is_count and value <= LARGEST_SIZE
        case "hole_shape":
            valid = value in SHAPES
        case _:
            valid = isinstance(value, str)
    if not valid:
        raise WeightsError(
            f"{source} describes {name} as {_abbreviate(value)}{_LIMITS.get(name, '')}"
        )
    return (float(value[0]), float(value[1])) if isinstance(value, list | tuple) else value


def _parse_planes(name: str, planes: Any, source: str) -> tuple[str, ...]:
    listed = [planes] if isinstance(planes, str) else planes
    known = isinstance(listed, list | tuple) and all(
        isinstance(plane, str) and plane in PLANES for plane in listed
    )
    if not known or not listed:
        raise WeightsError(
            f"{source} makes the input {name} of {_abbreviate(planes)}; "
            f"it can be made of {', '.join(PLANES)}"
        )
    return tuple(listed)


def _is_range(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(isinstance(end, int | float) and abs(end) <= 1e6 for end in value)
        and value[0] != value[1]
    )


def _abbreviate(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # a number of more digits than Python prints
        text = "a number without end"
    return text if len(text) <= 60 else f"{text[:57]}..."
