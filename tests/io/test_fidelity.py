"""The promise: what lies outside the hole is the same in every bit, whatever the file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from mendpix.inpainting import api
from mendpix.io import conversion, files
from mendpix.masks.reading import from_array

SIZE = (40, 48)
RNG = np.random.default_rng(11)
SHAPE = np.add.outer(np.arange(40), 3 * np.arange(48)).astype(np.uint8)
RGB = np.dstack([SHAPE, SHAPE[::-1], 255 - SHAPE]) ^ RNG.integers(0, 8, (*SIZE, 3), np.uint8)
ALPHA = np.tile(np.linspace(0, 255, 48).astype(np.uint8), (40, 1))
DEEP = RGB.astype(np.uint16) * 257 ^ RNG.integers(0, 200, RGB.shape, np.uint16)
FLOATS = RGB.astype(np.float32) / 50 - 1
HOLES_IN_FLOATS = FLOATS.copy()
HOLES_IN_FLOATS[2, 2], HOLES_IN_FLOATS[30, 40, 1] = np.nan, np.inf


def pil(mode: str, **options: Any) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(RGB).convert(mode).save(path, **options)


def palette(colours: int, **options: Any) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(RGB).quantize(colours).save(path, **options)


def array(values: np.ndarray) -> Callable[[Path], None]:
    return lambda path: files.write(path, conversion.from_array(values)) and None


FILES: dict[str, Callable[[Path], None]] = {
    "1 bit.png": pil("1"),
    "grey.png": pil("L"),
    "grey alpha.png": array(np.dstack([SHAPE, ALPHA])),
    "rgb.png": pil("RGB"),
    "rgba.png": array(np.dstack([RGB, ALPHA])),
    "palette.png": palette(20),
    "palette with a hole.png": palette(20, transparency=3),
    "still.gif": palette(20),
    "lossy.webp": pil("RGB"),
    "rgb.bmp": pil("RGB"),
    "grey16.png": array(DEEP[..., 0]),
    "grey16 alpha.png": array(np.dstack([DEEP[..., 0], ALPHA * np.uint16(257)])),
    "rgb16.png": array(DEEP),
    "rgba16.png": array(np.dstack([DEEP, ALPHA * np.uint16(257)])),
    "1 bit.tif": pil("1"),
    "rgb.tif": pil("RGB", compression="tiff_lzw"),
    "rgb16.tif": array(DEEP),
    "rgba16.tif": array(np.dstack([DEEP, ALPHA * np.uint16(257)])),
    "half.tif": array(FLOATS.astype(np.float16)),
    "float.tif": array(FLOATS),
    "double.tif": array(FLOATS[..., 0].astype(np.float64)),
    "signed.tif": array(RGB.astype(np.int16) * 40 - 3000),
    "bands.tif": array(np.concatenate([RGB, RGB[::-1]], axis=2)),
    "nan.tif": lambda path: tifffile.imwrite(path, HOLES_IN_FLOATS, photometric="rgb"),
}


@pytest.mark.parametrize("name", FILES)
def test_outside_the_hole_nothing_changes(tmp_path: Path, name: str) -> None:
    FILES[name](tmp_path / name)
    drawn = np.zeros(SIZE, np.uint8)
    drawn[12:26, 15:30] = 255
    before = files.read(tmp_path / name)
    out = tmp_path / f"out{files.default_extension(before)}"
    api.fill(tmp_path / name, drawn, out=out, model="telea")
    after, hole = files.read(out), from_array(drawn, before).hole
    assert conversion.count_changes(before, after, hole) == 0
    assert conversion.count_changes(before, after, np.zeros_like(hole)) > 0
    assert after.pixels.dtype == before.pixels.dtype
    assert (after.alpha is None) == (before.alpha is None)
