"""The loops as machine code: the same bytes as Numba's, kept and taken again with care."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mendpix.inpainting.patchmatch import PatchMatch, native_code, numba_cache

FILL = """
import sys, hashlib, numpy as np
from mendpix.patchmatch import PatchMatch
random = np.random.default_rng(0)
photo = random.random((48, 56, 3)).astype(np.float32)
hole = np.zeros((48, 56), np.bool_)
hole[12:30, 20:40] = True
print(hashlib.sha256(PatchMatch(seed=3)(photo, hole).tobytes()).hexdigest(), "numba" in sys.modules)
"""


def filled(folder: Path, **environment: str) -> tuple[str, str, str]:
    """A fill in a process of its own: its hash, whether Numba was imported, and what was said."""
    given = os.environ | {"NUMBA_CACHE_DIR": str(folder)} | environment
    run = subprocess.run(
        [sys.executable, "-c", FILL], capture_output=True, text=True, check=True, env=given
    )
    digest, numba = run.stdout.split()
    return digest, numba, run.stderr


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder in which a process has kept its loops, and the hash of what it filled."""
    folder = tmp_path_factory.mktemp("loops")
    digest, numba, _ = filled(folder)
    assert numba == "True"
    return folder, digest


def file_in(folder: Path) -> Path:
    (path,) = folder.glob("mendpix-loops-*.o")
    return path


def test_the_second_process_needs_no_numba_and_fills_alike(kept: tuple[Path, str]) -> None:
    folder, digest = kept
    assert filled(folder) == (digest, "False", "")
    assert file_in(folder).stat().st_size > 1000


def test_a_folder_that_is_only_read_will_do(kept: tuple[Path, str], tmp_path: Path) -> None:
    folder, digest = kept
    copy = tmp_path / file_in(folder).name
    copy.write_bytes(file_in(folder).read_bytes())
    copy.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        assert filled(tmp_path) == (digest, "False", "")
    finally:
        tmp_path.chmod(0o755)


def test_a_damaged_file_is_not_run_but_named(kept: tuple[Path, str], tmp_path: Path) -> None:
    folder, digest = kept
    broken = tmp_path / file_in(folder).name
    broken.write_bytes(file_in(folder).read_bytes()[:-9] + b"[damaged]")
    found, numba, said = filled(tmp_path)
    assert (found, numba) == (digest, "True")
    assert str(broken) in said and "damaged" in said


def test_other_processors_use_files_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    here = numba_cache._name()
    monkeypatch.setenv("NUMBA_CPU_NAME", "generic")
    assert numba_cache._name() != here


def test_arrays_of_another_kind_or_layout_are_refused() -> None:
    PatchMatch().prepare()
    path = numba_cache._object()
    assert path is not None
    halve = native_code.load(path.read_bytes()).halve
    look, mass = np.zeros((4, 4, 3), np.uint8), np.ones((4, 4), np.float32)
    small, small_mass = np.empty((2, 2, 3), np.uint8), np.empty((2, 2), np.float32)
    sums = np.empty(3, np.float32)
    halve(0, look, mass, small, small_mass, sums)
    assert small_mass.tolist() == [[1, 1], [1, 1]]
    with pytest.raises(TypeError, match="float64"):
        halve(0, look, mass.astype(np.float64), small, small_mass, sums)
    with pytest.raises(TypeError, match="contiguous"):
        halve(0, look, np.ones((4, 8), np.float32)[:, ::2], small, small_mass, sums)


def test_what_calls_more_than_c_is_not_kept() -> None:
    assert native_code._calls(["llvm.exp.f32", "llvm.smax.i64"]) == ["expf"]
    with pytest.raises(native_code.NoObjectError, match="NRT_Allocate"):
        native_code._calls(["llvm.exp.f32", "NRT_Allocate"])
