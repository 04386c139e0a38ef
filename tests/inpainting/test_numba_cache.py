"""The loops as machine code: the same bytes as Numba's, cached and loaded with care."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mendpix.inpainting.patchmatch import PatchMatch, numba_cache

FILL = """
import sys, hashlib, numpy as np
from mendpix.inpainting.patchmatch import PatchMatch
random = np.random.default_rng(0)
photo = random.random((48, 56, 3)).astype(np.float32)
hole = np.zeros((48, 56), np.bool_)
hole[12:30, 20:40] = True
print(hashlib.sha256(PatchMatch(seed=3)(photo, hole).tobytes()).hexdigest(), "numba" in sys.modules)
"""


def fill(folder: Path, prelude: str = "") -> tuple[str, str, str]:
    """Fill in a process of its own: the hash, whether Numba was imported, and the warnings."""
    run = subprocess.run(
        [sys.executable, "-c", prelude + FILL],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"NUMBA_CACHE_DIR": str(folder)},
    )
    digest, numba = run.stdout.split()
    return digest, numba, run.stderr


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder in which a process has cached its loops, and the hash of what it filled."""
    folder = tmp_path_factory.mktemp("loops")
    digest, numba, _ = fill(folder)
    assert numba == "True"
    return folder, digest


def file_in(folder: Path) -> Path:
    (path,) = folder.glob("mendpix-loops-*.o")
    return path


def test_the_second_process_needs_no_numba_and_fills_alike(cached: tuple[Path, str]) -> None:
    folder, digest = cached
    assert fill(folder) == (digest, "False", "")
    assert file_in(folder).stat().st_size > 1000


def test_a_folder_that_is_only_read_will_do(cached: tuple[Path, str], tmp_path: Path) -> None:
    folder, digest = cached
    copy = tmp_path / file_in(folder).name
    copy.write_bytes(file_in(folder).read_bytes())
    copy.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        assert fill(tmp_path) == (digest, "False", "")
    finally:
        tmp_path.chmod(0o755)


def test_a_damaged_file_is_not_run_but_named(cached: tuple[Path, str], tmp_path: Path) -> None:
    folder, digest = cached
    broken = tmp_path / file_in(folder).name
    broken.write_bytes(file_in(folder).read_bytes()[:-9] + b"[damaged]")
    found, numba, warning = fill(tmp_path)
    assert (found, numba) == (digest, "True")
    assert str(broken) in warning and "damaged" in warning


def test_other_processors_use_files_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    here = numba_cache.file_name()
    monkeypatch.setenv("NUMBA_CPU_NAME", "generic")
    assert numba_cache.file_name() != here


def test_arrays_of_another_kind_or_layout_are_refused() -> None:
    PatchMatch().prepare()
    path = numba_cache._find_file()
    assert path is not None
    halve = numba_cache.load(path.read_bytes()).halve
    features, mass = np.zeros((4, 4, 3), np.uint8), np.ones((4, 4), np.float32)
    small, small_mass = np.empty((2, 2, 3), np.uint8), np.empty((2, 2), np.float32)
    sums = np.empty(3, np.float32)
    order = np.arange(2, dtype=np.int32)
    halve(order, features, mass, small, small_mass, sums)
    assert small_mass.tolist() == [[1, 1], [1, 1]]
    with pytest.raises(TypeError, match="float64"):
        halve(order, features, mass.astype(np.float64), small, small_mass, sums)
    with pytest.raises(TypeError, match="contiguous"):
        halve(order, features, np.ones((4, 8), np.float32)[:, ::2], small, small_mass, sums)


def test_what_calls_more_than_c_is_not_cached() -> None:
    numba_cache.check_calls(["llvm.exp.f32", "llvm.smax.i64"])
    with pytest.raises(RuntimeError, match="NRT_Allocate"):
        numba_cache.check_calls(["llvm.exp.f32", "NRT_Allocate"])


def scale(order: Any, values: Any, factor: Any) -> None:
    for i in order:
        values[i] *= factor


class Relabelled:
    """A compiled function whose LLVM code takes other arguments than its signature says."""

    def __init__(self, dispatcher: Any, signature: tuple[Any, ...]) -> None:
        self.signatures, self.inner = [signature], dispatcher
        self.overloads = {signature: dispatcher.overloads[dispatcher.signatures[0]]}

    def inspect_llvm(self, signature: Any) -> str:
        return str(self.inner.inspect_llvm(self.inner.signatures[0]))


def test_other_internals_of_numba_yield_no_machine_code(monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    compiled = numba.njit("void(int32[::1], float32[::1], float32)", error_model="numpy")(scale)
    loop = numba_cache.load(numba_cache.make({"scale": compiled})).scale
    values = np.ones(3, np.float32)
    loop(np.array([0, 2], np.int32), values, 0.5)
    assert values.tolist() == [0.5, 1, 0.5]
    grids = Relabelled(compiled, (numba.int32[:, ::1], numba.float32[::1], numba.float32))
    with pytest.raises(RuntimeError, match="called otherwise"):
        numba_cache.make({"scale": grids})
    strided = Relabelled(compiled, (numba.int32[:], numba.float32[::1], numba.float32))
    with pytest.raises(RuntimeError, match="not contiguous"):
        numba_cache.make({"scale": strided})
    module = SimpleNamespace(__all__=["scale"], scale=compiled)
    monkeypatch.delattr("numba.core.funcdesc.FunctionDescriptor.llvm_func_name")
    assert numba_cache._make_checked(module) == b""  # type: ignore[arg-type]


def test_with_other_internals_numba_caches_the_loops_itself(
    cached: tuple[Path, str], tmp_path: Path
) -> None:
    _, digest = cached
    other = "import numba.core.dispatcher as d; del d._DispatcherBase.inspect_llvm\n"
    assert fill(tmp_path, other) == (digest, "True", "")
    assert file_in(tmp_path).stat().st_size == 0
    assert fill(tmp_path, other) == (digest, "True", "")
    written = {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")}
    assert any("search_kernels" in name for name in written)
    assert fill(tmp_path) == (digest, "True", "")
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")} == written
