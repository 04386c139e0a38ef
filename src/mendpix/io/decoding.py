"""8-bit RGB of any picture, for statistics and training: fast, and without what describes it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix.errors import PictureError
from mendpix.io import files, heic
from mendpix.io.picture import grey_to_rgb, to_8_bits


def decode_rgb(content: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """A file's bytes as ``(H, W, 3)`` uint8, upright; None where they are no picture.

    OpenCV decodes them, and what reads HEIC where it cannot.

    Raises:
        OSError: HEIC that cannot be read, with the reason.
    """
    if not content.size:
        return None
    decoded = cv2.imdecode(content, cv2.IMREAD_COLOR_RGB)
    if decoded is not None:
        return np.asarray(decoded, np.uint8)
    data = content.tobytes()
    if not heic.is_heic(data):
        return None
    try:
        return grey_to_rgb(to_8_bits(files.parse(data, "it").pixels))
    except PictureError as problem:
        raise OSError(str(problem)) from None
