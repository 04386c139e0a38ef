"""Fillers by name, or from a file: the one way to get one."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mendpix.errors import MendError, WeightsError
from mendpix.inpainting import devices
from mendpix.inpainting.base import CheckedFiller, Filler, check, portion
from mendpix.inpainting.hybrid.tiling import Refine
from mendpix.types import Hole, Photo, Progress
from mendpix.weights import cards, catalogue
from mendpix.weights.catalogue import CATALOGUE

__all__ = [
    "BUILT_IN",
    "CheckedFiller",
    "Filler",
    "Hole",
    "Photo",
    "Progress",
    "check",
    "load",
    "portion",
    "started",
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
        trust: run a TorchScript file, which is a program, too.
        options: of the filler's own, such as PatchMatch's ``guide``, or the ``adapter`` of an
            exported network that does not describe itself.

    Returns: a filler whose known values come back bit-identical.

    Raises:
        MendError: no such name or file, an option it does not have, or a device it cannot use.
        WeightsError: a file that does not hold a network's weights, or a program without
            ``trust``.
    """
    name = str(model)
    if name in BUILT_IN:
        return CheckedFiller(_built_in(name, device, {"seed": seed, "threads": threads}, options))
    path = _file(name)
    if path.suffix == ".onnx":
        return CheckedFiller(_exported(path, device, seed, threads, options))
    if options:
        raise MendError(f"{name} has no option {', '.join(sorted(options))}; leave it out")
    return CheckedFiller(started(_network(path, device, threads, trust), seed, threads))


def _built_in(name: str, device: str, common: dict[str, Any], options: dict[str, Any]) -> Filler:
    if name == "auto" and "refine" not in options:
        refine = _elsewhere(device, common["threads"])
        options = options if refine is None else {"refine": refine, **options}
    elif device not in ("auto", "cpu"):
        raise MendError(f"{name} runs on the CPU, not on {device}; leave the device out")
    make = BUILT_IN[name]()
    known = _options(make)
    for option in options:
        if option not in known:
            takes = ", ".join(known) or "none"
            raise MendError(f"{name} has no option {option!r}; it takes {takes}")
    common = {key: value for key, value in common.items() if key in known}
    filler: Filler = make(**common, **options)
    return filler


def _elsewhere(device: str, threads: int | None) -> Refine | None:
    """The bundled network on an accelerator; None where it is to run on the CPU.

    An accelerator that is asked for by name is looked for now; else one that seems to be there is
    tried while the picture is read, and the CPU serves where it turns out to be of no use.
    """
    if device == "cpu" or (device == "auto" and not _promising()):
        return None
    if device != "auto":
        return accelerated(device, threads)
    from mendpix.inpainting.hybrid import filler

    return filler.awaited(lambda: _found(threads))


def _promising() -> bool:
    return devices.likely() and find_spec("torch") is not None


def _found(threads: int | None) -> Refine:
    from mendpix.inpainting.hybrid import filler
    from mendpix.networks.serialization import choose_device

    device = choose_device("auto")
    return filler.exported(threads) if device.type == "cpu" else accelerated(str(device), threads)


def accelerated(device: str, threads: int | None = None) -> Refine:
    """The bundled network on a device, by PyTorch, or else by an ONNX Runtime that knows it.

    Args:
        device: as for :func:`load`, but "auto".

    Raises:
        WeightsError: PyTorch does not find the device.
        MendError: PyTorch is not installed.
    """
    from mendpix.inpainting.onnx import filler

    if find_spec("torch") is not None:
        from mendpix.inpainting.torch import load_filler

        try:
            return load_filler(cards.BUNDLED / "mender.safetensors", device, threads).refine
        except WeightsError:
            if not filler.runs_on(device):
                raise
    elif not filler.runs_on(device):
        raise MendError(
            f"auto runs on {device} by PyTorch, which is not installed; "
            "run: pip install 'mendpix[train]', or leave the device out"
        )
    return filler.OnnxFiller(cards.BUNDLED / "mender.onnx", device=device).refine


def _options(make: type[Any]) -> list[str]:
    """The options a filler is built with; where it takes an ``Options``, that one's fields too."""
    known = list(inspect.signature(make).parameters)
    if "changes" in known:
        known.remove("changes")
        known += [field.name for field in fields(make.options_type)]
    return known


def _file(name: str) -> Path:
    """The file or run folder that a name stands for: bundled, of the catalogue, or a path."""
    if name in CATALOGUE:
        return catalogue.find(name)
    path = cards.bundled().get(name) or Path(name).expanduser()
    if not path.exists():
        raise MendError(_unknown(name))
    return path


def _unknown(name: str) -> str:
    known = (*BUILT_IN, *cards.bundled(), *CATALOGUE)
    close = get_close_matches(name, known, n=1)
    meant = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
    return f"{name} is neither a filler's name nor a file or run folder; {meant}"


def _network(path: Path, device: str, threads: int | None, trust: bool) -> Filler:
    try:
        from mendpix.inpainting.torch import load_filler
        from mendpix.inpainting.torchscript import is_script, load_scripted
    except ModuleNotFoundError as missing:
        if missing.name != "torch":
            raise
        raise MendError(
            f"{path} needs PyTorch, which is not installed; run: pip install 'mendpix[train]'"
        ) from None
    script = is_script(path)
    if script and not trust:
        raise WeightsError(
            f"{path} is TorchScript, a program that could do anything; "
            "if you trust who made it, allow it with --trust (trust=True)"
        )
    filler: Filler = (load_scripted if script else load_filler)(path, device, threads)
    return filler


def _exported(
    path: Path, device: str, seed: int, threads: int | None, options: dict[str, Any]
) -> Filler:
    from mendpix.inpainting.onnx.filler import OnnxFiller

    adapter = options.pop("adapter", None)
    if options:
        raise MendError(f"{path} has no option {', '.join(sorted(options))}; it takes adapter")
    return started(OnnxFiller(path, adapter, threads=threads, device=device), seed, threads)


def started(filler: Any, seed: int = 0, threads: int | None = None) -> Filler:
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
        common = {"seed": seed, "threads": threads}
        filler.start = _built_in(filler.starts_with, "cpu", common, {})
    made: Filler = filler
    return made
