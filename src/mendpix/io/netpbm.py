"""Netpbm's PBM, PGM and PPM with 1, 8 and 16 bits, and PFM with floats.

Formats after https://netpbm.sourceforge.net/doc/ and https://www.pauldebevec.com/Research/HDR/PFM/.
"""

import cv2
import numpy as np

from mendpix.errors import PictureError
from mendpix.io import pillow
from mendpix.io.picture import Array, Picture

PFM = (b"PF\n", b"Pf\n")
_DEEP = (b"P2", b"P3", b"P5", b"P6")


def is_deep(content: bytes) -> bool:
    """Whether a file has more than 8 bits or floats, which Pillow would cut or not read."""
    return content.startswith(PFM) or (content[:2] in _DEEP and _find_maximum(content) > 255)


def _find_maximum(content: bytes) -> int:
    """The largest value, the third number after the magic bytes; 0 where there is none."""
    lines = [line.split(b"#")[0] for line in content[2:4096].splitlines()]
    numbers = b" ".join(lines).split()[:3]
    return int(numbers[2]) if len(numbers) == 3 and numbers[2].isdigit() else 0


def read_deep(content: bytes, name: str) -> Picture:
    """A picture with 16 bits or floats, by OpenCV.

    Raises:
        ValueError: it cannot be decoded, or its values end below 16 bits.
    """
    if content.startswith(PFM):
        numbers = content[3:64].split()[:2]
        pillow.check_size(int(numbers[0]), int(numbers[1]), name)
    elif (most := _find_maximum(content)) != 65535:
        raise PictureError(
            f"{name} has values up to {most}; save it with up to 255 or 65535, or as PNG"
        )
    values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype not in (np.uint16, np.float32):
        raise ValueError("its values cannot be decoded")
    values = values[..., None] if values.ndim == 2 else values[..., ::-1]
    return Picture(np.ascontiguousarray(values), name=name)


def write(picture: Picture) -> bytes:
    """A PBM, PGM or PPM of a picture without alpha, as its values ask for."""
    height, width = picture.shape
    size = f"{width} {height}\n".encode()
    if picture.depth == 1:
        return b"P4\n" + size + np.packbits(picture.pixels[..., 0] < 128, axis=1).tobytes()
    magic = b"P5\n" if picture.pixels.shape[2] == 1 else b"P6\n"
    most = b"255\n" if picture.pixels.dtype == np.uint8 else b"65535\n"
    kind = picture.pixels.dtype.newbyteorder(">")
    return magic + size + most + picture.pixels.astype(kind).tobytes()


def write_pfm(picture: Picture) -> bytes:
    """A PFM: rows from the bottom up, little-endian."""
    height, width = picture.shape
    magic = b"Pf\n" if picture.pixels.shape[2] == 1 else b"PF\n"
    rows: Array = picture.pixels[::-1].astype("<f4")
    return magic + f"{width} {height}\n-1.0\n".encode() + rows.tobytes()
