"""The manifest of large photographs: sets that never mix, and holes as people brush them."""

import sys
from collections import Counter
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def photographs(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import photographs

    yield photographs
    sys.modules.pop("photographs")


def test_no_file_is_in_both_sets(photographs: ModuleType) -> None:
    found = photographs.read()
    assert {photo.set for photo in found} == {"measuring", "training"}
    assert len({photo.sha256 for photo in found}) == len(found)
    by_set = {name: [p for p in found if p.set == name] for name in ("measuring", "training")}
    packages = [{p.package for p in photos} for photos in by_set.values()]
    assert not packages[0] & packages[1]
    for one, other in product(*by_set.values()):
        distance = (int(one.dhash, 16) ^ int(other.dhash, 16)).bit_count()
        assert distance > 10 or (one.name, other.name) == (
            "DarkestHour",  # fog
            "sunset_by_Aitzol_Berasategi",  # the sun over a valley: a horizon is all they share
        )


def test_holes_lie_in_their_crops_and_are_of_a_brush_s_size(photographs: ModuleType) -> None:
    for photo in photographs.read():
        for crop in photo.crops:
            assert 0 <= crop.x <= photo.width - crop.w
            assert 0 <= crop.y <= photo.height - crop.h
            assert 60 <= crop.radius() <= 200, (photo.name, crop.what)


def test_five_kinds_have_a_dozen_guessable_holes(photographs: ModuleType) -> None:
    crops = [crop for photo in photographs.read() for crop in photo.crops if crop.guessable]
    counts = Counter(crop.kind for crop in crops)
    assert sum(count >= 12 for count in counts.values()) >= 5
    assert len(crops) >= 60


def test_a_dab_is_a_disc_and_a_stroke_joins_its_dabs(photographs: ModuleType) -> None:
    dab = photographs.Stroke(((60, 70),), 10)
    line = photographs.Stroke(((20, 50), (80, 50)), 5)
    crop = photographs.Crop(10, 20, 100, 90, "object", "a dab and a line", True, (dab, line))
    hole = crop.hole()
    assert hole.shape == (90, 100)
    assert hole[50, 50] and hole[50 - 10, 50] and not hole[50 - 12, 50]  # y 70 - 20, x 60 - 10
    assert np.all(hole[30, 10:71])
    assert not hole[30, 5 - 3] and not hole[20, 40]
