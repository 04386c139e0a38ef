"""Masks that are NumPy arrays."""

import io
from pathlib import Path

import numpy as np

from mendpix.errors import MaskError, PictureError
from mendpix.io import conversion, files
from mendpix.io.picture import Array, Picture


def load_array(path: Path) -> Array:
    """The one array of an ``.npy`` file.

    Raises:
        MaskError: it holds another kind of data.
    """
    try:
        array = np.load(io.BytesIO(files.read_bytes(path)), allow_pickle=False)
    except (ValueError, EOFError, OSError, SyntaxError) as problem:
        raise MaskError(f"{path} is no NumPy array that can be read: {problem}") from None
    if not isinstance(array, np.ndarray):
        raise MaskError(f"{path} holds several arrays; save the mask's alone with numpy.save")
    return array


def to_picture(mask: Array) -> Picture:
    """A mask's array as a Picture; bool becomes black and white.

    Raises:
        MaskError: an array that is no picture.
    """
    mask = np.asarray(mask)
    if mask.dtype == np.bool_:
        mask = mask.astype(np.uint8) * np.uint8(255)
    elif mask.dtype.kind in "iu" and mask.dtype != np.uint16:
        mask = mask.clip(0, 255).astype(np.uint8)
    try:
        return conversion.from_array(mask)
    except PictureError as problem:
        raise MaskError(f"as a mask, {problem}") from None
