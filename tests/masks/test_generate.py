"""Synthetic holes: the area statistics of their sources, the same hole for the same numbers."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import label

from mendpix.errors import MaskError
from mendpix.io import conversion, files
from mendpix.masks import generate
from mendpix.masks.generate.base import Random, flip_randomly
from mendpix.masks.generate.crfill import CrFill
from mendpix.masks.generate.mask_files import Objects, Varied
from mendpix.masks.generate.random_regions import Regions
from mendpix.masks.generate.shapes import Boxes, TurnedBoxes, Walk
from mendpix.masks.generate.strokes import FreeForm

FREE = [kind for kind in generate.GENERATORS if kind not in ("objects", "varied")]


def areas(kind: str | generate.Generator, size: int, count: int) -> np.ndarray:
    return np.array([generate.draw(kind, size, 5, index).mean() for index in range(count)])


def randomness(seed: int = 0) -> Random:
    return np.random.default_rng(seed)


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """Two masks of 64x96: a disc of radius 10 and a box of 20x30, white."""
    disc, box = np.zeros((2, 64, 96), np.uint8)
    cv2.circle(disc, (40, 30), 10, 255, -1)
    box[5:25, 50:80] = 255
    for name, mask in (("disc", disc), ("box", box)):
        files.write(tmp_path / f"{name}.png", conversion.from_array(mask))
    return tmp_path


# Means that running the sources' code gave, at the size it gave them at.
@pytest.mark.parametrize(
    ("kind", "size", "mean", "off"),
    [
        ("regions", 128, 0.232, 0.008),
        ("deepfill-strokes", 256, 0.15, 0.015),
        ("comod", 256, 0.72, 0.035),
        ("mat", 256, 0.40, 0.035),
        ("crfill", 256, 0.31, 0.02),
        ("lama", 256, 0.35, 0.03),
        ("drawings", 256, 0.31, 0.02),
    ],
)
def test_mean_areas_are_the_sources(kind: str, size: int, mean: float, off: float) -> None:
    assert areas(kind, size, 500).mean() == pytest.approx(mean, abs=off)


def test_strokes_of_deepfill_cover_as_little_and_as_much_as_the_sources() -> None:
    covered = areas("deepfill-strokes", 256, 1000)
    assert 0.005 < covered.min() < 0.03
    assert 0.30 < covered.max() < 0.45


def test_comod_at_512_with_lengths_as_they_are() -> None:
    generator = replace(FreeForm(), reference=0)
    assert areas(generator, 512, 200).mean() == pytest.approx(0.66, abs=0.05)


def test_parts_of_crfill() -> None:
    def parts(random: Random) -> tuple[float, float]:
        strokes = CrFill(square=(0.004, 0.004))(256, 256, random).mean()
        side = random.integers(64, 129)
        return strokes, side * side / 256**2

    random = randomness()
    strokes, squares = np.array([parts(random) for _ in range(500)]).mean(axis=0)
    assert strokes == pytest.approx(0.20, abs=0.02)
    assert squares == pytest.approx(0.15, abs=0.02)


def test_regions_before_any_is_refused() -> None:
    """The whole pattern misses 0.178, and more than a quarter of the crops is taken."""
    covered = areas(Regions(area=(-1.0, 2.0)), 128, 1500)
    assert covered.mean() == pytest.approx(0.178, abs=0.006)
    assert ((covered > 0.2) & (covered < 0.3)).mean() == pytest.approx(0.28, abs=0.05)


def test_lama_goes_from_thin_to_thick() -> None:
    """Widest place of the hole, by its distance from the known pixels."""

    def widest(kind: str) -> float:
        holes = [generate.draw(kind, 256, 0, index) for index in range(40)]
        padded = [np.pad(hole, 1).astype(np.uint8) for hole in holes]
        return float(np.median([cv2.distanceTransform(p, cv2.DIST_L2, 5).max() for p in padded]))

    thin, medium, thick = (widest(f"lama-{name}") for name in ("thin", "medium", "thick"))
    assert 4 < thin < medium < thick


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        ("regions", 0.2, 0.3),
        ("blocks", 0.0, 0.2501),
        ("irregular", 0.15, 0.5),
        ("partial-conv", 0.15, 0.65),
        ("lama-thick", 0.0, 0.5),
        ("lama-thin", 0.0, 0.5),
    ],
)
def test_areas_stay_within_their_bounds(kind: str, low: float, high: float) -> None:
    covered = areas(kind, 96, 60)
    assert low < covered.min()
    assert covered.max() < high


@pytest.mark.parametrize("kind", FREE)
@pytest.mark.parametrize("shape", [(64, 64), (48, 80), (33, 20)])
def test_every_kind_draws_any_shape(kind: str, shape: tuple[int, int]) -> None:
    for index in range(3):
        hole = generate.draw(kind, shape, 3, index)
        assert hole.shape == shape
        assert hole.dtype == np.bool_
        assert 0 < hole.sum() < hole.size


@pytest.mark.parametrize("kind", [kind for kind in FREE if kind != "centre"])
def test_a_hole_depends_on_seed_and_index_alone(kind: str) -> None:
    first = [generate.draw(kind, 64, 1, index) for index in range(8)]
    with ThreadPoolExecutor(4) as pool:  # in another order, from other threads
        again = list(pool.map(lambda index: generate.draw(kind, 64, 1, index), range(7, -1, -1)))
    assert all(np.array_equal(a, b) for a, b in zip(first, again[::-1], strict=True))
    others = [generate.draw(kind, 64, 2, index) for index in range(8)]
    assert len({hole.tobytes() for hole in (*first, *others)}) > 12


def test_areas_hardly_depend_on_the_size() -> None:
    for kind in ("deepfill", "lama", "mat", "irregular", "regions", "gmcnn"):
        small, large = areas(kind, 64, 200).mean(), areas(kind, 256, 200).mean()
        assert small == pytest.approx(large, rel=0.25), kind


def test_centre_is_the_middle_half() -> None:
    hole = generate.draw("centre", 128)
    expected = np.zeros((128, 128), bool)
    expected[32:96, 32:96] = True
    np.testing.assert_array_equal(hole, expected)


def test_boxes_are_boxes_away_from_the_border() -> None:
    one = Boxes(count=(1, 1), side=(10, 20), margin=10, reference=0)
    for index in range(50):
        rows, columns = np.nonzero(generate.draw(one, 64, 0, index))
        high, wide = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert 10 <= high <= 20
        assert 10 <= wide <= 20
        assert rows.size == high * wide
        assert min(rows.min(), columns.min()) >= 10
        assert max(rows.max(), columns.max()) <= 53


def test_turned_boxes_have_the_area_of_their_sides() -> None:
    """A box of 40 x 40 drawn at the middle is missing 1600 pixels whatever its angle."""
    box = TurnedBoxes(count=(1, 1), side=(0.2, 0.2), spread=1e-9)
    for index in range(20):
        assert generate.draw(box, 200, 0, index).sum() == pytest.approx(1600, rel=0.03)


def test_a_walk_is_connected_and_visits_all_in_the_end() -> None:
    hole = generate.draw(Walk(steps=0.3), 64, 4)
    assert label(hole, connectivity=1).max() == 1
    assert Walk(steps=400)(8, 8, randomness()).all()


def test_a_walk_visits_as_much_as_one_made_step_by_step() -> None:
    def plain(random: Random) -> float:
        hole = np.zeros((24, 24), bool)
        place = random.integers(0, 24, 2)
        for way in random.integers(0, 4, 24 * 24):
            place[way // 2] += 1 - 2 * (way % 2)
            place = place.clip(0, 23)
            hole[tuple(place)] = True
        return float(hole.mean())

    random = randomness()
    expected = np.mean([plain(random) for _ in range(300)])
    assert areas("walk", 24, 1000).mean() == pytest.approx(expected, abs=0.015)


def test_flips_keep_the_area() -> None:
    hole = np.arange(12).reshape(3, 4) < 5
    seen = {flip_randomly(hole, randomness(seed)).tobytes() for seed in range(20)}
    assert len(seen) == 4
    assert flip_randomly(hole, randomness()).sum() == 5


def test_an_object_keeps_its_shape(masks: Path) -> None:
    """At a set size, objects inside the picture are the disc or the box, twice as large."""
    generator = Objects(masks, spread=0.0, size=(1.0, 1.0))
    whole = 0
    for index in range(40):
        hole = generate.draw(generator, 128, 0, index)
        if not (hole[[0, -1]].any() or hole[:, [0, -1]].any()):
            whole += 1
            assert min(abs(hole.sum() - 600 * 4), abs(hole.sum() - 317 * 4)) < 80
    assert whole > 5


def test_crfill_takes_objects_half_of_the_time(masks: Path) -> None:
    with_objects = generate.choose("crfill", {"folder": str(masks)})
    hole = generate.draw(with_objects, 64, 0, 1)
    assert 0 < hole.mean() < 1
    assert areas(with_objects, 64, 200).mean() != areas("crfill", 64, 200).mean()


def test_varied_masks_grow_by_the_kernel(masks: Path) -> None:
    """A disc of radius 10 in 64 pixels, laid over 64, grows by a kernel of 9 of 64: to 14.5."""
    (masks / "box.png").unlink()
    still = Varied(masks, kernel=(9, 9), zoom=(1.0, 1.0), shift=0.0, reference=0)
    for index in range(10):
        grown = generate.draw(still, (64, 96), 0, index).sum()
        # The mask is laid over the long side, so the disc is 1.5 times as large: radius 15.
        assert grown == pytest.approx(np.pi * 19.5**2, rel=0.07)


def test_white_may_mean_known(masks: Path) -> None:
    for path in masks.glob("*.png"):
        mask = files.read(path).pixels
        files.write(path, conversion.from_array((255 - mask[..., 0]).astype(np.uint8)))
    known = generate.choose("varied", {"folder": masks, "white": "known"})
    assert areas(known, 64, 20).mean() < 0.5


def test_a_mixture_draws_each_by_its_share() -> None:
    third = generate.mix({"centre": 1, Boxes(count=(1, 1), side=(8, 8), reference=0): 3})
    covered = areas(third, 64, 400)
    assert (covered == 0.25).mean() == pytest.approx(0.25, abs=0.07)
    assert ((covered == 64 / 4096) | (covered == 0.25)).all()


def test_options_change_a_kind() -> None:
    thin = generate.choose("lama", {"irregular": {"width": [1, 1]}, "box_share": 0})
    assert areas(thin, 128, 30).mean() < 0.1
    assert generate.choose("lama") is generate.GENERATORS["lama"]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: generate.draw("lama-thik", 64), "did you mean 'lama-thick'"),
        (lambda: generate.draw("lama", 64, options={"mots": 0.4}), "did you mean 'most'"),
        (lambda: generate.draw("lama", 64, options={"most": "much"}), "give something like 1.0"),
        (lambda: generate.draw("lama", 2), "2x2 has no room"),
        (lambda: generate.draw("lama", 64, -1), "seed is -1"),
        (lambda: generate.draw("objects", 64), "folder="),
        (lambda: generate.draw("varied", 64, options={"folder": "nowhere"}), "is no folder"),
        (lambda: generate.draw("varied", 64, options={"white": "yes"}), "'hole' or 'known'"),
        (lambda: generate.draw("irregular", 64, options={"area": [0.9, 0.91]}), "widen area"),
        (lambda: generate.draw("centre", 64, options={"side": 1.0}), "all or nothing"),
        (lambda: generate.mix({}), "a mixture of nothing"),
        (lambda: generate.mix({"lama": 0}), "share of lama is 0"),
        (lambda: generate.draw_folder("lama", 0, 64, "somewhere"), "count is 0"),
        (lambda: generate.arrange_sheet([]), "one size"),
    ],
)
def test_mistakes_are_said_in_one_line(call: Callable[[], object], says: str) -> None:
    with pytest.raises(MaskError, match=says) as problem:
        call()
    assert "\n" not in str(problem.value)


def test_empty_and_unreadable_folders_of_masks(tmp_path: Path) -> None:
    with pytest.raises(MaskError, match="holds no masks"):
        generate.draw("varied", 64, options={"folder": tmp_path})
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "mask.png").write_bytes(b"no picture")
    with pytest.raises(MaskError, match="no mask that can be read"):
        generate.draw("varied", 64, options={"folder": broken})


def test_a_sheet_shows_the_holes_in_rows() -> None:
    holes = [generate.draw("lama", (20, 30), 0, index) for index in range(5)]
    page = generate.arrange_sheet(holes, columns=3)
    assert page.shape == (2 * 24 + 4, 3 * 34 + 4)
    np.testing.assert_array_equal(page[28:48, 38:68] == 255, holes[4])
    assert set(np.unique(page)) == {0, 96, 255}


def test_a_folder_of_masks_is_what_was_drawn(tmp_path: Path) -> None:
    folder = tmp_path / "masks"
    drawn = generate.draw_folder("lama-thick", 3, 64, folder, seed=2, preview=True)
    assert [path.name for path in drawn.masks] == [f"lama-thick-0000{n}.png" for n in range(3)]
    assert sorted(folder.iterdir()) == list(drawn.masks)
    for index, path in enumerate(drawn.masks):
        hole = generate.draw("lama-thick", 64, 2, index)
        np.testing.assert_array_equal(files.read(path).pixels[..., 0] == 255, hole)
        assert drawn.ratios[index] == hole.mean()
    assert drawn.preview == tmp_path / "masks-preview.png"
    assert files.read(drawn.preview).shape == (140, 140)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FREE), st.integers(16, 90), st.integers(16, 90), st.integers(0, 2**40))
def test_any_index_of_any_kind_is_a_hole(kind: str, height: int, width: int, index: int) -> None:
    hole = generate.draw(kind, (height, width), 0, index)
    assert 0 < hole.sum() < hole.size
