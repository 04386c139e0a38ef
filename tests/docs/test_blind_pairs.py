"""The blind comparison: known answers for its sign test and its counting."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.stats import binomtest

ROOT = Path(__file__).parents[2]
MODULES = ("blind_pairs", "native", "native_metrics", "native_report", "native_fillers")


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import blind_pairs

    yield blind_pairs
    for name in (*MODULES, "native_sets", "photographs"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (1, 0), (5, 5), (18, 6), (27, 13), (40, 0)])
def test_the_sign_test_is_scipy_s(blind: ModuleType, wins: int, losses: int) -> None:
    expected = binomtest(wins, wins + losses).pvalue if wins + losses else 1
    assert blind.sign_test(wins, losses) == pytest.approx(expected)


def sample(blind: ModuleType, name: str, kind: str = "texture", side: int = 60) -> object:
    photo = np.random.default_rng(1).integers(0, 255, (900, 900, 3)).astype(np.uint8)
    hole = np.zeros((900, 900), bool)
    hole[200 : 200 + side, 300:360] = True
    return blind.Sample(name, kind, photo, hole, photo, hole)


def test_each_pair_is_shown_in_both_orders_and_catches_once(blind: ModuleType) -> None:
    samples = [sample(blind, f"photo{index}/0") for index in range(10)]
    sheets = blind.plan_sheets(samples, [("a", "b")])
    shown = [(sheet.sample.name, sheet.left, sheet.right) for sheet in sheets]
    assert sorted(s for s in shown if "truth" not in s) == sorted(
        (one.name, *order) for one in samples for order in (("a", "b"), ("b", "a"))
    )
    assert sum("truth" in s for s in shown) == 8


def test_samples_are_chosen_in_rounds_and_fit_a_sheet(blind: ModuleType) -> None:
    named = [sample(blind, f"{photo}/{index}") for photo in "abc" for index in range(3)]
    large = sample(blind, "d/0", side=700)
    chosen = blind.choose_samples([*named, large], 5)
    assert len({one.photograph for one in chosen[:3]}) == 3
    assert large not in chosen
    assert blind.choose_samples([*named[::-1], large], 5) == chosen


def test_the_key_turns_choices_into_votes(blind: ModuleType, tmp_path: Path) -> None:
    key = {
        "001": {"crop": "x/0", "left": "auto", "right": "migan"},
        "002": {"crop": "x/0", "left": "migan", "right": "auto"},
        "003": {"crop": "y/0", "left": "auto", "right": "migan"},
        "004": {"crop": "y/0", "left": "migan", "right": "auto"},
    }
    table = tmp_path / "one.csv"
    table.write_text("sheet,choice,why\n001,left,\n002,Right,\n003,left,\n004,left,\n")
    votes = list(blind.read_votes(key, [table]))
    assert blind.tally(votes, "auto", "migan") == {"x/0": 1.0, "y/0": 0.5}
    lines = "\n".join(blind.report(votes))
    assert "| auto against migan | one | 1 | 1 | 0 | 1.0000 |" in lines
    assert "the same choice in both orders in 1 of 2; left in 3 of 4" in lines
    table.write_text("sheet,choice,why\n001,,\n")
    with pytest.raises(SystemExit, match=r"sheet 001 has ''; choose left or right"):
        list(blind.read_votes(key, [table]))


def test_a_judge_who_takes_mean_colour_for_a_photograph_is_named(blind: ModuleType) -> None:
    good = blind.Vote("j", "x/0", "truth", "mean-colour", "left")
    bad = replace(good, chosen="mean-colour", other="truth")
    assert "not to be trusted" in blind.describe_judge([bad, bad, good], "j")
    assert "not to be trusted" not in blind.describe_judge([good, good, bad], "j")


def test_a_sheet_shows_both_fills_pixel_for_pixel(blind: ModuleType) -> None:
    one = sample(blind, "x/0")
    place = blind.box_around(one.region, blind.MARGIN)
    dark, light = np.zeros_like(one.truth), np.full_like(one.truth, 200)
    image = blind.draw_sheet(blind.Sheet(one, "a", "b"), (dark, light), "001")
    height, width = (part.stop - part.start for part in place)
    shown = image[blind.BAND : blind.BAND + height]
    assert not shown[:, :width].any()
    assert np.all(shown[:, width + blind.GAP : 2 * width + blind.GAP] == 200)
