"""Extra channels and tags of TIFF files, against tifffile."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from mendpix.errors import PictureError
from mendpix.inpainting import api
from mendpix.io import conversion, files

RNG = np.random.default_rng(5)
RGB = RNG.integers(0, 256, (24, 30, 3), np.uint8)
SAVED = RNG.integers(0, 256, (24, 30), np.uint8)
HOLE = np.zeros((24, 30), np.uint8)
HOLE[8:14, 2:8] = 255
GEO: list[tuple[int, str, int, Any, bool]] = [
    (33550, "d", 3, (0.5, 0.25, 0.0), True),
    (34735, "H", 8, (1, 1, 0, 1, 1024, 0, 1, 1), True),
    (42113, "s", 0, "-9999", True),
]


def write(path: Path, values: Any, photometric: str, **options: Any) -> None:
    tifffile.imwrite(path, values, photometric=photometric, metadata=None, **options)


@pytest.mark.parametrize("kinds", [(0,), (2, 0), (0, 2), (0, 1, 0)])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("channels", ["colour", "all"])
def test_extra_channels(tmp_path: Path, kinds: tuple[int, ...], planar: str, channels: str) -> None:
    alpha = np.full_like(SAVED, 255)
    values = np.dstack([RGB, *(alpha if kind else SAVED for kind in kinds)])
    stored = values if planar == "contig" else np.moveaxis(values, -1, 0).copy()
    write(tmp_path / "a.tif", stored, "rgb", extrasamples=kinds, planarconfig=planar)
    out = tmp_path / "b.tif"
    api.fill(tmp_path / "a.tif", HOLE, out=out, model="telea", channels=channels)
    with tifffile.TiffFile(out) as file:
        page = file.pages[0]
        assert tuple(int(kind) for kind in page.extrasamples) == kinds
        result = page.asarray()
    np.testing.assert_array_equal(result[HOLE == 0], values[HOLE == 0])
    changed = (result[HOLE > 0] != values[HOLE > 0]).any(axis=0)
    assert changed[:3].all()
    expected = [kind == 0 and channels == "all" for kind in kinds]
    assert changed[3:].tolist() == expected


def test_a_lost_channel_is_seen_and_named(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", np.dstack([RGB, SAVED]), "rgb", extrasamples=(0,))
    before = files.read(tmp_path / "a.tif")
    remarks = files.write(tmp_path / "b.png", before).remarks
    assert remarks == ("kept not: an extra channel",)
    with pytest.raises(PictureError, match=r"1 extra channels but .* 0"):
        conversion.count_changes(before, files.read(tmp_path / "b.png"), HOLE > 0)


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_tags_stay(tmp_path: Path, bigtiff: bool, byteorder: Any) -> None:
    values = RGB[..., 0].astype(np.float32)
    write(
        tmp_path / "a.tif",
        values,
        "minisblack",
        bigtiff=bigtiff,
        byteorder=byteorder,
        extratags=GEO,
        description="a view",
        software="maker",
        datetime="2026:01:02 03:04:05",
        resolution=(4, 5),
        resolutionunit=1,
    )
    picture = files.read(tmp_path / "a.tif")
    assert not files.write(tmp_path / "b.tif", picture).remarks
    codes = [270, 305, 306, 282, 283, 296, *(code for code, *_ in GEO)]
    with tifffile.TiffFile(tmp_path / "a.tif") as a, tifffile.TiffFile(tmp_path / "b.tif") as b:
        before, after = a.pages[0].tags, b.pages[0].tags
        assert [after[code].value for code in codes] == [before[code].value for code in codes]
    remarks = files.write(tmp_path / "b.tif", picture).remarks
    assert not remarks


def test_layers_leave_and_other_formats_name_what_they_lose(tmp_path: Path) -> None:
    tags = [*GEO, (37724, "B", 8, b"8BIMlayr", True), (65123, "H", 1, 7, True)]
    write(tmp_path / "a.tif", RGB, "rgb", extratags=tags[:1] + tags[3:])
    picture = files.read(tmp_path / "a.tif")
    for name, more in (("b.tif", ""), ("b.png", ", GeoTIFF pixel scale")):
        (remark,) = files.write(tmp_path / name, picture).remarks
        assert remark == f"kept not: Photoshop layers, tag 65123{more}"


def test_no_data_is_no_source_and_comes_back(tmp_path: Path) -> None:
    heights = np.full((24, 30), 100, np.float32)
    heights[:, 14:] = -9999
    write(tmp_path / "a.tif", heights, "minisblack", extratags=GEO)
    api.fill(tmp_path / "a.tif", HOLE, out=tmp_path / "b.tif", model="telea")
    filled = tifffile.imread(tmp_path / "b.tif")
    np.testing.assert_array_equal(filled[:, 14:], heights[:, 14:])
    assert filled[HOLE > 0] == pytest.approx(100)
