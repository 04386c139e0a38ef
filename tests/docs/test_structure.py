"""The bars of the source's structure: what a stranger needs to find their way."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
structure = runpy.run_path(str(ROOT / "tools" / "measure_structure.py"))
KEPT = ROOT / "tools" / "participles.txt"


def test_few_entries_in_the_package() -> None:
    assert len(structure["entries"]()) <= 16


def test_functions_and_files_are_short() -> None:
    lines = sorted(function.lines for function in structure["functions"]())
    assert lines[len(lines) // 2] <= 6
    assert lines[int(0.9 * len(lines))] <= 16
    assert lines[-1] <= 60
    assert max(structure["file_lengths"]().values()) <= 320


def test_functions_are_verbs_but_for_a_list_with_reasons() -> None:
    functions = structure["functions"]()
    found = {(f.path, f.name) for f in functions if structure["is_participle"](f.name)}
    kept = [line.split(" ", 2) for line in KEPT.read_text(encoding="utf-8").splitlines() if line]
    assert all(len(line) == 3 and line[2] for line in kept), "each line: path, name, reason"
    assert found == {(path, name) for path, name, _ in kept}
    assert len(found) <= 0.01 * len(functions)


@pytest.mark.parametrize("name", ["said", "_kept", "measured", "_found"])
def test_participles_are_told(name: str) -> None:
    assert structure["is_participle"](name)


@pytest.mark.parametrize("name", ["read", "run", "_feed", "seed", "is_closed", "check_changed"])
def test_verbs_are_none(name: str) -> None:
    assert not structure["is_participle"](name)


def test_class_names_are_unique() -> None:
    assert structure["duplicate_classes"]() == {}


def test_modules_import_each_other_in_no_circle() -> None:
    assert structure["import_circle"]() == []
