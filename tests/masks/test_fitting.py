"""A mask of another size is scaled or put at a corner, and never stretched without a word."""

import numpy as np
import pytest

from mendpix.errors import MaskError
from mendpix.io import conversion
from mendpix.io.picture import Picture
from mendpix.masks.reading import from_array


def photo(height: int = 40, width: int = 60) -> Picture:
    return conversion.from_array(np.full((height, width, 3), 90, np.uint8))


@pytest.mark.parametrize(
    ("anchor", "top", "left"),
    [
        ("top-left", 0, 0),
        ("top", 0, 25),
        ("top-right", 0, 50),
        ("left", 17, 0),
        ("centre", 17, 25),
        ("right", 17, 50),
        ("bottom-left", 34, 0),
        ("bottom", 34, 25),
        ("bottom-right", 34, 50),
    ],
)
def test_an_anchor_puts_a_mask_there_at_its_own_size(anchor: str, top: int, left: int) -> None:
    mark = np.random.default_rng(0).random((6, 10)) < 0.5
    expected = np.zeros((40, 60), bool)
    expected[top : top + 6, left : left + 10] = mark
    reading = from_array(mark, photo(), anchor=anchor)
    np.testing.assert_array_equal(reading.hole, expected)


def test_a_larger_mask_may_stand_over_where_it_marks_nothing() -> None:
    mark = np.zeros((100, 100), bool)
    mark[95:98, 90:96] = True
    reading = from_array(mark, photo(), anchor="bottom-right")
    assert np.argwhere(reading.hole).min(axis=0).tolist() == [35, 50]
    with pytest.raises(MaskError, match="outside of the photo"):
        from_array(mark, photo(), anchor="top-left")


def test_another_aspect_ratio_is_told() -> None:
    mark = np.zeros((20, 20), bool)
    mark[5:9, 5:9] = True
    stretched = from_array(mark, photo(), fit=True)
    assert "was stretched to the photo's other aspect ratio, 60x40" in stretched.warnings[0]
    even = np.zeros((20, 30), bool)
    even[5:9, 5:9] = True
    assert not from_array(even, photo(), fit=True).warnings


def test_one_way_at_a_time() -> None:
    with pytest.raises(MaskError, match="are both given"):
        from_array(np.eye(5) > 0, photo(), fit=True, anchor="top")
    with pytest.raises(MaskError, match="did you mean 'top-left'"):
        from_array(np.eye(5) > 0, photo(), anchor="topleft")
