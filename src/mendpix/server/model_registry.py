"""What a server fills with: fillers by name, their options within bounds, and their cards."""

import inspect
import logging
import math
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from mendpix.errors import MendError
from mendpix.inpainting import registry
from mendpix.inpainting.registry import BUILT_IN, CheckedFiller
from mendpix.server.api_errors import ApiError
from mendpix.server.schemas import Model, Option, Value
from mendpix.server.settings import Settings
from mendpix.weights import cards, catalogue
from mendpix.weights.catalogue import CATALOGUE

log = logging.getLogger("mendpix.server")

_ABSOLUTE = re.compile(r"[/~]|[A-Za-z]:[/\\]|\\\\")

KEPT = 3
"""Fillers with a network that stay loaded."""

NETWORK = "mender"
"""Whose card is the default filler's: the bundled network, which it uses."""

ABOUT = {
    "auto": "the best there is on this machine",
    "patchmatch": "texture from the picture itself, without any training",
    "telea": "smooth: OpenCV's, for thin scratches",
    "navier-stokes": "smooth: OpenCV's, for thin scratches",
    "mean-colour": "one colour: a baseline for measurements",
}


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """An option that a request may turn, and how far: beyond, a fill would only cost more."""

    about: str
    kind: Literal["int", "float", "bool", "choice"] = "int"
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()

    def value(self, name: str, given: Value) -> Value:
        """The value, checked.

        Raises:
            MendError: it is of another kind, or out of bounds.
        """
        if self.kind == "bool" and isinstance(given, bool):
            return given
        if self.kind == "choice" and given in self.choices:
            return given
        if self.kind in ("int", "float") and self._fits(given):
            return given
        wanted = {"bool": "true or false", "choice": " or ".join(self.choices)}.get(
            self.kind,
            f"a number ({self.kind}) from {self.least:g} to {self.most:g}"
            if self.least is not None and self.most is not None
            else self.kind,
        )
        raise MendError(f"{name} is {str(given)[:40]!r} but must be {wanted}")

    def _fits(self, given: Value) -> bool:
        kinds = (int,) if self.kind == "int" else (int, float)
        if isinstance(given, bool) or not isinstance(given, kinds):
            return False
        return (self.least or 0) <= float(given) <= (self.most or 0)


KNOBS: dict[str, OptionSpec] = {
    "quality": OptionSpec("fast, or several tries of which the likeliest is taken", "choice",
                    choices=("fast", "best")),
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


class ModelRegistry:
    """The fillers of a server, loaded when they are first asked for and then kept."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.threads = settings.threads or max(1, _processors() // settings.workers)
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Any, ...], CheckedFiller] = OrderedDict()

    def everything(self) -> list[Model]:
        """All that is offered, without cards."""
        return [*_built_in(), *_bundled(), *self._runs(), *_catalogue()]

    def one(self, name: str) -> Model:
        """One model with its card.

        Raises:
            Refusal: 404 where there is none of that name.
        """
        for model in self.everything():
            if model.name == name:
                return model.model_copy(update={"card": clean(self._card(model))})
        raise ApiError(404, "there is no such model; /api/v1/models lists them")

    def _runs(self) -> list[Model]:
        folder = self.settings.runs
        if folder is None:
            return []
        found = []
        for path in cards.runs(folder):
            name = f"runs/{path.relative_to(folder).as_posix()}"
            found.append(_described(name, "run", cards.resolve(path)))
        return found

    def _path(self, name: str) -> str:
        """What `mendpix.load` takes for a name: never a path that a request made up."""
        if name in BUILT_IN or name in CATALOGUE or name in cards.bundled():
            return name
        if self.settings.runs is not None:
            for path in cards.runs(self.settings.runs):
                if name == f"runs/{path.relative_to(self.settings.runs).as_posix()}":
                    return str(cards.resolve(path))  # .safetensors only: nothing is unpickled
        raise ApiError(404, f"there is no model {name[:100]!r}; /api/v1/models lists them")

    def _card(self, model: Model) -> dict[str, Any]:
        bundled = cards.bundled()
        try:
            if model.name == "auto" and NETWORK in bundled:
                return cards.card(bundled[NETWORK])
            if model.kind == "catalogue":
                return dict(catalogue.card(model.name))
            if model.kind == "bundled":
                return cards.card(bundled[model.name])
            if model.kind == "run":
                return cards.card(self._path(model.name))
        except MendError:
            log.warning("the card of %s cannot be read", model.name)
        return {}

    def check(self, name: str, options: Mapping[str, Value]) -> None:
        """See that a model is offered and takes these options.

        Raises:
            Refusal: 404 for another model.
            MendError: for an option that it does not have, or a value out of bounds.
        """
        self._path(name)
        known = {option.name for option in _options(name)}
        for option, value in options.items():
            if option not in known:
                takes = ", ".join(sorted(known)) or "none"
                raise MendError(f"{name} has no option {option[:40]!r}; it takes {takes}")
            KNOBS[option].value(option, value)

    def load(self, name: str, seed: int, options: Mapping[str, Value]) -> CheckedFiller:
        """A filler, from those that are kept where it has a network. Slow: not for the event loop.

        Raises:
            Refusal: 422 where it cannot be loaded.
        """
        path = self._path(name)
        key = (path, seed, *sorted(options.items()))
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            filler = self._loaded(name, path, seed, options)
            if name not in BUILT_IN or name == "auto":
                self._kept[key] = filler
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
        return filler

    def _loaded(
        self, name: str, path: str, seed: int, options: Mapping[str, Value]
    ) -> CheckedFiller:
        device = "cpu" if name in BUILT_IN else self.settings.device
        try:
            chosen: dict[str, Any] = dict(options)
            return registry.load(path, seed=seed, device=device, threads=self.threads, **chosen)
        except MendError as error:
            log.warning("%s cannot be loaded: %s", name, error)
            reason = "it needs PyTorch" if "PyTorch" in str(error) else "the server's log says why"
            raise ApiError(422, f"{name} cannot be loaded: {reason}") from None

    def warm_up(self) -> None:
        """Load what the default filler needs, compiling it where no cache holds it."""
        self.load("auto", 0, {}).prepare()


def clean(card: Any) -> Any:
    """A card without this machine's folders, and without numbers that JSON has not."""
    if isinstance(card, dict):
        return {str(key): clean(value) for key, value in card.items()}
    if isinstance(card, list | tuple):
        return [clean(value) for value in card]
    if isinstance(card, str) and _ABSOLUTE.match(card):
        return re.split(r"[/\\]", card.rstrip("/\\"))[-1]
    if isinstance(card, float) and not math.isfinite(card):
        return None
    return card


def device_of(filler: CheckedFiller) -> str:
    """The device that a filler works on, whose pool it belongs to."""
    return str(getattr(filler.inner, "device", "cpu"))


def _processors() -> int:
    from mendpix.inpainting.patchmatch.thread_pool import processors

    return processors()


def _built_in() -> list[Model]:
    return [
        Model(name=name, kind="built-in", about=ABOUT.get(name, ""), options=_options(name))
        for name in BUILT_IN
    ]


def _bundled() -> list[Model]:
    ours = ((name, path) for name, path in cards.bundled().items() if name not in BUILT_IN)
    return [_described(name, "bundled", path) for name, path in ours]


def _described(name: str, kind: Literal["bundled", "run"], path: Path) -> Model:
    try:
        card = cards.card(path)
    except MendError:
        return Model(name=name, kind=kind, ready=False, why_not="its file has no card")
    return Model(name=name, kind=kind, about=_summary(card), licence=str(card.get("licence", "")))


def _summary(card: Mapping[str, Any]) -> str:
    """A card in a few words: the network, how long it learned, from what, how well it fills."""
    parts = [str(card.get("network", ""))]
    if card.get("steps"):
        parts.append(f"{card['steps']} steps")
    data, scores = card.get("data"), card.get("validation")
    if isinstance(data, dict) and data.get("files"):
        parts.append(f"{len(data['files'])} pictures")
    if isinstance(scores, dict):
        named = (("psnr", "PSNR {:.1f} dB"), ("lpips", "LPIPS {:.3f}"))
        parts += [text.format(scores[key]) for key, text in named if key in scores]
    return ", ".join(part for part in parts if part)


def _catalogue() -> list[Model]:
    found = []
    for name, entry in CATALOGUE.items():
        here = catalogue.place(name).is_file()
        why_not = "" if here else f"not on this machine; mendpix models get {name}"
        if entry.program:
            why_not = "a program (TorchScript), which a server does not run"
        found.append(
            Model(
                name=name,
                kind="catalogue",
                about=entry.about,
                licence=f"code {entry.code}; weights {entry.weights}",
                ready=not why_not,
                why_not=why_not,
            )
        )
    return found


def _options(name: str) -> list[Option]:
    """The options that a request may set, with the filler's own defaults."""
    if name not in BUILT_IN:
        return []
    defaults = _defaults(BUILT_IN[name]())
    return [
        Option(
            name=key,
            kind=knob.kind,
            default=defaults[key],
            least=knob.least,
            most=knob.most,
            choices=list(knob.choices) or None,
            about=knob.about,
        )
        for key, knob in KNOBS.items()
        if key in defaults
    ]


def _defaults(make: Callable[..., Any]) -> dict[str, Value]:
    """Names and defaults of what a filler is built with, those of its ``Options`` too."""
    found = {
        name: one.default
        for name, one in inspect.signature(make).parameters.items()
        if isinstance(one.default, bool | int | float | str)
    }
    table = getattr(make, "options_type", None)
    if table is not None:
        found |= {field.name: getattr(table(), field.name) for field in fields(table)}
    return found
