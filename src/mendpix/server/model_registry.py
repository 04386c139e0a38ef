"""The models that a server offers: fillers by name, their options with ranges, their cards."""

import logging
import math
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal

from mendpix.errors import MendError
from mendpix.inpainting import registry
from mendpix.inpainting.hybrid.generator import choose_generator
from mendpix.inpainting.registry import BUILT_IN, CheckedFiller
from mendpix.server.api_errors import ApiError
from mendpix.server.option_specs import OPTION_SPECS
from mendpix.server.schemas import ModelInfo, ModelOption, OptionValue
from mendpix.server.settings import ServerSettings
from mendpix.weights import cards, catalogue
from mendpix.weights.catalogue import CATALOGUE

log = logging.getLogger("mendpix.server")

_ABSOLUTE = re.compile(r"[/~]|[A-Za-z]:[/\\]|\\\\")

MAX_LOADED = 3
"""Networks that stay loaded."""

DEFAULT_NETWORK = "mender"
"""The bundled network inside the default filler, whose card is shown for it."""

DESCRIPTIONS = {
    "auto": "the best available on this machine",
    "patchmatch": "texture from the picture itself, without training",
    "telea": "smooth: OpenCV's, for thin scratches",
    "navier-stokes": "smooth: OpenCV's, for thin scratches",
    "mean-colour": "one colour: a baseline for measurements",
}


class ModelRegistry:
    """The fillers of a server, loaded on first use; the last few stay loaded."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.threads = settings.threads or max(1, _processors() // settings.workers)
        self._lock = threading.Lock()
        self._loaded: OrderedDict[tuple[Any, ...], CheckedFiller] = OrderedDict()

    def list_models(self) -> list[ModelInfo]:
        """All models, without cards."""
        return [*_list_built_in(), *_list_bundled(), *self._list_runs(), *_list_catalogue()]

    def get(self, name: str) -> ModelInfo:
        """One model with its card.

        Raises:
            ApiError: 404 for an unknown name.
        """
        for model in self.list_models():
            if model.name == name:
                return model.model_copy(update={"card": sanitize_card(self._read_card(model))})
        raise ApiError(404, "there is no such model; /api/v1/models lists them")

    def _list_runs(self) -> list[ModelInfo]:
        folder = self.settings.runs
        if folder is None:
            return []
        models = []
        for path in cards.find_runs(folder):
            name = f"runs/{path.relative_to(folder).as_posix()}"
            models.append(_describe(name, "run", cards.resolve(path)))
        return models

    def _resolve(self, name: str) -> str:
        """The argument of `mendpix.load` for a listed name; a path in a request is never used."""
        if name in BUILT_IN or name in CATALOGUE or name in cards.list_bundled():
            return name
        if self.settings.runs is not None:
            for path in cards.find_runs(self.settings.runs):
                if name == f"runs/{path.relative_to(self.settings.runs).as_posix()}":
                    return str(cards.resolve(path))  # .safetensors only: nothing is unpickled
        raise ApiError(404, f"there is no model {name[:100]!r}; /api/v1/models lists them")

    def _read_card(self, model: ModelInfo) -> dict[str, Any]:
        bundled = cards.list_bundled()
        try:
            if model.name == "auto" and DEFAULT_NETWORK in bundled:
                return cards.read_card(bundled[DEFAULT_NETWORK])
            if model.kind == "catalogue":
                return dict(catalogue.make_card(model.name))
            if model.kind == "bundled":
                return cards.read_card(bundled[model.name])
            if model.kind == "run":
                return cards.read_card(self._resolve(model.name))
        except MendError:
            log.warning("the card of %s cannot be read", model.name)
        return {}

    def check(self, name: str, options: Mapping[str, OptionValue]) -> None:
        """Check that a model exists and takes these options.

        Raises:
            ApiError: 404 for an unknown model.
            MendError: for an unknown option, or a value out of range.
        """
        self._resolve(name)
        known = {option.name for option in _list_options(name)}
        for option, value in options.items():
            if option not in known:
                takes = ", ".join(sorted(known)) or "none"
                raise MendError(f"{name} has no option {option[:40]!r}; it takes {takes}")
            OPTION_SPECS[option].validate(option, value)

    def load(self, name: str, seed: int, options: Mapping[str, OptionValue]) -> CheckedFiller:
        """Load a filler, or take it from the cache of networks. Slow: not for the event loop.

        Raises:
            ApiError: 422 if it cannot be loaded.
        """
        path = self._resolve(name)
        options = self._choose_parts(name, options)
        key = (path, seed, *sorted(options.items(), key=itemgetter(0)))
        with self._lock:
            if key in self._loaded:
                self._loaded.move_to_end(key)
                return self._loaded[key]
            filler = self._load(name, path, seed, options)
            if name not in BUILT_IN or name == "auto":
                self._loaded[key] = filler
                while len(self._loaded) > MAX_LOADED:
                    self._loaded.popitem(last=False)
        return filler

    def _choose_parts(self, name: str, options: Mapping[str, OptionValue]) -> dict[str, Any]:
        """The options with the generator that they mean now, which the whole job keeps."""
        if name != "auto":
            return dict(options)
        try:
            generator = choose_generator(str(options.get("generator", "auto")))
        except MendError as error:
            log.warning("the generator of a job cannot be used: %s", error)
            raise ApiError(422, "the generator is not on this server") from None
        return {**options, "generator": generator or "none"}

    def _load(self, name: str, path: str, seed: int, options: Mapping[str, Any]) -> CheckedFiller:
        device = "cpu" if name in BUILT_IN else self.settings.device
        try:
            keywords: dict[str, Any] = dict(options)
            return registry.load(path, seed=seed, device=device, threads=self.threads, **keywords)
        except MendError as error:
            log.warning("%s cannot be loaded: %s", name, error)
            reason = "it needs PyTorch" if "PyTorch" in str(error) else "the server's log says why"
            raise ApiError(422, f"{name} cannot be loaded: {reason}") from None

    def warm_up(self) -> None:
        """Load the default filler and compile its loops, unless they are cached on disk."""
        self.load("auto", 0, {}).prepare()


def sanitize_card(card: Any) -> Any:
    """Strip paths of this machine from a card, and NaN and Inf, which JSON cannot hold."""
    if isinstance(card, dict):
        return {str(key): sanitize_card(value) for key, value in card.items()}
    if isinstance(card, list | tuple):
        return [sanitize_card(value) for value in card]
    if isinstance(card, str) and _ABSOLUTE.match(card):
        return re.split(r"[/\\]", card.rstrip("/\\"))[-1]
    if isinstance(card, float) and not math.isfinite(card):
        return None
    return card


def describe_generator(filler: CheckedFiller) -> dict[str, str] | None:
    """Name and hash of the generator that a filler works with; None for none."""
    generator = getattr(filler.inner, "generator", None)
    return None if generator is None else dict(generator.as_dict())


def get_device(filler: CheckedFiller) -> str:
    """The device that a filler runs on, which selects its worker pool."""
    return str(getattr(filler.inner, "device", "cpu"))


def _processors() -> int:
    from mendpix.types import processors

    return processors()


def _list_built_in() -> list[ModelInfo]:
    return [
        ModelInfo(
            name=name,
            kind="built-in",
            about=DESCRIPTIONS.get(name, ""),
            options=_list_options(name),
        )
        for name in BUILT_IN
    ]


def _list_bundled() -> list[ModelInfo]:
    bundled = ((name, path) for name, path in cards.list_bundled().items() if name not in BUILT_IN)
    return [_describe(name, "bundled", path) for name, path in bundled]


def _describe(name: str, kind: Literal["bundled", "run"], path: Path) -> ModelInfo:
    try:
        card = cards.read_card(path)
    except MendError:
        return ModelInfo(name=name, kind=kind, ready=False, why_not="its file has no card")
    return ModelInfo(
        name=name, kind=kind, about=_summarize(card), licence=str(card.get("licence", ""))
    )


def _summarize(card: Mapping[str, Any]) -> str:
    """Summarise a card: network, steps, number of training pictures, scores."""
    parts = [str(card.get("network", ""))]
    if card.get("steps"):
        parts.append(f"{card['steps']} steps")
    data, scores = card.get("data"), card.get("validation")
    if isinstance(data, dict) and data.get("files"):
        parts.append(f"{len(data['files'])} pictures")
    if isinstance(scores, dict):
        formats = (("psnr", "PSNR {:.1f} dB"), ("lpips", "LPIPS {:.3f}"))
        parts += [text.format(scores[key]) for key, text in formats if key in scores]
    return ", ".join(part for part in parts if part)


def _list_catalogue() -> list[ModelInfo]:
    models = []
    for name, entry in CATALOGUE.items():
        here = catalogue.is_fetched(name)
        why_not = "" if here else f"not on this machine; mendpix models get {name}"
        if entry.program:
            why_not = "a program (TorchScript), which a server does not run"
        models.append(
            ModelInfo(
                name=name,
                kind="catalogue",
                about=entry.about,
                licence=f"code {entry.code}; weights {entry.weights}",
                ready=not why_not,
                why_not=why_not,
            )
        )
    return models


def _list_options(name: str) -> list[ModelOption]:
    """The options that requests may set, with the filler's own defaults."""
    if name not in BUILT_IN:
        return []
    defaults = registry.find_options(BUILT_IN[name]())
    return [
        ModelOption(
            name=key,
            kind=spec.kind,
            default=defaults[key],
            least=spec.least,
            most=spec.most,
            choices=list(spec.choices) or None,
            about=spec.about,
        )
        for key, spec in OPTION_SPECS.items()
        if key in defaults
    ]
