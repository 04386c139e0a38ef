"""Fillers by name, or from a file: the one way to get one."""

import inspect
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mendpix.errors import MendError, WeightsError
from mendpix.inpainting.base import CheckedFiller, Filler, check
from mendpix.inpainting.options import FillSettings, check_range
from mendpix.io.paths import expand_home
from mendpix.types import LARGEST_SEED, Hole, Photo, Progress
from mendpix.weights import cards, catalogue
from mendpix.weights.catalogue import CATALOGUE

__all__ = [
    "BUILT_IN",
    "CheckedFiller",
    "Filler",
    "Hole",
    "Photo",
    "Progress",
    "attach_start",
    "check",
    "load",
    "open_filler",
]


def _mender() -> type[Any]:
    from mendpix.inpainting.hybrid.filler import HybridFiller

    return HybridFiller


def _patchmatch() -> type[Any]:
    from mendpix.inpainting.patchmatch import PatchMatch

    return PatchMatch


def _telea() -> type[Any]:
    from mendpix.inpainting.opencv import Telea

    return Telea


def _navier_stokes() -> type[Any]:
    from mendpix.inpainting.opencv import NavierStokes

    return NavierStokes


def _mean_colour() -> type[Any]:
    from mendpix.inpainting.opencv import MeanColour

    return MeanColour


BUILT_IN: dict[str, Callable[[], type[Any]]] = {
    "auto": _mender,
    "patchmatch": _patchmatch,
    "telea": _telea,
    "navier-stokes": _navier_stokes,
    "mean-colour": _mean_colour,
}
"""Fillers that need no weights, by name."""


def load(
    model: str | Path = "auto",
    *,
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    trust: bool = False,
    **options: Any,
) -> CheckedFiller:
    """A filler by name, or from a weights file or a run folder.

    Args:
        model: "auto" (the best there is), "patchmatch", "telea", "navier-stokes", "mean-colour",
            a weights file (this project's ``.safetensors``, or a released ``.pth``), an exported
            network (``.onnx``), the folder of a training run, or a network of the catalogue
            that has been fetched, such as "migan".
        seed: of a filler that draws random numbers; the same seed gives the same bytes.
        device: "auto", "cpu", "cuda", "cuda:1", "mps"; fillers without a network run on the CPU.
            "auto" takes an accelerator for a network where PyTorch is installed and one is there.
        threads: how many a filler may use; None: one per processor.
        trust: run a TorchScript file, which is a program, and an ONNX file with loops, too.
        options: of the filler's own, such as PatchMatch's ``guide``, or the ``adapter`` of an
            exported network that does not describe itself.

    Returns: a filler whose known values come back bit-identical.

    Raises:
        MendError: no such name or file, an option it does not have, or a device it cannot use.
        WeightsError: a file that does not hold a network's weights, or a program without
            ``trust``.
    """
    check_range("seed", seed, 0, LARGEST_SEED)
    name = str(model)
    if name in BUILT_IN:
        common = {"seed": seed, "threads": threads, "device": device}
        return CheckedFiller(_create(name, common, options))
    path = find_file(name)
    if path.suffix == ".onnx":
        if not trust:
            from mendpix.inpainting.onnx.screening import check_graph  # no fill by name waits

            check_graph(path)
        return CheckedFiller(_load_onnx(path, device, seed, threads, options))
    if options:
        raise MendError(f"{name} has no option {', '.join(sorted(options))}; leave it out")
    return CheckedFiller(attach_start(_load_network(path, device, threads, trust), seed, threads))


def open_filler(settings: FillSettings) -> CheckedFiller:
    """The filler that the settings of a command name."""
    options: dict[str, Any] = asdict(settings.runtime)
    if settings.options.quality != "fast":
        options["quality"] = settings.options.quality
    if settings.model == "auto" or settings.options.generator not in ("auto", "none"):
        options["generator"] = settings.options.generator
    return load(settings.model, trust=settings.trust, **options)


def choose_parts(settings: FillSettings) -> FillSettings:
    """The settings with the generator that they mean on this machine, for all that work on a job.

    Raises:
        MendError: no such generator.
    """
    if settings.model != "auto":
        return settings
    from mendpix.inpainting.hybrid.generator import choose_generator

    generator = choose_generator(settings.options.generator) or "none"
    return replace(settings, options=replace(settings.options, generator=generator))


def _create(name: str, common: dict[str, Any], options: dict[str, Any]) -> Filler:
    """A filler by name; of ``common`` it is given what it takes."""
    filler_class = BUILT_IN[name]()
    known = find_options(filler_class)
    for option in options:
        if option not in known:
            takes = ", ".join(known) or "none"
            raise MendError(f"{name} has no option {option!r}; it takes {takes}")
    device = common["device"]
    if "device" not in known and device not in ("auto", "cpu"):
        raise MendError(f"{name} runs on the CPU, not on {device}; leave the device out")
    common = {key: value for key, value in common.items() if key in known}
    filler: Filler = filler_class(**common, **options)
    return filler


def find_options(make: type[Any]) -> dict[str, Any]:
    """The options a filler is built with and their defaults.

    Where it takes single fields of an ``options_type`` as keywords, those fields too.
    """
    defaults = {name: one.default for name, one in inspect.signature(make).parameters.items()}
    if defaults.pop("changes", None) is not None:
        options = make.options_type()
        defaults |= {field.name: getattr(options, field.name) for field in fields(options)}
    return defaults


def find_file(name: str) -> Path:
    """The file or run folder that a name stands for: bundled, of the catalogue, or a path."""
    if name in CATALOGUE:
        return catalogue.find(name)
    path = cards.list_bundled().get(name) or expand_home(name)
    if not path.exists():
        raise MendError(_explain_unknown(name))
    return path


def find_model_files(model: str) -> list[Path]:
    """The files of weights that a model stands for; none for a filler without.

    Raises:
        MendError: no such name or file.
    """
    if model in BUILT_IN:
        return sorted(cards.list_bundled().values()) if model == "auto" else []
    path = find_file(model)
    path = cards.resolve(path) if path.is_dir() else path
    if path.suffix != ".onnx":
        return [path]
    endings = (".toml", ".json", ".safetensors")  # its description, or its tensors
    return [path, *(other for e in endings if (other := path.with_suffix(e)).is_file())]


def _explain_unknown(name: str) -> str:
    known = (*BUILT_IN, *cards.list_bundled(), *CATALOGUE)
    close = get_close_matches(name, known, n=1)
    meant = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
    return f"{name} is neither a filler's name nor a file or run folder; {meant}"


def _load_network(path: Path, device: str, threads: int | None, trust: bool) -> Filler:
    try:
        from mendpix.inpainting.torch import load_filler
        from mendpix.inpainting.torchscript import is_torchscript, load_torchscript
    except ModuleNotFoundError as missing:
        if missing.name != "torch":
            raise
        raise MendError(
            f"{path} needs PyTorch, which is not installed; run: pip install 'mendpix[train]'"
        ) from None
    script = is_torchscript(path)
    if script and not trust:
        raise WeightsError(
            f"{path} is TorchScript, a program that could do anything; "
            "if you trust who made it, allow it with --trust (trust=True)"
        )
    filler: Filler = (load_torchscript if script else load_filler)(path, device, threads)
    return filler


def _load_onnx(
    path: Path, device: str, seed: int, threads: int | None, options: dict[str, Any]
) -> Filler:
    from mendpix.inpainting.onnx.filler import OnnxFiller

    adapter = options.pop("adapter", None)
    if options:
        raise MendError(f"{path} has no option {', '.join(sorted(options))}; it takes adapter")
    return attach_start(OnnxFiller(path, adapter, threads=threads, device=device), seed, threads)


def attach_start(filler: Any, seed: int = 0, threads: int | None = None) -> Filler:
    """A network's filler, given the one that it wants its holes filled with first.

    Args:
        filler: with a name in ``starts_with``, "" for none, and a place for that filler, ``start``.
        seed, threads: of that filler.

    Raises:
        MendError: no built-in filler has that name.
    """
    if filler.starts_with:
        if filler.starts_with not in BUILT_IN or filler.starts_with == "auto":
            raise MendError(
                f"the network wants holes filled by {filler.starts_with!r} first, which is no "
                f"built-in filler; known are {', '.join(BUILT_IN)}"
            )
        common = {"seed": seed, "threads": threads, "device": "cpu"}
        filler.start = _create(filler.starts_with, common, {})
    made: Filler = filler
    return made
