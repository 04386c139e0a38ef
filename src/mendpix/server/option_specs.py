"""Options of fillers that requests may set, with ranges that bound the cost of a fill."""

from dataclasses import dataclass
from typing import Literal

from mendpix.errors import MendError
from mendpix.server.schemas import OptionValue
from mendpix.weights.catalogue import CATALOGUE


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """An option that requests may set, and its range, which bounds the cost of a fill."""

    about: str
    kind: Literal["int", "float", "bool", "choice"] = "int"
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()

    def validate(self, name: str, value: OptionValue) -> OptionValue:
        """Return the value if it is valid.

        Raises:
            MendError: it has the wrong type, or is out of range.
        """
        if self.kind == "bool" and isinstance(value, bool):
            return value
        if self.kind == "choice" and value in self.choices:
            return value
        if self.kind in ("int", "float") and self._is_in_range(value):
            return value
        expected = {"bool": "true or false", "choice": " or ".join(self.choices)}.get(
            self.kind,
            f"a number ({self.kind}) from {self.least:g} to {self.most:g}"
            if self.least is not None and self.most is not None
            else self.kind,
        )
        raise MendError(f"{name} is {str(value)[:40]!r} but must be {expected}")

    def _is_in_range(self, value: OptionValue) -> bool:
        kinds = (int,) if self.kind == "int" else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds):
            return False
        return (self.least or 0) <= float(value) <= (self.most or 0)


GENERATORS = tuple(name for name, entry in CATALOGUE.items() if not entry.program)
"""Networks of the catalogue that can fill first."""

OPTION_SPECS: dict[str, OptionSpec] = {
    "quality": OptionSpec("fast, or best: several fills, of which the likeliest is taken", "choice",
                    choices=("fast", "best")),
    "generator": OptionSpec("a network that fills first: auto (the best that was fetched), none",
                      "choice", choices=("auto", "none", *GENERATORS)),
    "regrain": OptionSpec("give the fill the grain of its surroundings", "bool"),
    "radius": OptionSpec("of the patches, in pixels", least=1, most=6),
    "texture": OptionSpec("weight of texture beside colour", "float", 0, 50),
    "rounds": OptionSpec("searches and votes at each coarser size", least=1, most=30),
    "last_rounds": OptionSpec("the same at full size", least=1, most=10),
    "sweeps": OptionSpec("passes over all patches per search", least=1, most=6),
    "sharpness": OptionSpec("how much more a better patch counts", "float", 0, 20),
    "last_sharpness": OptionSpec("the same at the end", "float", 0, 20),
    "seam": OptionSpec("pixels over which copied pieces are evened out", "float", 0, 16),
}  # fmt: skip
