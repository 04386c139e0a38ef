"""Boxes and polygons become holes by the rule of pixel centres."""

import numpy as np
import pytest

from mendpix.errors import MaskError
from mendpix.masks.drawing import draw_shapes, fill_polygon


def test_a_box_and_the_polygon_of_its_corners_are_the_same_pixels() -> None:
    box = draw_shapes(["3,2,5,4"], [], (10, 12))
    assert np.argwhere(box).min(axis=0).tolist() == [2, 3]
    assert np.argwhere(box).max(axis=0).tolist() == [5, 7]
    assert box.sum() == 20
    ring = draw_shapes([], [(3, 2, 8, 2, 8, 6, 3, 6)], (10, 12))
    np.testing.assert_array_equal(ring, box)


def test_percent_is_of_the_picture() -> None:
    by_percent = draw_shapes(["50%,75%,25%,25%"], [], (40, 80))
    np.testing.assert_array_equal(by_percent, draw_shapes([(40, 30, 20, 10)], [], (40, 80)))
    mixed = draw_shapes(["50%,30,20,25%"], [], (40, 80))
    np.testing.assert_array_equal(mixed, by_percent)


def test_what_lies_outside_is_cut_off() -> None:
    hole = draw_shapes([(-5, -5, 7, 6)], [], (10, 10))
    assert np.argwhere(hole).tolist() == [[0, 0], [0, 1]]


def test_a_polygon_holds_the_pixels_whose_centres_it_holds() -> None:
    """Against the sign of the distances to the edges of a convex polygon."""
    corners = np.array([[4.3, 1.2], [17.9, 6.4], [11.1, 18.7], [2.2, 12.5]])
    y, x = np.mgrid[:20, :20] + 0.5
    inside = np.ones((20, 20), bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        inside &= (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) > 0
    np.testing.assert_array_equal(fill_polygon(corners, (20, 20)), inside)


def test_a_star_is_hollow_by_the_even_odd_rule() -> None:
    angles = np.arange(5) * 4 * np.pi / 5
    star = np.stack([np.sin(angles), -np.cos(angles)], 1) * 19 + 20
    hole = fill_polygon(star, (40, 40))
    assert not hole[20, 20]
    assert hole[5, 20]


@pytest.mark.parametrize(
    ("boxes", "polygons", "message"),
    [
        (["1,2,3"], [], "is not X,Y,W,H"),
        (["1,2,3,x"], [], "is not X,Y,W,H"),
        (["1,2,0,4"], [], "is not X,Y,W,H"),
        (["30,2,5,4"], [], "holds no pixel of the photo, which is 20x10"),
        ([], ["1,2,3,4"], "is not X,Y,X,Y,X,Y"),
        ([], ["1,2,3,4,5,6,7"], "is not X,Y,X,Y,X,Y"),
        ([], ["50,50,60,50,60,60"], "holds no pixel"),
    ],
)
def test_what_is_no_shape_is_refused(boxes: list[str], polygons: list[str], message: str) -> None:
    with pytest.raises(MaskError, match=message):
        draw_shapes(boxes, polygons, (10, 20))
