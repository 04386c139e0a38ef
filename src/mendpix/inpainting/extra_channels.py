"""Fills a picture's extra channels: saved selections, infrared, whatever a TIFF has more."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mendpix.io.picture import Picture


def fill_extras(picture: Picture, fill: Callable[[Picture], Picture]) -> Picture:
    """The picture with each extra channel filled by itself, as grey: they may mean anything."""
    if picture.extras is None:
        return picture
    planes = np.split(picture.extras, picture.extras.shape[2], axis=2)
    greys = (Picture(plane, name=picture.name, no_data=picture.no_data) for plane in planes)
    return replace(picture, extras=np.concatenate([fill(grey).pixels for grey in greys], axis=2))
