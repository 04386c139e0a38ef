"""Writing is whole or not at all; other formats; what other libraries are needed for."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mendpix.errors import MendError, PictureError
from mendpix.io import conversion, files
from mendpix.io.picture import encode

VALUES = np.random.default_rng(5).integers(0, 256, (64, 64, 3), dtype=np.uint8)


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """As on a full disk: files cannot grow beyond ``size`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_no_room_leaves_the_old_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"old")
    with room_for(700), pytest.raises(PictureError, match="cannot be written"):
        files.write(path, conversion.from_array(VALUES))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", [".webp", ".bmp", ".tiff", ".PNG"])
def test_other_formats_lose_nothing(tmp_path: Path, suffix: str) -> None:
    picture = conversion.from_array(VALUES)
    written = files.write(tmp_path / f"a{suffix}", picture)
    assert (written.largest_change, written.mean_change) == (0, 0)
    np.testing.assert_array_equal(files.read(tmp_path / f"a{suffix}").pixels, VALUES)


def test_transparent_webp_keeps_colours_under_no_opacity(tmp_path: Path) -> None:
    values = np.concatenate([VALUES, VALUES[..., :1] // 200 * 255], axis=-1)
    files.write(tmp_path / "a.webp", conversion.from_array(values))
    np.testing.assert_array_equal(
        conversion.to_array(files.read(tmp_path / "a.webp"), values), values
    )


def test_avif_says_what_it_changed(tmp_path: Path) -> None:
    picture = conversion.from_array(VALUES)
    written = files.write(tmp_path / "a.avif", picture)
    again = files.read(tmp_path / "a.avif").pixels.astype(int)
    assert written.largest_change == np.abs(again - VALUES).max()


def test_heic_without_its_library_names_the_extra(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40))
    with pytest.raises(PictureError, match=r"pip install 'mendpix\[heic\]'"):
        files.read(tmp_path / "a.heic")


def test_broken_heic_is_told(tmp_path: Path) -> None:
    pytest.importorskip("pi_heif")
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40))
    with pytest.raises(PictureError, match="damaged or cut short"):
        files.read(tmp_path / "a.heic")


@pytest.mark.parametrize(
    ("name", "kind", "extension"),
    [
        ("a.JPG", "JPEG", ".JPG"),
        ("a.jpeg", "JPEG", ".jpeg"),
        ("a.heic", "HEIF", ".png"),
        ("a.gif", "GIF", ".png"),
        ("scan", "TIFF", ".tif"),
        ("wrong.png", "WEBP", ".webp"),
    ],
)
def test_default_extension(name: str, kind: str, extension: str) -> None:
    from dataclasses import replace

    picture = replace(conversion.from_array(VALUES), name=name, format=kind)
    assert files.default_extension(picture) == extension
    assert files.default_extension(picture, keep_palette=True) == ".png"


def test_nan_and_infinity_are_made_usable_for_a_filler() -> None:
    values = np.array([[[0.0], [10.0], [np.nan], [np.inf], [-np.inf]]], np.float32)
    encoded = encode(values, np.zeros((1, 5), bool))
    np.testing.assert_array_equal(encoded[0, :, 0], np.float32([0, 1, 0.5, 1, 0]))


def test_an_output_must_be_no_input_by_any_name(tmp_path: Path) -> None:
    photo, link = tmp_path / "p.png", tmp_path / "link.png"
    photo.write_bytes(b"")
    link.symlink_to(photo)
    files.check_outputs([tmp_path / "out.png", None], [photo, np.zeros(1), None])
    for out in (photo, str(link), tmp_path / "folder" / ".." / "p.png"):
        with pytest.raises(MendError, match="is a photo or mask of this fill"):
            files.check_outputs([out], [np.zeros(1), str(photo)])


def test_the_package_offers_its_door_without_importing_it() -> None:
    code = "import sys, mendpix.io as io; print('PIL' in sys.modules); io.read; print(io.Picture)"
    lines = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert lines.stdout.splitlines() == ["False", "<class 'mendpix.io.picture.Picture'>"]
