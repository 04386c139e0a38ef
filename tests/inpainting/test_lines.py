"""Line strokes: an edge goes on along the stroke, whatever fills the rest."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import mendpix
from mendpix.errors import MaskError
from mendpix.inpainting.lines import draw_lines, find_offset
from mendpix.inpainting.strokes import HALF_WIDTH, Stroke, find_gaps, parse_stroke
from mendpix.types import Hole, Photo

SIDE = 160


def measure_distance(angle: float, side: int = SIDE) -> NDArray[np.float64]:
    """Of each pixel from a line through the middle, in pixels, with a sign."""
    rows, columns = np.mgrid[:side, :side] - side / 2
    return np.asarray(rows * np.cos(angle) - columns * np.sin(angle), np.float64)


def draw_edge(angle: float, noise: float = 0.02) -> Photo:
    share = 1 / (1 + np.exp(-measure_distance(angle) / 0.6))[..., None]
    grain = np.random.default_rng(0).normal(0, noise, (SIDE, SIDE, 1))
    return np.clip(np.array([0.2, 0.3, 0.6]) + share * 0.4 + grain, 0, 1).astype(np.float32)


def make_stroke(angle: float, half: float = 60) -> Stroke:
    ahead = np.array([np.cos(angle), np.sin(angle)])
    return Stroke(SIDE / 2 + np.array([-half, half])[:, None] * ahead)


def make_hole(top: int = 60, left: int = 60, height: int = 40, width: int = 40) -> Hole:
    hole = np.zeros((SIDE, SIDE), np.bool_)
    hole[top : top + height, left : left + width] = True
    return hole


def hide(photo: Photo, hole: Hole) -> Photo:
    return np.where(hole[..., None], np.float32(0), photo)


@pytest.mark.parametrize("degrees", [0, 13, 45, 77, 90, 121, 170])
def test_an_edge_goes_on_along_the_stroke(degrees: float) -> None:
    angle = np.deg2rad(degrees)
    photo, hole = draw_edge(angle), make_hole()
    drawn, band = draw_lines(hide(photo, hole), hole, [make_stroke(angle)])
    near = np.abs(measure_distance(angle)) < HALF_WIDTH - 1
    assert (band[hole & near]).all() and not band[~hole].any()
    np.testing.assert_array_equal(drawn[~band], hide(photo, hole)[~band])
    away = near & (np.abs(measure_distance(angle)) > 1.5) & hole
    assert np.abs(drawn - photo)[away].max() < 0.2  # the edge lies where it is, to a pixel
    assert np.abs(drawn - photo)[band].mean() < 0.04


def test_grain_is_copied() -> None:
    photo, hole = draw_edge(0.0, 0.05), make_hole()
    drawn, band = draw_lines(hide(photo, hole), hole, [make_stroke(0.0)])
    away = band & (np.abs(measure_distance(0.0)) > 3)
    steps = np.diff(drawn[..., 0], axis=1)[away[:, 1:]]
    assert 0.85 < steps.std() / np.diff(photo[..., 0], axis=1)[~hole[:, 1:]].std() < 1.1


def test_a_stroke_beside_the_edge_still_joins_both_ends() -> None:
    photo, hole = draw_edge(0.0), make_hole()
    stroke = Stroke(make_stroke(0.0).points + np.array([[0, -2], [0, 2]]))
    drawn, band = draw_lines(hide(photo, hole), hole, [stroke])
    assert np.abs(drawn - photo)[band].mean() < 0.04


def test_two_sides_of_other_brightness_meet_without_a_step() -> None:
    photo, hole = draw_edge(0.0, 0.0), make_hole()
    photo = (photo + 0.2 * (np.arange(SIDE) / SIDE)[:, None]).astype(np.float32)
    drawn, band = draw_lines(hide(photo, hole), hole, [make_stroke(0.0)])
    row = drawn[SIDE // 2 + 4, band[SIDE // 2 + 4], 0]
    assert np.abs(np.diff(row)).max() < 0.02 and row[-1] > row[0]


def test_a_bent_stroke() -> None:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    corner = ((rows > SIDE / 2) & (columns > SIDE / 2)).astype(np.float32)[..., None]
    hole = make_hole()
    stroke = Stroke(np.array([[150.0, 80.5], [80.5, 80.5], [80.5, 150.0]]))
    drawn, band = draw_lines(hide(corner, hole), hole, [stroke])
    assert np.abs(drawn - corner)[band].mean() < 0.08


def test_a_stroke_that_ends_in_the_hole_goes_no_further() -> None:
    photo, hole = draw_edge(0.0), make_hole()
    stroke = Stroke(np.array([[20.0, 80.0], [80.0, 80.0]]))
    (gap,) = find_gaps(stroke, hole, ~hole)
    assert (gap.start, gap.end, gap.after) == (40, 60, 0)
    _, band = draw_lines(hide(photo, hole), hole, [stroke])
    assert band[80, 60:80].all() and not band[:, 85:].any()


def test_two_holes_are_two_gaps_and_strokes_may_cross() -> None:
    photo = draw_edge(0.0)
    hole = make_hole(60, 40, 30, 20) | make_hole(60, 100, 30, 20)
    assert [gap.start for gap in find_gaps(make_stroke(0.0, 70), hole, ~hole)] == [30, 90]
    cross = Stroke(np.array([[50.0, 20.0], [50.0, 140.0]]))
    _, band = draw_lines(hide(photo, hole), hole, [make_stroke(0.0, 70), cross])
    assert band[75, 45:55].all() and band[62, 48:53].all()


def test_excluded_pixels_are_not_copied() -> None:
    photo, hole = draw_edge(0.0), make_hole()
    usable = np.ones_like(hole)
    usable[:, :60] = False
    other = photo.copy()
    other[:, :60] = 0.9
    drawn = draw_lines(hide(photo, hole), hole, [make_stroke(0.0)], usable)[0]
    again = draw_lines(hide(other, hole), hole, [make_stroke(0.0)], usable)[0]
    np.testing.assert_array_equal(drawn[hole], again[hole])


@pytest.mark.parametrize("shape", [(40, 8), (8, 40), (1, 30), (30, 1), (2, 2)])
def test_small_pictures_are_filled_or_refused(shape: tuple[int, int]) -> None:
    photo = np.random.default_rng(0).random((*shape, 2), np.float32)
    for known in (np.s_[:1], np.s_[:, -1:], np.s_[::3], np.s_[-9:]):
        hole = np.ones(shape, np.bool_)
        hole[known] = False
        for line in ("0,0,100%,100%", "0,50%,100%,50%", "50%,0,50%,100%", "-9,-9,3,99"):
            try:
                drawn, band = draw_lines(photo, hole, [parse_stroke(line, shape)])
            except MaskError:
                continue
            assert np.isfinite(drawn).all() and not band[~hole].any()


def test_an_offset_is_found() -> None:
    profile = np.repeat((np.arange(17) > 8).astype(np.float32)[:, None], 3, axis=1)
    assert find_offset(profile, np.roll(profile, 2, axis=0)) == 2
    assert find_offset(profile, profile + np.float32(0.2)) == 0
    flat = np.ones_like(profile)
    assert find_offset(flat, flat) == 0


@pytest.mark.parametrize(
    "line", ["20,80,140,80", "20,80 80,80 140,80", "12.5%,50%,87.5%,50%", ((20, 80), (140, 80))]
)
def test_lines_are_written_in_several_ways(line: Any) -> None:
    stroke = parse_stroke(line, (SIDE, SIDE))
    assert stroke.points[0].tolist() == [19.5, 79.5] and stroke.length == 120


@pytest.mark.parametrize("model", ["auto", "patchmatch", "telea"])
def test_any_model_continues_lines(model: str) -> None:
    photo, hole = np.rint(draw_edge(0.2) * 255).astype(np.uint8), make_hole()
    points = tuple(map(tuple, make_stroke(0.2).points + 0.5))
    filled = mendpix.fill(photo, hole, model=model, lines=[points])
    np.testing.assert_array_equal(filled[~hole], photo[~hole])
    near = hole & (np.abs(measure_distance(0.2)) < 6)
    assert np.abs(filled.astype(float) - photo)[near].mean() < 12


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,2,3", "the line '1,2,3' is not X,Y,X,Y"),
        ("1,2,x,4", "is not X,Y,X,Y or longer"),
        ("5,5,5,5", "two points in one place"),
        ("5,5,50,5", "crosses no hole"),
        ("70,70,90,90", "has too little known beyond the hole"),
    ],
)
def test_lines_that_cannot_be_continued_are_told(line: str, message: str) -> None:
    photo = np.rint(draw_edge(0.0) * 255).astype(np.uint8)
    with pytest.raises(MaskError, match=message):
        mendpix.fill(photo, make_hole(), model="telea", lines=[line])
