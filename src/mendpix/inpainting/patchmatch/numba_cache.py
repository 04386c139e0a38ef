"""Compile the loops once, and cache them as machine code that is loaded without Numba.

Why not Numba's own cache alone: importing Numba and unpickling what it caches takes more than a
second of processor time at every start, as much as many a fill. The loops allocate and raise
nothing, so LLVM, which Numba compiles with, can write them into an object file, and load that in
milliseconds. This takes from Numba a function's LLVM code (``inspect_llvm``) and its "CPU calling
convention" (``numba.core.callconv``): two pointers for what it returns and raises, then the
arguments, an array as owner, parent, size, item size, data, shape and strides. The parameters, and
a result, are compared with Numba's first; where anything differs, an empty file says so, and Numba
caches its functions itself.

With one of Numba's switches for debugging set, ``NUMBA_DISABLE_JIT=1`` (interpreted) or
``NUMBA_BOUNDSCHECK=1`` (an index beyond its array raises IndexError), no cache is read or written.
"""

import ctypes
import hashlib
import importlib
import json
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from types import ModuleType, SimpleNamespace
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numpy as np

from mendpix.io.atomic import atomic_write
from mendpix.io.paths import find_cache

log = logging.getLogger("mendpix.inpainting.patchmatch")

_MODULE = "mendpix.inpainting.patchmatch.search_kernels"
_SOURCES = ("search_kernels.py", "voting_kernels.py", Path(__file__).name)
_PREFIX = "mendpix_"  # of the functions' names in machine code, so that they are nobody else's
_C_FUNCTIONS = {"exp": "expf", "memset": "memset", "memcpy": "memcpy", "memmove": "memmove"}
"""Which of LLVM's intrinsics become calls of C's functions; the others become instructions."""
_RELEASE = "define void @NRT_MemInfo_call_dtor(ptr %owner) { ret void }"
"""What Numba calls to free an array that nobody owns any more: none passed here has an owner."""
_SCALARS = {
    "bool": (ctypes.c_bool, "i8"),
    "int64": (ctypes.c_int64, "i64"),
    "uint64": (ctypes.c_uint64, "i64"),
    "float32": (ctypes.c_float, "float"),
}

Parameter = tuple[str, int]
"""NumPy's name of a parameter's type, and its dimensions: 0 for a scalar."""

_lock = Lock()
_loaded: ModuleType | SimpleNamespace | None = None


@dataclass(frozen=True, slots=True)
class Loop:
    """A function in machine code, called like the one it was made of; without Python's lock.

    Attributes:
        engine: owns the code and frees it when nobody refers to it any more.
    """

    parameters: tuple[Parameter, ...]
    function: Callable[..., int]
    engine: Any

    def __call__(self, *values: Any) -> None:
        """Call the function; an array of another type or layout raises TypeError."""
        passed: list[Any] = []
        for (kind, dimensions), value in zip(self.parameters, values, strict=True):
            if not dimensions:
                passed.append(value.item() if isinstance(value, np.generic) else value)
                continue
            fits = value.dtype == kind and value.ndim == dimensions
            if not (fits and value.flags.c_contiguous):
                raise TypeError(f"{value.dtype} {value.shape} is no contiguous {kind} array")
            data = value.__array_interface__["data"][0]
            passed += [None, None, value.size, value.itemsize, data, *value.shape, *value.strides]
        returned, raised = ctypes.c_void_p(), ctypes.c_void_p()
        if self.function(ctypes.addressof(returned), ctypes.addressof(raised), *passed):
            raise RuntimeError("a compiled loop failed")


def kernels() -> ModuleType | SimpleNamespace:
    """The compiled loops; the first call of a process loads them, the first ever compiles."""
    global _loaded
    with _lock:
        if _loaded is None:
            _loaded = _load_cached() or _compile()
        return _loaded


def compiled() -> bool:
    """Whether compiled loops are cached, told by files only, without importing Numba."""
    return _find_file() is not None


def kernel(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function for one signature, free of the interpreter's lock."""
    from numba import njit

    def compile_(function: Callable[..., Any]) -> Any:
        if _find_file() is not None and not _is_debugging():  # it is of no use, or is not here
            try:
                return njit(signature, nogil=True, cache=True, error_model="numpy")(function)
            except (RuntimeError, OSError):  # "no locator available"; a full disk
                _warn()
        return njit(signature, nogil=True, error_model="numpy")(function)

    return compile_


def _load_cached() -> SimpleNamespace | None:
    """The loops of the file of machine code; None where there is none, or no use in it."""
    path = _find_file()
    if path is None or _is_debugging():
        return None
    try:
        content = path.read_bytes()
        return load(content) if content else None
    except (RuntimeError, ValueError, OSError) as problem:
        log.warning("%s cannot be used: %s; delete it", path, problem)
        return None


def _compile() -> ModuleType:
    """Numba's functions, compiled now or read from its own cache; cached as machine code."""
    cached, began = compiled(), time.perf_counter()
    module = importlib.import_module(_MODULE)
    if not (cached or _is_debugging()):
        _write(_make_checked(module))
        log.info("compiled the PatchMatch kernels in %.1f s", time.perf_counter() - began)
    return module


def _make_checked(module: ModuleType) -> bytes:
    """The functions as machine code that computes what they do; else nothing."""
    try:
        content = make({name: getattr(module, name) for name in module.__all__})
        if _halve_something(load(content)) != _halve_something(module):
            raise RuntimeError("the machine code computes something else")
    except Exception as problem:  # whatever a version of Numba or LLVM does otherwise
        log.debug("the loops cannot be cached as machine code: %s", problem)
        return b""
    return content


def _halve_something(loops: ModuleType | SimpleNamespace) -> bytes:
    """What a loop makes of arrays of one to three dimensions."""
    features = np.arange(96, dtype=np.uint8).reshape(6, 8, 2)
    mass = np.linspace(0, 1, 48, dtype=np.float32).reshape(6, 8)
    small, small_mass = np.zeros((3, 4, 2), np.uint8), np.zeros((3, 4), np.float32)
    order, sums = np.array([0, 2], np.int32), np.empty(2, np.float32)
    loops.halve(order, features, mass, small, small_mass, sums)
    return small.tobytes() + small_mass.tobytes()


def _is_debugging() -> bool:
    switches = (os.environ.get(f"NUMBA_{name}", "0") for name in ("DISABLE_JIT", "BOUNDSCHECK"))
    return any(switch != "0" for switch in switches)


def _folders() -> list[Path]:
    """Folders for the cache, the first that can be written: those that Numba uses."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        return [Path(chosen)]
    own, cache = Path(__file__).with_name("__pycache__"), find_cache()
    return [own, cache / "numba"] if cache else [own]


def _find_file() -> Path | None:
    """The file of machine code for these sources, this version of LLVM, and this processor."""
    name = file_name()
    return next((path for folder in _folders() if (path := folder / name).is_file()), None)


def file_name() -> str:
    """The name of the file of machine code, with a hash of all that the code hangs on."""
    parts = [Path(__file__).with_name(name).read_bytes() for name in _SOURCES]
    texts = (llvmlite.__version__, llvm.get_default_triple(), *_find_processor())
    digest = hashlib.sha256(b"\0".join([*parts, *(text.encode() for text in texts)]))
    return f"mendpix-loops-{digest.hexdigest()[:16]}.o"


def _find_processor() -> tuple[str, str]:
    """LLVM's name of the processor and its features, or those that Numba's settings ask for."""
    name = os.environ.get("NUMBA_CPU_NAME")
    if name:
        return name, os.environ.get("NUMBA_CPU_FEATURES", "")
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def _write(content: bytes) -> None:
    """Write the file of machine code, in the first folder that takes it."""
    for folder in _folders():
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            with atomic_write(folder / file_name()) as path:
                path.write_bytes(content)
            return
    _warn()


@cache
def _warn() -> None:
    log.warning(
        "no folder to keep compiled kernels in, so every run compiles them anew; "
        "set NUMBA_CACHE_DIR to a writable folder"
    )


def make(dispatchers: dict[str, Any]) -> bytes:
    """An object file of compiled functions, after a line that describes them.

    Args:
        dispatchers: Numba's functions by name, each compiled for one signature in this process.

    Raises:
        RuntimeError: they call more than C's functions, are called otherwise, or were read from
            Numba's own cache, which lacks their LLVM code.
    """
    target = _create_target()
    whole, table = llvm.parse_assembly(_RELEASE), {}
    for name, dispatcher in dispatchers.items():
        table[name] = [_describe(kind) for kind in dispatcher.signatures[0]]
        whole.link_in(_extract(name, dispatcher, table[name], target))
    whole.get_function("NRT_MemInfo_call_dtor").linkage = "internal"
    check_calls([one.name for one in whole.functions if one.is_declaration])
    code: bytes = target.emit_object(whole)
    head = {"sha256": hashlib.sha256(code).hexdigest(), "loops": table}
    return json.dumps(head).encode() + b"\n" + code


def _describe(kind: Any) -> Parameter:
    """A type of Numba's as a parameter."""
    if hasattr(kind, "ndim"):
        if kind.layout != "C":
            raise RuntimeError(f"{kind} is not contiguous")
        return str(kind.dtype.name).replace("boolean", "bool"), kind.ndim
    return str(kind.name).replace("boolean", "bool"), 0


def _expand(parameters: list[Parameter]) -> list[tuple[Any, str]]:
    """What is really passed: types of ctypes and of LLVM."""
    pointer, number = (ctypes.c_void_p, "ptr"), (ctypes.c_int64, "i64")
    types: list[tuple[Any, str]] = [pointer, pointer]
    for kind, dimensions in parameters:
        array = [pointer, pointer, number, number, pointer, *[number] * (2 * dimensions)]
        types += array if dimensions else [_SCALARS[kind]]
    return types


def _extract(name: str, dispatcher: Any, parameters: list[Parameter], target: Any) -> Any:
    """The LLVM module of one function, without its wrappers for Python."""
    signature = dispatcher.signatures[0]
    module = llvm.parse_assembly(dispatcher.inspect_llvm(signature))
    entry = dispatcher.overloads[signature].fndesc.llvm_func_name
    for one in (*module.functions, *module.global_variables):
        if not one.is_declaration and one.name != entry:
            one.linkage = "internal"  # so that it goes where nothing needs it
    function = module.get_function(entry)
    function.name = _PREFIX + name
    if [str(one.type) for one in function.arguments] != [text for _, text in _expand(parameters)]:
        raise RuntimeError(f"{name} is called otherwise")
    clean = llvm.create_new_module_pass_manager()
    clean.add_global_dead_code_eliminate_pass()
    clean.run(module, llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options()))
    return module


def check_calls(names: list[str]) -> None:
    """Refuse functions that are not LLVM's, or C's in this process: LLVM would end it."""
    parts = [name.split(".") for name in names]
    strange = [".".join(one) for one in parts if one[0] != "llvm"]
    wanted = {_C_FUNCTIONS[one[1]] for one in parts if len(one) > 1 and one[1] in _C_FUNCTIONS}
    strange += [name for name in sorted(wanted) if llvm.address_of_symbol(name) is None]
    if strange:
        raise RuntimeError(f"the loops call {', '.join(strange)}")


def load(content: bytes) -> SimpleNamespace:
    """The functions of an object file, by name.

    Raises:
        RuntimeError, ValueError: a damaged file.
    """
    head, _, code = content.partition(b"\n")
    table = json.loads(head)
    if hashlib.sha256(code).hexdigest() != table["sha256"]:
        raise RuntimeError("the file is damaged")
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _create_target())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    loops = SimpleNamespace()
    for name, parameters in table["loops"].items():
        types = [kind for kind, _ in _expand(parameters)]
        function = ctypes.CFUNCTYPE(ctypes.c_int32, *types)
        address = engine.get_function_address(_PREFIX + name)
        setattr(loops, name, Loop(tuple(parameters), function(address), engine))
    return loops


def _create_target() -> Any:
    """LLVM's code generator for this processor, with the settings of Numba's own."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    reloc = "static" if target.name.startswith("x86") else "default"
    cpu, features = _find_processor()
    return target.create_target_machine(
        cpu=cpu, features=features, opt=3, reloc=reloc, codemodel="jitdefault", jit=True
    )
