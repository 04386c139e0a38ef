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
from mendpix.inpainting.onnx.layout import LAYOUTS
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
    "layout": f"; it must be {' or '.join(LAYOUTS)}, or left out where the shapes tell",
    "hole_side": f"; it must be 0 to {LARGEST_SIZE}",
    "values": "; it must be two numbers that differ, such as [0, 1]",
    "output_values": "; it must be two numbers that differ, such as [0, 1]",
    "hole_values": "; it must be two numbers that differ, such as [0, 1]",
}


@dataclass(frozen=True, slots=True)
class OnnxDescription:
    """The description of an exported network.

    Attributes:
        inputs: for each input, its planes in order (see ``PLANES``).
        output: the name of the picture that comes out; "": the first output.
        values: the network's range for black and white, such as (-1, 1) or (0, 255).
        output_values: the same of what comes out; None: as ``values``.
        hole_values: what "hole" and "valid" are for no and yes.
        multiple: height and width must be multiples of it.
        size: the one height and width it works at, one number where both are the same; None:
            that of the graph's inputs, or any.
        hole_shape: "any", or "centre" where it only ever saw a hole in the very centre.
        hole_side: with a size, how wide the part of a hole may be that it is shown at once, in
            pixels; 0: half the size.
        start: the name of a filler that fills the hole before the network sees it; "": none.
        layout: "NCHW" or "NHWC", the order of its pictures' axes; "": as the graph's shapes tell.
    """

    inputs: Mapping[str, tuple[str, ...]]
    output: str = ""
    values: tuple[float, float] = (0.0, 1.0)
    output_values: tuple[float, float] | None = None
    hole_values: tuple[float, float] = (0.0, 1.0)
    multiple: int = 1
    size: int | tuple[int, int] | None = None
    hole_shape: str = "any"
    hole_side: int = 0
    start: str = ""
    layout: str = ""

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
        size = min(self.size) if isinstance(self.size, tuple) else self.size
        return InputRequirements(self.multiple, size, self.hole_side, centred, largest)

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

    def check_range(self, raw: NDArray[Any], photo: Photo, hole: Hole, source: str) -> None:
        """Refuse an output whose values are of another range than described.

        They lie far outside it, or show the known pixels in another of the usual ranges.

        Args:
            raw: the output ``(1, 3, H, W)`` of this photo ``(H, W, 3)`` and its hole.

        Raises:
            WeightsError: names the range seen and the one described.
        """
        described = self.output_values or self.values
        image = raw[0].astype(np.float32).transpose(1, 2, 0)
        scaled = _scale(image, described, (0.0, 1.0))
        far = np.mean((scaled < -FAR) | (scaled > 1 + FAR)) > FAR_SHARE
        if not far and hole.all():
            return
        known = ~hole
        errors = {
            usual: float(np.abs(_scale(image, usual, (0.0, 1.0)) - photo)[known].mean())
            for usual in (described, *RANGES)
            if known.any()
        }
        best = min(errors, key=lambda usual: errors[usual], default=described)
        wrong = best != described and errors[best] < NEAR and errors[described] > APART
        if far or wrong:
            hint = f"{list(best)}" if wrong else "the range that it has"
            raise WeightsError(
                f"{source} gave values from {raw.min():.4g} to {raw.max():.4g} where its "
                f"description says {list(described)}; set output_values to {hint}"
            )


RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
"""Of values that networks are made for."""
FAR, FAR_SHARE = 0.5, 0.01
"""An output may lie so far outside its range, as a share of it, in so many of its values."""
NEAR, APART = 0.03, 0.1
"""Mean differences of known pixels that show the right and the wrong range."""


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
            sides = value if isinstance(value, list | tuple) and len(value) == 2 else [value]
            valid = value is None or all(
                type(side) is int and SMALLEST_SIZE <= side <= LARGEST_SIZE for side in sides
            )
            value = tuple(sides) if valid and len(sides) == 2 else value
        case "hole_side":
            valid = is_count and value <= LARGEST_SIZE
        case "hole_shape":
            valid = value in SHAPES
        case "layout":
            valid = value in LAYOUTS
        case _:
            valid = isinstance(value, str)
    if not valid:
        raise WeightsError(
            f"{source} describes {name} as {_abbreviate(value)}{_LIMITS.get(name, '')}"
        )
    if name.endswith("values") and value is not None:
        return float(value[0]), float(value[1])
    return value


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
