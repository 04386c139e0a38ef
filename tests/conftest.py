"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest


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
