"""HEIC and HEIF, read with pi-heif (the extra ``mendpix[heic]``)."""

import io
from dataclasses import replace

import numpy as np

from mendpix.errors import PictureError
from mendpix.io import exif, isobmff, pillow
from mendpix.io.picture import Picture

_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def is_heic(content: bytes) -> bool:
    """Whether a file's bytes begin as HEIC's do."""
    return content[4:8] == b"ftyp" and content[8:12] in _BRANDS


def read(content: bytes, name: str) -> Picture:
    """The picture, upright, its 10 and 12 bits as 16.

    Raises:
        PictureError: the package is not installed, or there are too many pixels.
    """
    try:
        import pi_heif
    except ImportError:
        raise PictureError(
            f"{name} is a HEIC file; reading it needs an extra: pip install 'mendpix[heic]'"
        ) from None
    file = pi_heif.open_heif(io.BytesIO(content), convert_hdr_to_8bit=False)
    pillow.check_size(file.size[0], file.size[1], name)
    metadata = pillow.read_metadata(file)
    if not metadata.icc:
        colour, light = isobmff.read_colour(content), isobmff.read_light(content)
        metadata = replace(metadata, colour=colour, chunks=light)
    return replace(
        pillow.split_alpha(np.asarray(file).copy(), name),
        format="HEIF",
        metadata=metadata,
        orientation=exif.read_orientation(metadata.exif),  # already applied by the decoder
    )
