"""What is learned is what is seen: opaque, upright, from every place and kind of file."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from PIL import Image

from mendpix.errors import MendError, PictureError
from mendpix.evaluation.preparation import read_truth
from mendpix.training import dataset_check, decoding, sources
from mendpix.training.photos import Photos, PhotoSet
from mendpix.training.recipe import Data, DataSettings


def make_scene(height: int = 96, width: int = 128) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, (rows + columns) // 2], -1).astype(np.uint8)


def write_cutout(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A scene that is opaque in a rectangle, with noise under the rest."""
    opaque = np.zeros((96, 128), np.bool_)
    opaque[30:66, 40:90] = True
    noise = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    colours = np.where(opaque[..., None], make_scene(), noise)
    Image.fromarray(np.dstack([colours, np.uint8(255) * opaque])).save(path)
    return colours, opaque


def read(folder: Path, file: str) -> NDArray[np.uint8]:
    return PhotoSet(folder, 32, DataSettings(short_side=96)).read(file)


def find_largest_by_hand(opaque: NDArray[np.bool_]) -> int:
    """The area of the largest rectangle of True, by trying all."""
    height, width = opaque.shape
    return max(
        (bottom - top) * (right - left)
        for top in range(height)
        for bottom in range(top, height + 1)
        for left in range(width)
        for right in range(left, width + 1)
        if opaque[top:bottom, left:right].all()
    )


@given(arrays.arrays(np.bool_, st.tuples(st.integers(1, 6), st.integers(1, 6))))
def test_the_opaque_rectangle_is_the_largest(opaque: NDArray[np.bool_]) -> None:
    rows, columns = decoding.find_opaque_rectangle(opaque)
    assert opaque[rows, columns].all()
    assert opaque[rows, columns].size == find_largest_by_hand(opaque)


def test_colours_under_transparency_are_not_learned(tmp_path: Path) -> None:
    colours, opaque = write_cutout(tmp_path / "cutout.png")
    learned, share = decoding.decode(np.fromfile(tmp_path / "cutout.png", np.uint8), "cutout.png")
    np.testing.assert_array_equal(learned, colours[30:66, 40:90])
    assert share == pytest.approx(1 - opaque.mean())
    Image.new("RGBA", (64, 64)).save(tmp_path / "nothing.png")
    with pytest.raises(MendError, match="transparent everywhere"):
        read(tmp_path, "nothing.png")


def test_check_counts_them_and_evaluation_refuses_them(tmp_path: Path) -> None:
    write_cutout(tmp_path / "cutout.png")
    Image.fromarray(make_scene()).save(tmp_path / "plain.png")
    report = dataset_check.check(tmp_path)
    assert report.transparent == ("cutout.png",)
    assert report.problems["transparent"] == ("cutout.png",)
    with pytest.raises(PictureError, match="transparent in 85 % of its pixels"):
        read_truth(tmp_path / "cutout.png")


@pytest.mark.parametrize("kind", ["avif", "jpg", "webp", "png"])
def test_every_format_is_turned_upright(tmp_path: Path, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(make_scene()).save(tmp_path / f"turned.{kind}", exif=exif, quality=95)
    learned = read(tmp_path, f"turned.{kind}").astype(int)
    assert np.abs(learned - np.rot90(make_scene(), -1)).mean() < 4


def test_linked_folders_are_read_once(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "elsewhere").mkdir()
    Image.fromarray(make_scene()).save(tmp_path / "elsewhere/linked.png")
    (tmp_path / "photos/more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos/self").symlink_to(tmp_path / "photos")
    assert sources.list_pictures(tmp_path / "photos") == ["more/linked.png"]


def test_names_of_the_first_version_still_import(tmp_path: Path) -> None:
    Image.fromarray(make_scene()).save(tmp_path / "plain.png")
    assert Photos(tmp_path, 32, Data()).picture("plain.png").shape == (32, 43, 3)
