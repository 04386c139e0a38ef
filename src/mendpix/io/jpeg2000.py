"""JPEG 2000: 8 bits by Pillow, 16 by OpenCV, both without loss; the profile from its boxes."""

import io
from dataclasses import replace

import cv2
import numpy as np
from PIL import Image

from mendpix.io import isobmff, pillow
from mendpix.io.picture import Metadata, Picture

_LEAST = 64  # pixels of a side that OpenCV's encoder can halve as often as it wants to


def read(content: bytes, image: Image.Image, name: str) -> Picture:
    """The picture; ``image`` is the same file, opened and loaded by Pillow.

    Raises:
        ValueError: more than 8 bits that are not 16, or cannot be decoded.
    """
    depth, icc = isobmff.read_jp2_header(content)
    metadata = Metadata(icc=icc)
    if depth <= 8:
        return replace(pillow.to_picture(image, name), metadata=metadata)
    if depth != 16:
        raise ValueError(f"it has {depth} bits, not 8 or 16; save it as PNG or TIFF")
    values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16:
        raise ValueError("its 16-bit pixels cannot be decoded")
    if values.ndim == 3 and values.shape[2] > 2:
        values = np.ascontiguousarray(values[..., [2, 1, 0, 3][: values.shape[2]]])
    return replace(pillow.split_alpha(values, name), metadata=metadata)


def write(picture: Picture) -> bytes:
    """The whole file, lossless."""
    values = pillow.join_alpha(picture)
    if values.dtype == np.uint8 or values.ndim == 2:
        buffer = io.BytesIO()
        Image.fromarray(values).save(buffer, "JPEG2000")
        return buffer.getvalue()
    if min(values.shape[:2]) < _LEAST or values.shape[2] == 2:
        raise ValueError("16 bits in this shape cannot be encoded; write a PNG or TIFF")
    values = np.ascontiguousarray(values[..., [2, 1, 0, 3][: values.shape[2]]])
    options = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000]
    done, content = cv2.imencode(".jp2", values, options)
    if not done:
        raise ValueError("it cannot be encoded")
    return content.tobytes()
