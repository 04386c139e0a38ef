"""Holes grow by distance, have parts, and fall into buckets."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mendpix.masks import holes


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 9))
def test_dilation_is_all_within_the_distance(seed: int, pixels: int) -> None:
    rng = np.random.default_rng(seed)
    hole = rng.random((17, 23)) < 0.02
    rows, columns = np.mgrid[:17, :23]
    expected = np.zeros_like(hole)
    for row, column in np.argwhere(hole):
        expected |= (rows - row) ** 2 + (columns - column) ** 2 <= pixels**2
    np.testing.assert_array_equal(holes.dilate(hole, pixels), expected)


def test_components_and_buckets() -> None:
    hole = np.zeros((10, 10), bool)
    hole[1, 1] = hole[2, 2] = hole[7:9, 4:8] = True
    assert holes.components(hole) == [
        holes.Component(1, 1, 2, 2, 2),
        holes.Component(7, 4, 2, 4, 8),
    ]
    assert holes.bounding_box(hole) == (1, 1, 8, 7)
    assert holes.bounding_box(hole[:1]) == (0, 0, 0, 0)
    assert holes.ratio(hole) == 0.1
    assert holes.bucket(0.1) == "(0.01,0.1]"
    assert holes.bucket(0.101) == "(0.1,0.2]"
    assert holes.bucket(0.01) is None
    assert holes.bucket(0.61) is None
