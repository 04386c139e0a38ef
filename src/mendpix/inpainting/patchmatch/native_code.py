"""The compiled loops as plain machine code, which is loaded without Numba.

Importing Numba and reading what it keeps takes half a second of every start. But what it makes of
the loops, which ask for no memory and raise nothing, is machine code like any other: LLVM, which
Numba compiles with, writes it into one object file and loads it from there in a few milliseconds.
Where anything about that fails, Numba's own functions serve.

A loop is called as Numba's "CPU calling convention" has it
(https://numba.readthedocs.io/en/stable/developer/generators.html and ``numba.core.callconv``): two
pointers for what it returns and raises, then its arguments, an array as owner, parent, size, size
of an item, data, shape and strides. A file whose functions take anything else is not kept.
"""

import ctypes
import hashlib
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

PREFIX = "mendpix_"
"""What the functions' names begin with, so that they are nobody else's."""
BECOMES = {"exp": "expf", "memset": "memset", "memcpy": "memcpy", "memmove": "memmove"}
"""Which of LLVM's own functions become calls of C's; the others become machine code."""

_NO_OWNER = "define void @NRT_MemInfo_call_dtor(ptr %owner) { ret void }"
"""What Numba does with an array that nobody owns any more: nothing, as none passed has an owner."""

_SCALARS = {
    "bool": (ctypes.c_bool, "i8"),
    "int64": (ctypes.c_int64, "i64"),
    "uint64": (ctypes.c_uint64, "i64"),
    "float32": (ctypes.c_float, "float"),
}


class NoObjectError(Exception):
    """No machine code can be had this way; the reason."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a loop: NumPy's name of the kind, and dimensions, 0 for a number."""

    kind: str
    dimensions: int

    @property
    def types(self) -> list[tuple[Any, str]]:
        """What is really passed: ctypes' types and LLVM's."""
        if not self.dimensions:
            return [_SCALARS[self.kind]]
        pointer, number = (ctypes.c_void_p, "ptr"), (ctypes.c_int64, "i64")
        return [pointer, pointer, number, number, pointer, *[number] * (2 * self.dimensions)]

    def passed(self, value: Any) -> list[Any]:
        """A value as it is passed.

        Raises:
            TypeError: an array of another kind or layout.
        """
        if not self.dimensions:
            return [value.item() if isinstance(value, np.generic) else value]
        fits = value.dtype == self.kind and value.ndim == self.dimensions
        if not (fits and value.flags.c_contiguous):
            raise TypeError(f"{value.dtype} {value.shape} is no contiguous {self}")
        where = value.__array_interface__["data"][0]
        return [None, None, value.size, value.itemsize, where, *value.shape, *value.strides]


@dataclass(frozen=True, slots=True)
class Loop:
    """A function in machine code, called like the one it was made of; free of Python's lock."""

    arguments: tuple[Argument, ...]
    function: Callable[..., int]
    engine: Any
    """What owns the code and frees it when nobody refers to it any more."""

    def __call__(self, *values: Any) -> None:
        given = zip(self.arguments, values, strict=True)
        passed = [part for argument, value in given for part in argument.passed(value)]
        returned, raised = ctypes.c_void_p(), ctypes.c_void_p()
        if self.function(ctypes.addressof(returned), ctypes.addressof(raised), *passed):
            raise RuntimeError("a compiled loop failed")


def key(sources: Iterable[Path]) -> str:
    """What a file must be made of to be used here: sources, LLVM and processor."""
    import llvmlite

    parts = [path.read_bytes() for path in (*sources, Path(__file__))]
    parts += [text.encode() for text in (llvmlite.__version__, *_processor())]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _processor() -> tuple[str, str]:
    """LLVM's name of the processor and its features, or those that Numba's settings ask for."""
    import llvmlite.binding as llvm

    name = os.environ.get("NUMBA_CPU_NAME")
    if name:
        return name, os.environ.get("NUMBA_CPU_FEATURES", "")
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def _target() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    reloc = "static" if target.name.startswith("x86") else "default"
    cpu, features = _processor()
    return target.create_target_machine(
        cpu=cpu, features=features, opt=3, reloc=reloc, codemodel="jitdefault", jit=True
    )


def make(dispatchers: dict[str, Any]) -> bytes:
    """An object file of compiled functions, after a line that describes them.

    Args:
        dispatchers: Numba's functions by name, each compiled for one signature in this process.

    Raises:
        NoObjectError: they come from Numba's files, call what is not C's, or are called otherwise.
    """
    import llvmlite.binding as llvm

    target = _target()
    whole, table = llvm.parse_assembly(_NO_OWNER), {}
    for name, dispatcher in dispatchers.items():
        arguments = [_argument(kind) for kind in dispatcher.signatures[0]]
        whole.link_in(_alone(name, dispatcher, arguments, target))
        table[name] = [asdict(argument) for argument in arguments]
    whole.get_function("NRT_MemInfo_call_dtor").linkage = "internal"
    calls = _calls(one.name for one in whole.functions if one.is_declaration)
    code: bytes = target.emit_object(whole)
    head = {"sha256": hashlib.sha256(code).hexdigest(), "calls": calls, "loops": table}
    return json.dumps(head).encode() + b"\n" + code


def _calls(names: Iterable[str]) -> list[str]:
    """C's functions behind the functions that a module calls but does not hold."""
    parts = [name.split(".") for name in names]
    strange = [".".join(one) for one in parts if one[0] != "llvm"]
    if strange:
        raise NoObjectError(f"the loops call {', '.join(strange)}")
    return sorted({BECOMES[one[1]] for one in parts if one[1] in BECOMES})


def _argument(kind: Any) -> Argument:
    if hasattr(kind, "ndim"):
        if kind.layout != "C":
            raise NoObjectError(f"{kind} is not contiguous")
        return Argument(_name(kind.dtype), kind.ndim)
    return Argument(_name(kind), 0)


def _name(kind: Any) -> str:
    return "bool" if kind.name in ("bool", "boolean") else str(kind.name)


def _alone(name: str, dispatcher: Any, arguments: list[Argument], target: Any) -> Any:
    """The module of one function, without what surrounds it for Python."""
    import llvmlite.binding as llvm

    signature = dispatcher.signatures[0]
    try:
        text = dispatcher.inspect_llvm(signature)
    except RuntimeError as problem:  # compiled in another process
        raise NoObjectError(str(problem)) from None
    module = llvm.parse_assembly(text)
    entry = dispatcher.overloads[signature].fndesc.llvm_func_name
    for one in module.functions:
        if not one.is_declaration and one.name != entry:
            one.linkage = "internal"
    for variable in module.global_variables:
        if not variable.is_declaration:
            variable.linkage = "internal"
    function = module.get_function(entry)
    function.name = PREFIX + name
    wanted = ["ptr", "ptr", *(llvm_ for one in arguments for _, llvm_ in one.types)]
    if [str(one.type) for one in function.arguments] != wanted:
        raise NoObjectError(f"{name} is called otherwise")
    clean = llvm.create_new_module_pass_manager()
    clean.add_global_dead_code_eliminate_pass()
    clean.run(module, llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options()))
    return module


def load(content: bytes) -> SimpleNamespace:
    """The functions of an object file, by name.

    Raises:
        NoObjectError: a damaged file, or one that calls what is not in this process.
    """
    import llvmlite.binding as llvm

    head, _, code = content.partition(b"\n")
    try:
        table = json.loads(head)
    except ValueError as problem:
        raise NoObjectError(str(problem)) from None
    if hashlib.sha256(code).hexdigest() != table["sha256"]:
        raise NoObjectError("the file is damaged")
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target())
    missing = [name for name in table["calls"] if llvm.address_of_symbol(name) is None]
    if missing:  # LLVM would end the process
        raise NoObjectError(f"{', '.join(missing)} is not in this process")
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    found = SimpleNamespace()
    for name, rows in table["loops"].items():
        arguments = tuple(Argument(**row) for row in rows)
        address = engine.get_function_address(PREFIX + name)
        setattr(found, name, Loop(arguments, _prototype(arguments)(address), engine))
    return found


def _prototype(arguments: Iterable[Argument]) -> Any:
    types = [kind for one in arguments for kind, _ in one.types]
    return ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, *types)
