"""Fixtures shared by all tests."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest


def hide_fetched_models() -> None:
    """Leave no network of others in the cache folder: what a fill is must not depend on it.

    Everything else that lies there stays at hand, by links; commands that tests run see it too.
    """
    home = os.environ.get("MENDPIX_HOME")
    if not home or not Path(home, "models").is_dir():
        return
    folder = Path(tempfile.mkdtemp(prefix="mendpix-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for path in Path(home).resolve().iterdir():
        if path.name != "models":
            (folder / path.name).symlink_to(path)
    os.environ["MENDPIX_HOME"], os.environ["MENDPIX_TEST_MODELS"] = str(folder), home


hide_fetched_models()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The shared data folder; skips where it is not at hand."""
    folder = os.environ.get("MENDPIX_SHARED")
    if not folder:
        pytest.skip("MENDPIX_SHARED does not name the shared data folder")
    path = Path(folder).resolve()
    if not path.is_dir():
        pytest.skip(f"MENDPIX_SHARED names {folder}, which is not a folder")
    return path


@pytest.fixture(scope="session")
def reference(shared: Path) -> Path:
    """Outputs of the papers' released implementations on fixed inputs."""
    return shared / "reference"
