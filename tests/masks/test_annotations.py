"""labelme's and COCO's JSON mark what their programs drew."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mendpix.errors import MaskError
from mendpix.io import conversion
from mendpix.io.picture import Picture
from mendpix.masks.annotations import _draw_runs, _unpack_runs
from mendpix.masks.reading import read

RING = [[30.0, 20.0], [50.0, 20.0], [50.0, 30.0], [30.0, 30.0]]


def photo() -> Picture:
    values = np.full((64, 80, 3), 90, np.uint8)
    return Picture(conversion.from_array(values).pixels, name="folder/in.png")


def box(top: int, left: int, height: int, width: int) -> np.ndarray:
    hole = np.zeros((64, 80), bool)
    hole[top : top + height, left : left + width] = True
    return hole


def labelme(path: Path, *shapes: dict[str, Any]) -> Path:
    content = {"version": "5", "shapes": shapes, "imageHeight": 64, "imageWidth": 80}
    path.write_text(json.dumps(content))
    return path


def coco(path: Path, *segments: Any, names: tuple[str, ...] = ("in.png",)) -> Path:
    images = [
        {"id": index, "file_name": name, "height": 64, "width": 80}
        for index, name in enumerate(names)
    ]
    annotations = [
        {"id": n, "image_id": 0, "category_id": n, "bbox": [1, 2, 3, 4], "segmentation": segment}
        for n, segment in enumerate(segments)
    ]
    categories = [{"id": n, "name": f"kind-{n}"} for n in range(len(segments))]
    path.write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
    return path


def test_labelme_shapes(tmp_path: Path) -> None:
    inside = np.zeros((4, 5), np.uint8)
    inside[1, 2] = 255
    buffer = io.BytesIO()
    Image.fromarray(inside).save(buffer, "PNG")
    text = base64.b64encode(buffer.getvalue()).decode()
    path = labelme(
        tmp_path / "in.json",
        {"label": "a", "shape_type": "polygon", "points": RING},
        {"label": "b", "shape_type": "rectangle", "points": [[5, 6], [8, 10]]},
        {"label": "c", "shape_type": "mask", "points": [[60, 50], [64, 53]], "mask": text},
        {"label": "d", "shape_type": "line", "points": [[1, 1], [9, 9]]},
        {"label": "e", "shape_type": "circle", "points": [[10.5, 40.5], [12.5, 40.5]]},
    )
    reading = read(path, photo())
    expected = box(20, 30, 10, 20) | box(6, 5, 4, 3) | box(51, 62, 1, 1)
    y, x = np.mgrid[:64, :80]
    expected |= (y - 40) ** 2 + (x - 10) ** 2 <= 4
    np.testing.assert_array_equal(reading.hole, expected)
    assert "shapes that are no areas: line" in reading.warnings[0]
    np.testing.assert_array_equal(read(path, photo(), category="b").hole, box(6, 5, 4, 3))
    with pytest.raises(MaskError, match="nothing of category 'z'"):
        read(path, photo(), category="z")


def test_coco_polygons_runs_and_boxes(tmp_path: Path) -> None:
    runs = {"size": [64, 80], "counts": [5, 3, 64 * 80 - 8]}
    path = coco(tmp_path / "coco.json", [np.ravel(RING).tolist()], runs, [])
    expected = box(20, 30, 10, 20) | box(5, 0, 3, 1) | box(2, 1, 4, 3)
    np.testing.assert_array_equal(read(path, photo()).hole, expected)
    np.testing.assert_array_equal(read(path, photo(), category="kind-1").hole, box(5, 0, 3, 1))


def test_compressed_runs_are_those_of_pycocotools() -> None:
    """The string is what pycocotools.mask.encode gave for this hole."""
    expected = np.zeros((6, 8), bool)
    expected[1:4, 2:7] = True
    expected[0, 3] = True
    runs = _draw_runs({"size": [6, 8], "counts": "=3211O00005"}, (6, 8))
    np.testing.assert_array_equal(runs, expected)
    assert _unpack_runs("52203ON") == [5, 2, 2, 2, 5, 1, 3]


def test_which_picture_of_coco(tmp_path: Path) -> None:
    segment = [np.ravel(RING).tolist()]
    several = coco(tmp_path / "a.json", segment, names=("in.png", "other.png"))
    assert read(several, photo()).hole.sum() == 200
    assert read(coco(tmp_path / "b.json", segment, names=("x.png",)), photo()).hole.sum() == 200
    unknown = coco(tmp_path / "c.json", segment, names=("x.png", "y.png"))
    with pytest.raises(MaskError, match="lists 2 pictures but not one called in"):
        read(unknown, photo())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON"),
        ("[1]", "neither labelme's nor COCO's"),
        ('{"shapes": [{"points": 3}]}', "is damaged"),
        ('{"shapes": [], "imageHeight": 999999, "imageWidth": 999999}', "megapixels"),
        ('{"a": 1}', "neither labelme's nor COCO's"),
    ],
)
def test_other_json_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "in.json"
    path.write_text(text)
    with pytest.raises(Exception, match=message) as problem:
        read(path, photo())
    assert "\n" not in str(problem.value)


def test_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", box(3, 4, 5, 6))
    np.testing.assert_array_equal(read(tmp_path / "m.npy", photo()).hole, box(3, 4, 5, 6))
    np.save(tmp_path / "o.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(MaskError, match="no NumPy array that can be read"):
        read(tmp_path / "o.npy", photo())
