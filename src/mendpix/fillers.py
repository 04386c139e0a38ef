"""Fillers: what one is, how to get one by name, and the promise that known values come back."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from mendpix import catalogue, models, windows
from mendpix.catalogue import CATALOGUE
from mendpix.errors import MaskError, MendError, TensorError, WeightsError

Photo = NDArray[np.float32]
Hole = NDArray[np.bool_]
Progress = Callable[[float], None]

SLACK = 1e-3
"""How far outside [0, 1] a known value may lie: the rounding of resizing."""


class Filler(Protocol):
    """Anything that fills holes; nobody needs to inherit from it.

    Built with its options, then called as ``filler(photo, hole, progress=None) -> photo``:

    - photo: ``(H, W, C)`` float32, in [0, 1] where known;
    - hole: ``(H, W)`` bool, True = missing; what lies under it is never looked at;
    - progress: called with the share done, in [0, 1], at least twice a second on long work; it
      may raise :class:`~mendpix.errors.Cancelled`.

    ``channels`` is 3, or "any" for a filler that takes any C. One that has ``skips_nan = True``
    takes known pixels that are NaN as unusable: no source, and not to be filled either.
    """

    @property
    def channels(self) -> Literal[3, "any"]: ...

    def __call__(self, photo: Photo, hole: Hole, progress: Progress | None = None) -> Photo: ...


class Faithful:
    """Another filler, with its inputs checked and every known value copied back.

    What the filler inside sees never depends on what lies under the hole. Photos of other than
    three channels reach a filler for three one channel at a time, repeated and averaged back.
    Known pixels that are not finite are no source, and come back as they were.
    """

    channels: Literal["any"] = "any"

    def __init__(self, inner: Filler) -> None:
        self.inner = inner

    @property
    def card(self) -> dict[str, Any]:
        """What the weights file inside says of itself; empty where there is none."""
        return dict(getattr(self.inner, "card", {}))

    def prepare(self) -> None:
        """Do now what the first fill would do once: compile what is to be compiled."""
        for filler in (self.inner, getattr(self.inner, "start", None)):
            getattr(filler, "prepare", lambda: None)()

    def __call__(self, photo: Photo, hole: Hole, progress: Progress | None = None) -> Photo:
        """Fill ``photo`` ``(H, W, C)`` where ``hole`` ``(H, W)`` is True; see :class:`Filler`.

        Raises:
            TensorError: an array of another shape, kind or range.
            MaskError: everything is missing.
            MendError: the filler inside gave values that are no numbers.
        """
        check(photo, hole)
        filled = photo.copy()
        if hole.any():
            filled[hole] = self.missing(photo.copy(), hole, progress)
        return filled

    def missing(self, photo: Photo, hole: Hole, progress: Progress | None = None) -> Photo:
        """Only the values ``(N, C)`` of the missing pixels, without a second copy of the photo.

        ``photo`` is used up: it is changed. Raises what a call raises, except for wrong arrays,
        which are not looked for.
        """
        gap = self._hidden(photo, hole)
        if not (np.isfinite(photo[..., 0]) & ~gap).any():
            raise MaskError(
                f"all {hole.size} pixels are missing or unusable, so nothing is left to fill "
                "from; leave some known, or invert the mask"
            )
        made = self._by_channels(photo, gap, progress)[hole]
        if not np.isfinite(made).all():
            raise MendError(f"{type(self.inner).__name__} gave values that are no numbers")
        return made

    def tries(
        self, photo: Photo, hole: Hole, count: int, progress: Progress | None = None
    ) -> Iterator[Photo]:
        """``count`` fills to choose from, the likeliest first: values as of :meth:`missing`.

        Raises:
            MendError: the filler inside has one fill only.
        """
        candidates = getattr(self.inner, "candidates", None)
        if candidates is None:
            name = type(self.inner).__name__
            raise MendError(f"{name} has 1 fill, not {count}; ask the model 'auto' for more")
        gap = self._hidden(photo, hole)
        for made in candidates(photo, gap, count, progress):
            yield made[hole]

    def _hidden(self, photo: Photo, hole: Hole) -> Hole:
        """Leave nothing to see under the hole; what the filler is to call missing."""
        unusable = ~windows.finite(photo) & ~hole
        photo[hole] = 0
        if not unusable.any():
            return hole
        if getattr(self.inner, "skips_nan", False):
            photo[unusable] = np.nan
            return hole
        photo[unusable] = 0
        return hole | unusable

    def _by_channels(self, photo: Photo, hole: Hole, progress: Progress | None) -> Photo:
        count = photo.shape[2]
        if self.inner.channels == "any" or count == 3:
            return self.inner(photo, hole, progress)
        planes = []
        for index in range(count):
            grey = np.repeat(photo[..., index : index + 1], 3, axis=2)
            told = portion(progress, index, count)
            planes.append(self.inner(grey, hole, told).mean(axis=2))
        return np.stack(planes, axis=2)


def portion(progress: Progress | None, index: int, count: int) -> Progress | None:
    """What the ``index``-th of ``count`` equal parts of a work tells its progress to."""
    return None if progress is None else lambda share: progress((index + share) / count)


def check(photo: Photo, hole: Hole) -> None:
    """Refuse arrays that are no photo ``(H, W, C)`` in [0, 1] with its hole ``(H, W)``.

    Raises:
        TensorError: names what was given and what is wanted.
    """
    if photo.ndim != 3 or photo.dtype != np.float32:
        raise TensorError(
            f"photo is {photo.dtype} of shape {photo.shape} but must be float32 (H, W, C); "
            "mendpix.fill() takes other kinds"
        )
    if hole.dtype != np.bool_ or hole.shape != photo.shape[:2]:
        raise TensorError(
            f"hole is {hole.dtype} of shape {hole.shape} but must be bool {photo.shape[:2]}; "
            "give mask > 0 at the photo's size"
        )
    known = np.isfinite(photo) & ~hole[..., None]
    low, high = photo.min(where=known, initial=0), photo.max(where=known, initial=1)
    if low < -SLACK or high > 1 + SLACK:
        raise TensorError(
            f"photo spans [{low:g}, {high:g}] where known but must lie in [0, 1]; "
            "divide by 255, or let mendpix.fill() scale it"
        )


def _mender() -> type[Any]:
    from mendpix.mending import Mender

    return Mender


def _patchmatch() -> type[Any]:
    from mendpix.patchmatch import PatchMatch

    return PatchMatch


def _telea() -> type[Any]:
    from mendpix.classical import Telea

    return Telea


def _navier_stokes() -> type[Any]:
    from mendpix.classical import NavierStokes

    return NavierStokes


def _mean_colour() -> type[Any]:
    from mendpix.classical import MeanColour

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
) -> Faithful:
    """A filler by name, or from a weights file or a run folder.

    Args:
        model: "auto" (the best there is), "patchmatch", "telea", "navier-stokes", "mean-colour",
            a weights file (this project's ``.safetensors``, or a released ``.pth``), an exported
            network (``.onnx``), the folder of a training run, or a network of the catalogue
            that has been fetched, such as "migan".
        seed: of a filler that draws random numbers; the same seed gives the same bytes.
        device: "auto", "cpu", "cuda", "cuda:1", "mps"; fillers without a network run on the CPU.
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
        return Faithful(_built_in(name, device, {"seed": seed, "threads": threads}, options))
    path = _file(name)
    if path.suffix == ".onnx":
        return Faithful(_exported(path, device, seed, threads, options))
    if options:
        raise MendError(f"{name} has no option {', '.join(sorted(options))}; leave it out")
    return Faithful(started(_network(path, device, threads, trust), seed, threads))


def _built_in(name: str, device: str, common: dict[str, Any], options: dict[str, Any]) -> Filler:
    if device not in ("auto", "cpu"):
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
    path = models.bundled().get(name) or Path(name).expanduser()
    if not path.exists():
        raise MendError(_unknown(name))
    return path


def _unknown(name: str) -> str:
    known = (*BUILT_IN, *models.bundled(), *CATALOGUE)
    close = get_close_matches(name, known, n=1)
    meant = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
    return f"{name} is neither a filler's name nor a file or run folder; {meant}"


def _network(path: Path, device: str, threads: int | None, trust: bool) -> Filler:
    try:
        from mendpix.networks.filler import load_filler
        from mendpix.networks.scripted import is_script, load_scripted
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
    from mendpix.runtime import OnnxFiller

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
