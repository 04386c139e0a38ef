"""TIFF of many kinds, against tifffile and Pillow."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from mendpix.errors import PictureError
from mendpix.io import conversion, files

RGB16 = np.random.default_rng(2).integers(0, 65536, (12, 18, 3), dtype=np.uint16)
RGB8 = (RGB16 >> 8).astype(np.uint8)


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "zlib"},
        {"planarconfig": "separate"},
        {"byteorder": ">"},
        {"tile": (16, 16)},
        {"bigtiff": True},
        {"rowsperstrip": 5, "compression": "zlib", "predictor": True},
    ],
)
def test_ways_of_storing(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "a.tif"
    values = np.moveaxis(RGB16, -1, 0) if "planarconfig" in options else RGB16
    tifffile.imwrite(path, values, photometric="rgb", **options)
    np.testing.assert_array_equal(files.read(path).pixels, RGB16)


@pytest.mark.parametrize("compression", [5, 8, 32773])  # LZW, deflate, PackBits
@pytest.mark.parametrize("values", [RGB8, RGB16, RGB16[..., 0]], ids=["rgb8", "rgb16", "grey16"])
def test_compressions_that_opencv_writes(tmp_path: Path, compression: int, values: Any) -> None:
    path, order = tmp_path / "a.tif", [2, 1, 0]
    stored = values[..., order] if values.ndim == 3 else values
    cv2.imwrite(str(path), stored, [cv2.IMWRITE_TIFF_COMPRESSION, compression])
    read = files.read(path).pixels
    np.testing.assert_array_equal(read.reshape(values.shape), values)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("values", [RGB8, RGB16], ids=["8", "16"])
def test_orientation(tmp_path: Path, orientation: int, values: Any) -> None:
    from mendpix.io.picture import turn

    path = tmp_path / "a.tif"
    tags = [(0x0112, "H", 1, orientation, True)]
    tifffile.imwrite(path, values, photometric="rgb", extratags=tags)
    picture = files.read(path)
    np.testing.assert_array_equal(picture.pixels, turn(values, orientation))
    assert (picture.orientation, picture.stored_shape) == (orientation, (12, 18))


def test_white_as_zero(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", RGB16[..., 0], photometric="miniswhite")
    np.testing.assert_array_equal(
        files.read(tmp_path / "a.tif").pixels[..., 0], 65535 - RGB16[..., 0]
    )


@pytest.mark.parametrize("values", [RGB8, RGB16], ids=["8", "16"])
def test_multiplied_alpha_stays_multiplied(tmp_path: Path, values: Any) -> None:
    whole = np.concatenate([values // 2, values.max(axis=-1, keepdims=True)], axis=-1)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, whole, photometric="rgb", extrasamples=["assocalpha"])
    picture = files.read(path)
    np.testing.assert_array_equal(conversion.to_array(picture, whole), whole)
    files.write(tmp_path / "b.tif", picture)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages[0].tags["ExtraSamples"].value == (1,)
        np.testing.assert_array_equal(file.asarray(), whole)
    with pytest.raises(PictureError, match="premultiplied"):
        files.write(tmp_path / "b.png", picture)


def test_palette_and_one_bit(tmp_path: Path) -> None:
    image = Image.fromarray(RGB8).quantize(7)
    image.save(tmp_path / "p.tif")
    np.testing.assert_array_equal(
        files.read(tmp_path / "p.tif").pixels, np.asarray(image.convert("RGB"))
    )
    bits = Image.fromarray(RGB8[..., 0] > 90)
    bits.save(tmp_path / "b.tif", compression="group4")
    np.testing.assert_array_equal(
        files.read(tmp_path / "b.tif").pixels[..., 0], np.asarray(bits) * np.uint8(255)
    )


def test_what_it_says_survives(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112], exif[0x013B] = "Maker", 6, "Ada"
    exif.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    exif.get_ifd(0x8825)[1] = "N"
    Image.fromarray(RGB8).save(
        tmp_path / "a.png", exif=exif, icc_profile=b"profile!", dpi=(240, 240)
    )
    files.write(tmp_path / "a.tif", files.read(tmp_path / "a.png"))
    picture = files.read(tmp_path / "a.tif")
    for name in ("a.tif", "b.tif", "b.png", "b.jpg"):
        if name != "a.tif":
            files.write(tmp_path / name, picture)
        with Image.open(tmp_path / name) as out:
            said = out.getexif()
            assert (said[0x010F], said[0x013B], said.get(0x0112, 1)) == ("Maker", "Ada", 1)
            assert 0x0131 not in said  # no name of a library
            assert said.get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
            assert said.get_ifd(0x8825)[1] == "N"
            assert out.info["icc_profile"] == b"profile!"
            assert out.info["dpi"] == pytest.approx((240, 240), abs=0.01)


@pytest.mark.parametrize(
    ("photometric", "values", "says"),
    [
        ("separated", np.zeros((9, 9, 4), np.uint8), "CMYK"),
        ("separated", np.zeros((9, 9, 4), np.uint16), "CMYK"),
        ("cielab", np.zeros((9, 9, 3), np.uint16), "CIELab"),
        ("minisblack", np.zeros((9, 9), np.complex64), "complex64 numbers"),
        ("minisblack", np.zeros((9, 9), np.uint64), "uint64 numbers"),
    ],
)
def test_what_cannot_be_kept(tmp_path: Path, photometric: str, values: Any, says: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", values, photometric=photometric)
    with pytest.raises(PictureError, match=says):
        files.read(tmp_path / "a.tif")
