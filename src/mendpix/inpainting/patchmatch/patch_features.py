"""What patches are compared by: colours, texture, and the guide's colours."""

import cv2
import numpy as np

from mendpix.inpainting.patchmatch.options import Options
from mendpix.inpainting.patchmatch.pyramid import Bytes, Floats
from mendpix.inpainting.patchmatch.thread_pool import ThreadPool
from mendpix.types import Hole

_BAND = 128  # rows that are looked at in one go: always the same ones, so the same bytes


def looks(
    photo: Floats, known: Hole, guided: bool, window: int, options: Options, crew: ThreadPool
) -> Bytes:
    """The channels of the finest level, ``(H, W, F)``: colours, texture, room for the guide.

    Args:
        photo: ``(H, W, C)``; its unknown values are not looked at.
        window: side in pixels of the square over which texture is averaged: a patch's pixel at
            the coarsest size (Newson et al. 2014, sec. 3.3, https://arxiv.org/abs/1503.05528).
    """
    height, width, channels = photo.shape
    count = channels + (2 if options.texture else 0) + (channels if guided else 0)
    look = np.zeros((height, width, count), np.uint8)

    def bands(first: int, last: int) -> None:
        for top in range(first * _BAND, min(last * _BAND, height), _BAND):
            _paint(look, photo, known, top, window, options.texture)

    crew.split(-(-height // _BAND), bands, _BAND * width)
    return look


def _paint(
    look: Bytes, photo: Floats, known: Hole, top: int, window: int, texture_weight: float
) -> None:
    """Set the rows of one band, from ``top`` on."""
    bottom = min(top + _BAND, len(look))
    first = max(0, top - window)
    here, own = slice(first, bottom + window + 1), slice(top - first, bottom - first)
    grey = np.zeros(known[here].shape, np.float32)
    channels = photo.shape[2]
    for i in range(channels):
        colour = np.where(known[here], photo[here, :, i], np.float32(0))
        look[top:bottom, :, i] = as_bytes(colour[own], 1.0)
        grey += colour / np.float32(channels)
    for axis in (0, 1) if texture_weight else ():
        rough = texture(grey, known[here], axis, window)[own]
        look[top:bottom, :, channels + axis] = as_bytes(rough, texture_weight)


def as_bytes(values: Floats, weight: float) -> Bytes:
    """Values in [0,1] times the weight, as 255ths."""
    scaled = values * np.float32(255 * weight)
    scaled += np.float32(0.5)
    np.clip(scaled, 0, 255, out=scaled)
    return scaled.astype(np.uint8)


def texture(grey: Floats, known: Hole, axis: int, window: int) -> Floats:
    """Mean absolute step along ``axis`` over the known part of a window around each pixel."""
    first: list[slice] = [slice(None), slice(None)]
    second: list[slice] = [slice(None), slice(None)]
    first[axis], second[axis] = slice(0, -1), slice(1, None)
    here, there = tuple(first), tuple(second)
    both = np.zeros(known.shape, np.float32)
    both[here] = known[here] & known[there]
    step = np.zeros_like(grey)
    step[here] = np.abs(grey[there] - grey[here]) * both[here]
    size = (window, window)
    total = cv2.boxFilter(step, -1, size, borderType=cv2.BORDER_CONSTANT)
    share = cv2.boxFilter(both, -1, size, borderType=cv2.BORDER_CONSTANT)
    seen = share > 1e-6
    np.divide(total, share, out=total, where=seen)
    total[~seen] = 0
    return np.asarray(total, dtype=np.float32)
