"""Compile the inner loops once and keep them, or compile in memory where nothing can be kept.

They are kept as machine code (:mod:`mendpix.inpainting.patchmatch.native_code`), which is there at
once. Where that cannot be had, an empty file says so, and Numba keeps them in files of its own.

With one of Numba's switches for debugging set, ``NUMBA_DISABLE_JIT=1`` (interpreted) or
``NUMBA_BOUNDSCHECK=1`` (an index beyond its array raises IndexError), nothing kept is used and
nothing is kept.
"""

import importlib
import logging
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from types import ModuleType, SimpleNamespace
from typing import Any

from mendpix.inpainting.patchmatch import native_code

log = logging.getLogger("mendpix.inpainting.patchmatch")

_KERNELS = "mendpix.inpainting.patchmatch.search_kernels"
_SOURCES = ("search_kernels.py", "voting_kernels.py")
_told = False
_lock = Lock()
_loaded: ModuleType | SimpleNamespace | None = None


def compiled() -> bool:
    """Whether compiled kernels lie in a file, so that the first fill need not wait for them.

    Looks for files only, without importing Numba.
    """
    path = _object()
    if path is None:
        return False
    return path.stat().st_size > 0 or all(_cached(source) for source in _sources())


def _sources() -> list[Path]:
    return [Path(__file__).with_name(name) for name in _SOURCES]


def _cached(source: Path) -> bool:
    """Whether Numba has kept what it compiled of a source."""
    written = source.stat().st_mtime
    places = (place for place in _places() if place.is_dir())
    found = [file for place in places for file in place.rglob(f"{source.stem}.*.nbi")]
    return any(file.stat().st_mtime >= written for file in found)


def _places() -> list[Path]:
    """Folders to keep the kernels in, the first that can be written: those that Numba uses."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        return [Path(chosen)]
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return [Path(__file__).with_name("__pycache__"), Path(home) / "numba"]


def _name() -> str:
    return f"mendpix-loops-{native_code.key(_sources())}.o"


def _object() -> Path | None:
    """The file of machine code for these sources and this processor."""
    name = _name()
    return next((place / name for place in _places() if (place / name).is_file()), None)


def kernels() -> ModuleType | SimpleNamespace:
    """The compiled kernels; the first call of a process loads them, the first ever compiles."""
    global _loaded
    with _lock:
        if _loaded is None:
            _loaded = _found() or _compiled()
        return _loaded


def _found() -> SimpleNamespace | None:
    """The kernels of the file of machine code; None where there is none, or no use in it."""
    path = _object()
    if path is None or _debugging():
        return None
    try:
        content = path.read_bytes()
        return native_code.load(content) if content else None
    except (native_code.NoObjectError, OSError) as problem:
        log.warning("%s cannot be used: %s; delete it", path, problem)
        return None


def _debugging() -> bool:
    switches = ("NUMBA_DISABLE_JIT", "NUMBA_BOUNDSCHECK")
    return any(os.environ.get(switch, "0") != "0" for switch in switches)


def _compiled() -> ModuleType:
    """Numba's kernels, compiled now or loaded from its own files; kept as machine code."""
    kept = compiled()
    began = time.perf_counter()
    module = importlib.import_module(_KERNELS)
    if kept or _debugging():
        return module
    if _object() is None:
        _keep(_made(module))
    log.info("compiled the PatchMatch kernels in %.1f s", time.perf_counter() - began)
    return module


def _made(module: ModuleType) -> bytes:
    """The kernels as machine code; nothing where they cannot be had so."""
    try:
        return native_code.make({name: getattr(module, name) for name in module.__all__})
    except Exception as problem:  # whatever Numba and LLVM do otherwise than expected
        log.debug("the kernels cannot be kept as machine code: %s", problem)
        return b""


def _keep(content: bytes) -> None:
    """Write the file of machine code, whole or not at all, in the first place that takes it."""
    problems = []
    for place in _places():
        try:
            place.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=place, suffix=".part", delete=False) as file:
                file.write(content)
            Path(file.name).chmod(0o644)  # others may use the same installation
            Path(file.name).replace(place / _name())
            return
        except OSError as problem:
            problems.append(problem)
    _tell(problems[-1])


def kernel(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function for one signature, free of the interpreter's lock.

    Numba keeps it where it is to (see above) and can.
    """
    from numba import njit

    def compile_(function: Callable[..., Any]) -> Any:
        if _object() is not None and not _debugging():
            try:
                return njit(signature, nogil=True, cache=True, error_model="numpy")(function)
            except (RuntimeError, OSError) as problem:  # "no locator available"; a full disk
                _tell(problem)
        return njit(signature, nogil=True, error_model="numpy")(function)

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
