"""Pictures keep every bit outside the hole, and what they say about themselves."""

import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps, PngImagePlugin

from mendpix.errors import PictureError
from mendpix.io import conversion, files, tiff
from mendpix.io.picture import Metadata, Picture, turn_upright, white

RNG = np.random.default_rng(7)


def values(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    if np.issubdtype(np.dtype(dtype), np.floating):
        return RNG.normal(0.5, 2, shape).astype(dtype)
    return RNG.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def refilled(picture: Picture) -> tuple[Picture, np.ndarray]:
    """The picture with other colours in a small hole."""
    hole = np.zeros(picture.shape, bool)
    hole[2:5, 3:6] = True
    pixels = picture.pixels.copy()
    pixels[hole] = white(pixels.dtype) / 2
    return picture.replace(pixels=pixels), hole


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [0, 2, 3, 4])
def test_png_round_trip_agrees_with_opencv(tmp_path: Path, dtype: str, channels: int) -> None:
    array = values((11, 17, channels) if channels else (11, 17), dtype)
    files.write(tmp_path / "a.png", conversion.from_array(array))
    seen = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
    order = {0: ..., 2: [0, 3], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
    np.testing.assert_array_equal(seen[..., order] if channels else seen, array)
    again = conversion.to_array(files.read(tmp_path / "a.png"), array)
    np.testing.assert_array_equal(again, array)
    assert again.dtype == array.dtype


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float16", "float32", "float64"])
@pytest.mark.parametrize("channels", [0, 2, 3, 4, 8])
def test_tiff_round_trip_agrees_with_tifffile(tmp_path: Path, dtype: str, channels: int) -> None:
    array = values((11, 17, channels) if channels else (11, 17), dtype)
    files.write(tmp_path / "a.tif", conversion.from_array(array))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), array)
    picture = files.read(tmp_path / "a.tif")
    if channels == 8:  # grey, and seven channels that ride along
        assert (picture.pixels.shape[2], picture.extras.shape[2]) == (1, 7)
        again, _ = tiff.join_channels(picture)
    else:
        again = conversion.to_array(picture, array)
    np.testing.assert_array_equal(again, array)
    assert again.dtype == array.dtype


def test_floats_outside_the_unit_range_and_nan_survive(tmp_path: Path) -> None:
    array = values((9, 9, 3), "float32")
    array[0, 0], array[1, 1, 2], array[8, 8] = np.nan, np.inf, 1e30
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb")
    picture = files.read(tmp_path / "a.tif")
    after, hole = refilled(picture)
    files.write(tmp_path / "b.tif", after)
    again = files.read(tmp_path / "b.tif")
    assert conversion.count_changes(picture, again, hole) == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif")[~hole], array[~hole])


@settings(max_examples=60, deadline=None)
@given(
    dtype=st.sampled_from(["uint8", "uint16"]),
    channels=st.sampled_from([1, 2, 3, 4]),
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    orientation=st.integers(1, 8),
    suffix=st.sampled_from([".png", ".tif"]),
)
def test_any_orientation_is_written_upright(
    tmp_path_factory: pytest.TempPathFactory,
    dtype: str,
    channels: int,
    height: int,
    width: int,
    orientation: int,
    suffix: str,
) -> None:
    folder = tmp_path_factory.mktemp("turn")
    array = values((height, width, channels), dtype)
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = conversion.from_array(array)
    said = Metadata(exif=exif.tobytes().removeprefix(b"Exif\0\0"))
    upright = turn_upright(replace(picture, metadata=said), orientation)
    files.write(folder / f"a{suffix}", upright)
    again = files.read(folder / f"a{suffix}")
    assert again.orientation == 1
    assert conversion.count_changes(upright, again, np.zeros(again.shape, bool)) == 0


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_read_upright_like_pillow(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(values((24, 16, 3), "uint8"))
    image.save(tmp_path / f"a{suffix}", exif=exif)
    picture = files.read(tmp_path / f"a{suffix}")
    with Image.open(tmp_path / f"a{suffix}") as same:
        np.testing.assert_array_equal(picture.pixels, np.asarray(ImageOps.exif_transpose(same)))
    assert picture.stored_shape == (24, 16)


def test_one_bit_and_palette(tmp_path: Path) -> None:
    bits = Image.fromarray(values((9, 14), "uint8") > 99)
    bits.save(tmp_path / "bit.png")
    np.testing.assert_array_equal(
        files.read(tmp_path / "bit.png").pixels[..., 0], np.asarray(bits) * np.uint8(255)
    )
    image = Image.fromarray(values((20, 20, 3), "uint8")).quantize(11)
    image.save(tmp_path / "p.png", transparency=bytes([0, 128, 255]))
    picture = files.read(tmp_path / "p.png")
    with Image.open(tmp_path / "p.png") as same:
        np.testing.assert_array_equal(conversion.to_pil(picture), np.asarray(same.convert("RGBA")))
    after, hole = refilled(picture)
    files.write(tmp_path / "rgba.png", after, hole)
    files.write(tmp_path / "kept.png", after, hole, keep_palette=True)
    for name in ("rgba.png", "kept.png"):
        assert conversion.count_changes(picture, files.read(tmp_path / name), hole) == 0
    with Image.open(tmp_path / "kept.png") as kept:
        assert kept.mode == "P"


def test_png_keeps_what_it_says(tmp_path: Path) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "Ada")
    text.add_itxt("Title", "Łódź")
    text.add(b"gAMA", (45455).to_bytes(4, "big"))
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 6
    Image.fromarray(values((8, 12, 3), "uint8")).save(
        tmp_path / "a.png", pnginfo=text, exif=exif, icc_profile=b"profile", dpi=(300, 300)
    )
    after, hole = refilled(files.read(tmp_path / "a.png"))
    files.write(tmp_path / "b.png", after, hole)
    with Image.open(tmp_path / "b.png") as out:
        out.load()
        assert out.info["Author"] == "Ada"
        assert out.info["Title"] == "Łódź"
        assert out.info["gamma"] == pytest.approx(0.45455)
        assert out.info["icc_profile"] == b"profile"
        assert out.info["dpi"] == pytest.approx((300, 300), abs=0.01)
        assert (out.getexif()[0x010F], out.getexif()[0x0112]) == ("Maker", 1)


def test_new_file_takes_the_umask_and_an_old_one_keeps_its_mode(tmp_path: Path) -> None:
    picture = conversion.from_array(values((8, 8, 3), "uint8"))
    old = os.umask(0o027)
    try:
        files.write(tmp_path / "new.png", picture)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "new.png").stat().st_mode) == 0o640
    (tmp_path / "new.png").chmod(0o604)
    files.write(tmp_path / "new.png", picture)
    assert stat.S_IMODE((tmp_path / "new.png").stat().st_mode) == 0o604
    assert [path.name for path in tmp_path.iterdir()] == ["new.png"]


def test_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "link.png").symlink_to(tmp_path / "target")
    files.write(tmp_path / "link.png", conversion.from_array(values((8, 8, 3), "uint8")))
    assert (tmp_path / "link.png").is_symlink()
    assert files.read(tmp_path / "target").format == "PNG"


def bad(folder: Path, kind: str) -> Path:
    """A file that cannot be read."""
    image, path = Image.fromarray(values((64, 64, 3), "uint8")), folder / "bad.png"
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_bytes(b"hello, I am no picture")
    elif kind == "folder":
        path.mkdir()
    elif kind == "CMYK":
        image.convert("CMYK").save(path := folder / "bad.jpg")
    elif kind.startswith("cut"):
        image.save(path := folder / f"bad.{kind[4:]}")
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif kind.startswith("frames"):
        other = Image.fromarray(values((64, 64, 3), "uint8"))
        image.save(path := folder / f"bad.{kind[7:]}", save_all=True, append_images=[other])
    return path


BAD = {
    "missing": "does not exist",
    "empty": "is empty",
    "text": "not a picture",
    "folder": "is a folder",
    "CMYK": "CMYK",
    "cut png": "cut short",
    "cut jpg": "cut short",
    "cut tif": "cut short",
    "cut webp": "cut short",
    "frames gif": "frames",
    "frames png": "frames",
    "frames webp": "frames",
    "frames tif": "pages",
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_one_line(tmp_path: Path, kind: str) -> None:
    with pytest.raises(PictureError, match=BAD[kind]) as caught:
        files.read(bad(tmp_path, kind))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_too_many_pixels(tmp_path: Path, monkeypatch: Any, suffix: str) -> None:
    Image.new("L", (60, 60)).save(tmp_path / f"a{suffix}")
    monkeypatch.setenv("MENDPIX_MOST_PIXELS", "3599")
    with pytest.raises(PictureError, match=r"60x60.*MENDPIX_MOST_PIXELS=3600"):
        files.read(tmp_path / f"a{suffix}")


@pytest.mark.parametrize(
    ("name", "dtype", "why"),
    [
        ("a.xyz", "uint8", "extension"),
        ("a.jpg", "uint16", "16 bits"),
        ("a.png", "float32", "float32"),
        ("no/a.png", "uint8", "folder does not exist"),
        ("", "uint8", "extension|folder"),
    ],
)
def test_what_cannot_be_written(tmp_path: Path, name: str, dtype: str, why: str) -> None:
    with pytest.raises(PictureError, match=why):
        files.write(tmp_path / name, conversion.from_array(values((8, 8, 3), dtype)))
    assert not list(tmp_path.iterdir())


def test_device_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "full.png").symlink_to("/dev/full")
    with pytest.raises(PictureError, match="device"):
        files.write(tmp_path / "full.png", conversion.from_array(values((8, 8, 3), "uint8")))
    assert Path("/dev/full").is_char_device()
    with pytest.raises(PictureError, match="device"):
        files.read(tmp_path / "full.png")


def test_pillow_images_keep_their_kind() -> None:
    rgb = values((9, 14, 3), "uint8")
    for mode in ("L", "LA", "RGB", "RGBA", "P", "1"):
        image = Image.fromarray(rgb).convert(mode)
        again = conversion.to_pil(conversion.from_pil(image))
        assert again.mode == {"P": "RGB", "1": "L"}.get(mode, mode)
        np.testing.assert_array_equal(again, image.convert(again.mode))
    deep = Image.fromarray(values((9, 14), "uint16"))
    np.testing.assert_array_equal(conversion.to_pil(conversion.from_pil(deep)), deep)
    single = Image.fromarray(values((9, 14), "float32"))
    np.testing.assert_array_equal(conversion.to_pil(conversion.from_pil(single)), single)
    with pytest.raises(PictureError, match="CMYK"):
        conversion.from_pil(Image.new("CMYK", (4, 4)))


def test_many_channels_show_their_first_three() -> None:
    bands = values((9, 14, 8), "uint8")
    np.testing.assert_array_equal(conversion.to_pil(conversion.from_array(bands)), bands[..., :3])


@pytest.mark.parametrize("shape", [(), (5,), (0, 4), (2, 3, 4, 5)])
def test_arrays_that_are_no_pictures(shape: tuple[int, ...]) -> None:
    with pytest.raises(PictureError, match="is no picture; give HxW"):
        conversion.from_array(np.zeros(shape, np.uint8))
    with pytest.raises(PictureError, match="bool is no picture"):
        conversion.from_array(np.zeros((4, 4), bool))


def test_changed_counts_every_bit_outside_the_hole() -> None:
    before = conversion.from_array(values((6, 7, 4), "uint8"))
    assert before.alpha is not None
    pixels, alpha, hole = before.pixels.copy(), before.alpha.copy(), np.zeros((6, 7), bool)
    pixels[0, 0, 2] ^= 1
    pixels[1, 1] ^= 1
    alpha[2, 2] ^= 1
    hole[1, 1] = True
    after = before.replace(pixels=pixels, alpha=alpha)
    assert conversion.count_changes(before, after, hole) == 2
    grey = conversion.from_array(values((6, 7), "uint8"))
    colour = conversion.from_array(np.repeat(grey.pixels, 3, axis=2))
    assert conversion.count_changes(grey, colour, hole) == 0
    with pytest.raises(PictureError, match=r"7x6 but .* 3x3"):
        conversion.count_changes(grey, conversion.from_array(values((3, 3), "uint8")), hole)
    with pytest.raises(PictureError, match=r"uint8 values but .* uint16"):
        conversion.count_changes(grey, conversion.from_array(values((6, 7), "uint16")), hole)
