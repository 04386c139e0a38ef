"""Compile the inner loops once and keep them, or compile in memory where nothing can be kept."""

import importlib
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

log = logging.getLogger("mendpix.patchmatch")

_KERNELS = "mendpix.patchmatch.kernels"
_SOURCES = ("kernels.py", "voting.py")
_told = False


def compiled() -> bool:
    """Whether compiled kernels lie in a cache, so that the first fill need not wait for them.

    Looks at file names only, without importing Numba.
    """
    return all(_cached(Path(__file__).with_name(name)) for name in _SOURCES)


def _cached(source: Path) -> bool:
    written = source.stat().st_mtime
    places = (place for place in _places(source) if place.is_dir())
    found = [file for place in places for file in place.rglob(f"{source.stem}.*.nbi")]
    return any(file.stat().st_mtime >= written for file in found)


def _places(source: Path) -> list[Path]:
    """Where Numba keeps what it compiled, in the order it tries them."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        return [Path(chosen)]
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return [source.parent / "__pycache__", Path(home) / "numba"]


def kernels() -> ModuleType:
    """The compiled kernels; the first call of a process loads them, the first ever compiles."""
    kept = compiled()
    began = time.perf_counter()
    module = importlib.import_module(_KERNELS)
    if not kept and not module.__dict__.get("REPORTED"):
        module.__dict__["REPORTED"] = True
        log.info("compiled the PatchMatch kernels in %.1f s", time.perf_counter() - began)
    return module


def kernel(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function for one signature, free of the interpreter's lock, cached if possible."""
    from numba import njit

    def compile_(function: Callable[..., Any]) -> Any:
        try:
            return njit(signature, nogil=True, cache=True)(function)
        except (RuntimeError, OSError) as problem:  # Numba's "no locator available"; a full disk
            _tell(problem)
            return njit(signature, nogil=True)(function)

    return compile_


def _tell(problem: Exception) -> None:
    global _told
    if not _told:
        log.warning(
            "no folder to keep compiled kernels in, so every run compiles them anew; "
            "set NUMBA_CACHE_DIR to a writable folder (%s)",
            problem,
        )
        _told = True
