"""Masks as labelling programs write them: labelme's and COCO's JSON, polygons and runs (RLE).

COCO's format: https://cocodataset.org/#format-data; its compressed runs as in pycocotools.
"""

import base64
import binascii
import json
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from mendpix.errors import MaskError, did_you_mean
from mendpix.io import files, pillow
from mendpix.io.picture import Picture
from mendpix.masks.drawing import fill_polygon
from mendpix.types import Hole

# What reading a file of another form than the two raises.
_MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)


@dataclass(frozen=True, slots=True, eq=False)
class Annotation:
    """One labelled thing: its category's name, and its pixels."""

    category: str
    hole: Hole


def read(path: Path, picture: Picture, category: str = "") -> tuple[Hole, list[str]]:
    """What a labelme or COCO file marks in a picture, and remarks on what was left out.

    Args:
        category: of what is marked; "" takes all.

    Raises:
        MaskError: another kind of file, one that does not list the picture, or no such category.
    """
    content = _load(path)
    try:
        if "shapes" in content:
            shape, annotations, left_out = _read_labelme(content, picture)
        elif "annotations" in content and "images" in content:
            shape, annotations, left_out = _read_coco(content, picture, path)
        else:
            raise MaskError(f"{path} is neither labelme's nor COCO's JSON; give a mask picture")
        hole = _join(annotations, shape, category, path)
    except _MALFORMED as problem:
        raise MaskError(f"{path} is damaged: {type(problem).__name__} {problem}") from None
    warnings = [f"{path.name} has shapes that are no areas: {left_out}"] if left_out else []
    return hole, warnings


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(files.read_bytes(path))
    except (ValueError, RecursionError) as problem:
        raise MaskError(f"{path} is no JSON: {problem}") from None
    if not isinstance(content, dict):
        raise MaskError(f"{path} is neither labelme's nor COCO's JSON; give a mask picture")
    return content


def _join(
    annotations: Iterable[Annotation], shape: tuple[int, int], category: str, path: Path
) -> Hole:
    hole, names = np.zeros(shape, bool), set()
    for one in annotations:
        names.add(one.category)
        if category in ("", one.category):
            hole |= one.hole
    if category and category not in names:
        hint = did_you_mean(category, sorted(names)) if names else "nothing is marked there"
        raise MaskError(f"{path} marks nothing of category {category!r} in this photo; {hint}")
    return hole


def _check_shape(height: Any, width: Any, picture: Picture) -> tuple[int, int]:
    """The size a file claims, or the picture's where it claims none."""
    if not height or not width:
        return picture.shape
    pillow.check_size(int(width), int(height), "the annotated picture")
    return int(height), int(width)


def _read_labelme(
    content: dict[str, Any], picture: Picture
) -> tuple[tuple[int, int], Iterator[Annotation], str]:
    shape = _check_shape(content.get("imageHeight"), content.get("imageWidth"), picture)
    kinds = {one.get("shape_type") or "polygon" for one in content["shapes"]}
    areas = {"polygon", "rectangle", "circle", "mask"}
    shapes = [one for one in content["shapes"] if (one.get("shape_type") or "polygon") in areas]
    drawn = (Annotation(str(one.get("label")), _draw_labelme(one, shape)) for one in shapes)
    return shape, drawn, ", ".join(sorted(kinds - areas))


def _draw_labelme(one: dict[str, Any], shape: tuple[int, int]) -> Hole:
    points = np.asarray(one["points"], np.float64).reshape(-1, 2)
    kind = one.get("shape_type") or "polygon"
    if kind == "rectangle":
        (x0, y0), (x1, y1) = points[0], points[1]
        points = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    if kind == "circle":  # its centre and a point on it
        rows, columns = np.ogrid[: shape[0], : shape[1]]
        centre, radius = points[0], np.hypot(*(points[1] - points[0]))
        distance = np.hypot(columns + 0.5 - centre[0], rows + 0.5 - centre[1])
        return np.asarray(distance <= radius)
    return _paste_mask(one, points, shape) if kind == "mask" else fill_polygon(points, shape)


def _paste_mask(one: dict[str, Any], points: Any, shape: tuple[int, int]) -> Hole:
    """A picture of the inside of a box, in base 64; both of the box's corners lie in it."""
    try:
        inside = files.parse(base64.b64decode(one["mask"], validate=True), "a mask in the file")
    except binascii.Error as problem:
        raise ValueError(f"a mask is no base 64: {problem}") from None
    left, top = (int(value) for value in points[0])
    hole = np.zeros(shape, bool)
    place = hole[max(0, top) :, max(0, left) :]
    part = inside.pixels[max(0, -top) :, max(0, -left) :].max(axis=-1) > 0
    part = part[: place.shape[0], : place.shape[1]]
    place[: part.shape[0], : part.shape[1]] = part
    return hole


def _read_coco(
    content: dict[str, Any], picture: Picture, path: Path
) -> tuple[tuple[int, int], Iterator[Annotation], str]:
    image = _find_image(content["images"], picture, path)
    shape = _check_shape(image.get("height"), image.get("width"), picture)
    names = {one["id"]: str(one.get("name")) for one in content.get("categories", [])}
    own = [one for one in content["annotations"] if one.get("image_id") == image["id"]]
    drawn = (
        Annotation(names.get(one.get("category_id"), ""), _draw_coco(one, shape)) for one in own
    )
    return shape, drawn, ""


def _find_image(images: list[dict[str, Any]], picture: Picture, path: Path) -> dict[str, Any]:
    """The picture's entry: of its name, or of its stem, or the only one."""
    name = Path(_compose(picture.name))
    for same in (str.__eq__, lambda one, other: Path(one).stem == Path(other).stem):
        fitting = [one for one in images if same(Path(_compose(one["file_name"])).name, name.name)]
        if len(fitting) == 1:
            return fitting[0]
    if len(images) == 1:
        return images[0]
    raise MaskError(f"{path} lists {len(images)} pictures but not one called {name.name}")


def _compose(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _draw_coco(one: dict[str, Any], shape: tuple[int, int]) -> Hole:
    segmentation = one.get("segmentation")
    if isinstance(segmentation, dict):
        return _draw_runs(segmentation, shape)
    if not segmentation:  # a box alone
        left, top, width, height = one["bbox"]
        right, bottom = left + width, top + height
        segmentation = [[left, top, right, top, right, bottom, left, bottom]]
    hole = np.zeros(shape, bool)
    for ring in segmentation:
        hole |= fill_polygon(np.asarray(ring, np.float64).reshape(-1, 2), shape)
    return hole


def _draw_runs(segmentation: dict[str, Any], shape: tuple[int, int]) -> Hole:
    """Lengths of runs of zeros and ones in turn, column by column."""
    height, width = (int(side) for side in segmentation["size"])
    if (height, width) != shape:
        raise ValueError(f"runs of {width}x{height} in a picture of {shape[1]}x{shape[0]}")
    counts = segmentation["counts"]
    runs = _unpack_runs(counts) if isinstance(counts, str) else [int(one) for one in counts]
    if min(runs, default=0) < 0 or sum(runs) != height * width:
        raise ValueError(f"runs of {sum(runs)} pixels in a picture of {height * width}")
    values = np.zeros(height * width, bool)
    ends = np.cumsum([0, *runs])
    for number, (start, stop) in enumerate(pairwise(ends.tolist())):
        values[start:stop] = number % 2 == 1
    return values.reshape(width, height).T


def _unpack_runs(text: str) -> list[int]:
    """Runs from COCO's string: five bits a character from 48 on, the sixth says that more follow.

    From the fourth run on each is stored as its difference to the run two before it.
    """
    runs: list[int] = []
    value, bits = 0, 0
    for character in text:
        code = ord(character) - 48
        value |= (code & 0x1F) << bits
        bits += 5
        if code & 0x20:
            continue
        if code & 0x10:  # negative, in two's complement
            value -= 1 << bits
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value, bits = 0, 0
    return runs
