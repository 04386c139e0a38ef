"""Measure the structure of the source: entries, sizes, names, import circles.

    python tools/measure_structure.py [--list]

Prints one line for each bar of CONTRIBUTING.md. With --list also what stands behind the figures:
participles among the function names, class names that are defined twice, the longest functions
and files. ``tests/docs/test_structure.py`` holds the bars.
"""

import argparse
import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "mendpix"

IRREGULAR = frozenset(
    [
        "bent",
        "begun",
        "borne",
        "bound",
        "bought",
        "broken",
        "brought",
        "built",
        "caught",
        "chosen",
        "dealt",
        "done",
        "drawn",
        "driven",
        "eaten",
        "fallen",
        "felt",
        "forgotten",
        "fought",
        "found",
        "frozen",
        "given",
        "gone",
        "got",
        "grown",
        "heard",
        "held",
        "hidden",
        "hung",
        "hurt",
        "kept",
        "laid",
        "led",
        "left",
        "lent",
        "lost",
        "made",
        "meant",
        "met",
        "paid",
        "ridden",
        "risen",
        "run",
        "said",
        "seen",
        "sent",
        "set",
        "shaken",
        "shown",
        "slept",
        "slid",
        "sold",
        "sought",
        "spent",
        "spoken",
        "stolen",
        "stood",
        "struck",
        "sunk",
        "swept",
        "swum",
        "taken",
        "taught",
        "thought",
        "thrown",
        "told",
        "torn",
        "understood",
        "wound",
        "woken",
        "won",
        "worn",
        "written",
    ]
)
"""Past participles that do not end in -ed."""
VERBS = frozenset({"embed", "feed", "need", "run", "seed", "set", "shed", "speed"})
"""Imperatives (or nouns) that look like participles."""


@dataclass(frozen=True)
class Function:
    """A function as it stands in the source.

    Attributes:
        lines: of its body, without the docstring.
    """

    path: str
    name: str
    lines: int


def sources() -> Iterator[tuple[Path, ast.Module]]:
    """Every module of the package, parsed."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def entries() -> list[str]:
    """What lies directly in the package."""
    return sorted(path.name for path in PACKAGE.iterdir() if path.name != "__pycache__")


def functions() -> list[Function]:
    """All functions and methods."""
    return [
        Function(path.relative_to(PACKAGE).as_posix(), node.name, count_body_lines(node))
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def count_body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement after the docstring to the end."""
    first = node.body[0]
    before = first.end_lineno if ast.get_docstring(node) is not None else first.lineno - 1
    return (node.end_lineno or 0) - (before or 0)


def is_participle(name: str) -> bool:
    """Whether a name is one past participle, such as ``_said`` or ``measured``."""
    word = name.strip("_")
    return word not in VERBS and (word in IRREGULAR or (word.endswith("ed") and "_" not in word))


def duplicate_classes() -> dict[str, list[str]]:
    """Class names that are defined more than once, with the modules."""
    places: dict[str, list[str]] = {}
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                module = path.relative_to(PACKAGE).as_posix()
                places.setdefault(node.name, []).append(module)
    return {name: modules for name, modules in places.items() if len(modules) > 1}


def file_lengths() -> Counter[str]:
    """Lines of each module."""
    return Counter(
        {
            path.relative_to(PACKAGE).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
            for path in PACKAGE.rglob("*.py")
        }
    )


def import_circle() -> list[str]:
    """Modules that import each other in a circle when they are loaded; empty where none do."""
    modules = {dotted(path): path for path, _ in sources()}
    graph = {
        dotted(path): set(imported(tree, modules)) - {dotted(path)} for path, tree in sources()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        return list(circle.args[1])
    return []


def dotted(path: Path) -> str:
    """A module's name."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.Module, modules: dict[str, Path]) -> Iterator[str]:
    """The package's modules that a module imports at its top level, but for type checking."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module in modules:
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                yield inner if inner in modules else node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in modules)


def main() -> None:
    """Read the command line and print."""
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument("--list", action="store_true", help="print what stands behind the figures")
    options = reader.parse_args()
    found = functions()
    lines = sorted(function.lines for function in found)
    participles = [function for function in found if is_participle(function.name)]
    twice, lengths, circle = duplicate_classes(), file_lengths(), import_circle()
    print(f"entries in src/mendpix: {len(entries())}")
    print(f"functions: {len(found)}, body lines: median {lines[len(lines) // 2]}, ", end="")
    print(f"90 % at most {lines[int(0.9 * len(lines))]}, longest {lines[-1]}")
    print(f"participles: {len(participles)} ({len(participles) / len(found):.1%})")
    print(f"class names defined twice or more: {len(twice)}")
    print("longest file: {} ({} lines)".format(*lengths.most_common(1)[0]))
    print(f"import circle: {' -> '.join(circle) or 'none'}")
    if options.list:
        print(*(f"{f.path}: {f.name}" for f in participles), sep="\n")
        print(*(f"{name}: {', '.join(modules)}" for name, modules in twice.items()), sep="\n")


if __name__ == "__main__":
    main()
