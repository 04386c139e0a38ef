"""Cameras' raw files, which are refused: what they hold is no picture before it is developed."""

import struct
from pathlib import Path

from mendpix.errors import PictureError
from mendpix.io import exif

_SUFFIXES = frozenset((".3fr", ".arw", ".cr2", ".cr3", ".dng", ".erf", ".nef", ".nrw", ".orf"))
_SUFFIXES |= frozenset((".pef", ".raf", ".rw2", ".sr2", ".srw", ".x3f"))
_MAGIC = (b"IIU\0", b"IIRO", b"IIRS", b"FUJIFILMCCD-RAW", b"FOVb")
_DNG_VERSION = 50706


def check(content: bytes, name: str) -> None:
    """Refuse a camera's raw file with the way out.

    Raises:
        PictureError: it is one.
    """
    by_name = Path(name).suffix.lower() in _SUFFIXES
    if by_name or content.startswith(_MAGIC) or content[4:12] == b"ftypcrx " or _is_dng(content):
        raise PictureError(
            f"{name} is a camera's raw file; develop it first (darktable, RawTherapee, Lightroom) "
            "and fill the TIFF or PNG that comes out"
        )


def _is_dng(content: bytes) -> bool:
    if not content.startswith((b"II*\0", b"MM\0*")):
        return False
    try:
        entries, _ = exif.read_entries(content, exif.first_offset(content))
    except (ValueError, struct.error):
        return False
    return any(entry.tag == _DNG_VERSION for entry in entries)
