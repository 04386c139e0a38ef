"""Atomic writes: the new file, or the old one, and nothing beside it."""

import os
import stat
import sys
from pathlib import Path

import pytest

from mendpix.io.atomic import atomic_write


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert [one.name for one in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"


@pytest.mark.skipif(sys.platform == "win32", reason="no such permissions there")
@pytest.mark.parametrize("existing", [None, 0o600, 0o664])
def test_permissions_are_those_of_the_old_file_or_of_any_new_one(
    tmp_path: Path, existing: int | None
) -> None:
    path, plain = tmp_path / "a.txt", tmp_path / "plain.txt"
    plain.write_text("")
    if existing is not None:
        path.write_text("old")
        path.chmod(existing)
    with atomic_write(path) as temporary:
        temporary.unlink()  # as a library does that renames a file of its own
        os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY, 0o600))
    wanted = stat.S_IMODE(plain.stat().st_mode) if existing is None else existing
    assert stat.S_IMODE(path.stat().st_mode) == wanted


def test_a_link_stays_a_link_and_long_names_fit(tmp_path: Path) -> None:
    path, link = tmp_path / ("x" * 240 + ".txt"), tmp_path / "link.txt"
    path.write_text("old")
    link.symlink_to(path)
    with atomic_write(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink()
    assert path.read_text() == "new"


def test_a_missing_folder_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "none" / "a.txt"):
        pass
