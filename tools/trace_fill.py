"""Print the way of one default fill through the source: files and functions in calling order.

    python tools/trace_fill.py [PHOTO MASK] [--functions]

Runs ``mendpix fill`` in this process and notes every call of a function of this package, in every
thread: calls, not imports. Comprehensions count with the function that holds them. Prints each
file with its functions in the order in which they were first entered, then how many files and
functions there were and how many of the package's frames were stacked at most.
"""

import argparse
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType

ROOT = Path(__file__).parents[1]
PACKAGE = str(ROOT / "src" / "mendpix")
INLINE = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>", "<module>")


@dataclass
class Trace:
    """What was called: code objects in first-call order, and the deepest stack."""

    calls: dict[CodeType, None] = field(default_factory=dict)
    depth: int = 0
    deepest: list[str] = field(default_factory=list)

    def note(self, frame: FrameType, event: str, argument: object) -> None:
        """A profiling function, see :func:`sys.setprofile`."""
        code = frame.f_code
        if event != "call" or not is_counted(code):
            return
        self.calls.setdefault(code)
        stack = [code for code in stacked(frame) if is_counted(code)]
        if len(stack) > self.depth:
            self.depth = len(stack)
            self.deepest = [f"{module(code)}:{code.co_qualname}" for code in reversed(stack)]

    def files(self) -> dict[str, list[str]]:
        """The functions of each file, both in the order of first calls."""
        found: dict[str, list[str]] = {}
        for code in self.calls:
            found.setdefault(module(code), []).append(code.co_qualname)
        return found


def is_counted(code: CodeType) -> bool:
    """Whether this is a function of the package."""
    return code.co_filename.startswith(PACKAGE) and code.co_name not in INLINE


def module(code: CodeType) -> str:
    """The file of a function, as seen from the package."""
    return code.co_filename.removeprefix(PACKAGE).lstrip("/\\")


def stacked(frame: FrameType | None) -> Iterator[CodeType]:
    """The code of a frame and of all that wait for it."""
    while frame is not None:
        yield frame.f_code
        frame = frame.f_back


@contextmanager
def tracing() -> Iterator[Trace]:
    """Note calls of every thread while the block runs."""
    trace = Trace()
    threading.setprofile(trace.note)
    sys.setprofile(trace.note)
    try:
        yield trace
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]


def trace_fill(photo: Path, mask: Path) -> Trace:
    """The calls of ``mendpix fill PHOTO MASK``, imports done beforehand by a first fill."""
    from mendpix.cli import app

    with tempfile.TemporaryDirectory() as folder:
        words = ["fill", str(photo), str(mask), "--out", str(Path(folder) / "out.png")]
        app(words, standalone_mode=False)  # compiles and imports
        with tracing() as trace:
            app(words, standalone_mode=False)
    return trace


def main() -> None:
    """Read the command line and print."""
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument("photo", nargs="?", type=Path, default=ROOT / "examples" / "bay.jpg")
    reader.add_argument("mask", nargs="?", type=Path, default=ROOT / "examples" / "bay-mask.png")
    reader.add_argument("--functions", action="store_true", help="print each file's functions")
    options = reader.parse_args()
    trace = trace_fill(options.photo, options.mask)
    for name, functions in trace.files().items():
        print(f"{name}: {len(functions)}")
        if options.functions:
            print(*(f"    {function}" for function in functions), sep="\n")
    print(f"{len(trace.files())} files, {len(trace.calls)} functions, {trace.depth} deep:")
    print(*(f"    {name}" for name in trace.deepest), sep="\n")


if __name__ == "__main__":
    main()
