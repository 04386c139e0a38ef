"""The parts of an evaluation: frozen protocols, prepared pictures, results' files, statistics."""

import hashlib
import json
import math
import sys
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mendpix.errors import MaskError, MendError
from mendpix.evaluation import (
    Cost,
    MetricRow,
    Results,
    Sample,
    SetMetricRow,
    candidates,
    statistics,
)
from mendpix.evaluation.memory_usage import measure_peak
from mendpix.evaluation.metric_table import METRICS
from mendpix.evaluation.photo_pairs import PhotoPair, find_pairs
from mendpix.evaluation.preparation import draw_hole, hash_file, prepare, touches_border
from mendpix.evaluation.protocols import (
    PROTOCOLS,
    EvaluationProtocol,
    choose,
    list_differences,
    restore,
)
from mendpix.evaluation.results import file_name, picture_file
from mendpix.masks import holes
from mendpix.weights import cards

# A protocol that changes is another protocol: give it a new version, and its new hash here.
FROZEN = {
    ("own", 512, 1): "5443e4e83da89994",
    ("own", 256, 1): "d6ecd0b90b95acdf",
    ("partial-conv", 512, 1): "d31be2484a9117d9",
    ("partial-conv", 256, 1): "4b092e7c16c7c5b4",
    ("context-encoder", 128, 1): "6fd9ddcd4f024e61",
    ("crfill", 256, 1): "2091542a8cacce4a",
    ("lama", 512, 1): "401a3c83317031fd",
    ("lama", 256, 1): "954bd3a6cbda91a1",
    ("mat", 512, 1): "7329de6a9d97cda9",
    ("mat", 256, 1): "f7a1a3b778928f91",
}


def settings_hash(protocol: EvaluationProtocol) -> str:
    text = json.dumps(protocol.as_dict(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def test_protocols_are_the_frozen_ones() -> None:
    assert {(p.name, p.size, p.version): settings_hash(p) for p in PROTOCOLS} == FROZEN


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: f"{p.name}-{p.size}")
def test_a_protocol_survives_its_manifest(protocol: EvaluationProtocol) -> None:
    held = json.loads(json.dumps(protocol.as_dict()))
    assert restore(held) == protocol
    with pytest.raises(MendError, match="seed is 0 and 1"):
        restore({**held, "seed": 1})
    assert list_differences(held, {**held, "metrics": []}) == []


def test_own_draws_holes_of_every_bucket_in_turn() -> None:
    own = choose("own")
    kinds = set()
    for place in range(12):
        name, hole = draw_hole(own, place)
        low, high = holes.BUCKETS[place % 6]
        assert low < holes.ratio(hole) <= high
        assert hole.shape == (512, 512)
        kinds.add(name.split(",")[0].removeprefix("drawn: "))
    assert kinds == {"thin", "medium", "thick", "comod"}
    assert draw_hole(own, 3)[0] == draw_hole(own, 3)[0]


def test_partial_conv_draws_holes_at_the_border_and_away_from_it() -> None:
    protocol = choose("partial-conv", 256)
    at_border = [touches_border(draw_hole(protocol, place)[1]) for place in range(12)]
    assert at_border == [True] * 6 + [False] * 6


def picture(folder: Path, name: str, height: int, width: int) -> Path:
    random = np.random.default_rng(1)
    path = folder / name
    cv2.imwrite(str(path), random.integers(0, 256, (height, width, 3), dtype=np.uint8))
    return path


def test_a_photo_is_resized_by_pillow_and_cut_from_the_middle(tmp_path: Path) -> None:
    path = picture(tmp_path, "p.png", 600, 801)
    made = prepare(PhotoPair("p", path, "p.png"), choose("own"))
    whole = Image.open(path).resize((684, 512), Image.Resampling.LANCZOS)
    assert np.array_equal(made.truth, np.asarray(whole)[:, 86:598])


def test_own_at_256_is_own_at_512_shrunk(tmp_path: Path) -> None:
    pair = PhotoPair("p", picture(tmp_path, "p.png", 512, 512), "p.png", place=2)
    large, small = prepare(pair, choose("own", 512)), prepare(pair, choose("own", 256))
    means = large.truth.reshape(256, 2, 256, 2, 3).astype(float).mean((1, 3))
    assert np.array_equal(small.truth, np.floor(means + 0.5))
    assert np.array_equal(small.hole, large.hole.reshape(256, 2, 256, 2).any((1, 3)))
    assert (small.sample.bucket, small.sample.mask) == (large.sample.bucket, large.sample.mask)
    assert small.sample.ratio == large.sample.ratio == holes.ratio(large.hole)


def test_a_mask_goes_its_photos_way_or_is_taken_as_it_is(tmp_path: Path) -> None:
    path = picture(tmp_path, "p.png", 600, 900)
    left = np.zeros((600, 900), np.uint8)
    left[:, :450] = 255
    cv2.imwrite(str(tmp_path / "m.png"), left)
    pair = PhotoPair("p", path, "p.png", tmp_path / "m.png", "m.png")
    made = prepare(pair, choose("own"))
    assert np.array_equal(made.hole, np.tile(np.arange(512) < 256, (512, 1)))
    assert (made.sample.bucket, made.sample.ratio) == ("(0.4,0.5]", 0.5)
    other = prepare(pair, choose("own"), invert=True)
    assert np.array_equal(other.hole, ~made.hole)
    cv2.imwrite(str(tmp_path / "m.png"), np.eye(512, dtype=np.uint8) * 255)
    assert np.array_equal(prepare(pair, choose("own")).hole, np.eye(512) > 0)
    cv2.imwrite(str(tmp_path / "m.png"), np.eye(300, dtype=np.uint8) * 255)
    with pytest.raises(MaskError, match=r"is 300x300 but must be 900x600 like p\.png, or 512x512"):
        prepare(pair, choose("own"))
    cv2.imwrite(str(tmp_path / "m.png"), left * 0)
    with pytest.raises(MaskError, match=r"m\.png marks nothing of p"):
        prepare(pair, choose("own"))


def test_grey_and_deep_photos_become_rgb_of_8_bits(tmp_path: Path) -> None:
    levels = np.linspace(0, 65535, 512 * 512).reshape(512, 512).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "p.png"), levels)
    truth = prepare(PhotoPair("p", tmp_path / "p.png", "p.png"), choose("own")).truth
    assert np.array_equal(truth[..., 0], np.rint(levels / 257))
    assert np.array_equal(truth[..., 0], truth[..., 2])


def test_buckets_of_ten_and_of_borders(tmp_path: Path) -> None:
    path = picture(tmp_path, "p.png", 256, 256)
    hole = np.zeros((256, 256), np.uint8)
    hole[10:60, 10:60] = 255
    cv2.imwrite(str(tmp_path / "m.png"), hole)
    pair = PhotoPair("p", path, "p.png", tmp_path / "m.png", "m.png")
    assert prepare(pair, choose("lama", 256)).sample.bucket == "[0,0.1)"
    assert prepare(pair, choose("partial-conv", 256)).sample.bucket == "(0.01,0.1] no border"
    hole[0, 0] = 255
    cv2.imwrite(str(tmp_path / "m.png"), hole)
    assert prepare(pair, choose("partial-conv", 256)).sample.bucket == "(0.01,0.1] border"


def test_a_manifest_that_does_not_pair_is_refused(tmp_path: Path) -> None:
    picture(tmp_path, "p.png", 8, 8)
    table = tmp_path / "manifest.csv"
    own = choose("own")
    for lines, words in (
        ("photo,mask\np.png,", "has no mask beside p.png"),
        ("photo,mask\np.png,m.png", "names the mask m.png, which is not there"),
        ("photo,mask\np.png,p.png\np.png,p.png", "share a stem"),
        ("photo,mask\n", "lists nothing"),
    ):
        table.write_text(lines)
        with pytest.raises(MendError, match=words):
            find_pairs(tmp_path, None, own)
    table.write_text("photo,source,licence\np.png,me,CC0")
    pair = find_pairs(tmp_path, None, own)[0]
    assert (pair.source, pair.licence, pair.mask) == ("me", "CC0", None)
    with pytest.raises(MendError, match="needs photo and mask"):
        find_pairs(tmp_path, table, own)


def results(values: dict[str, dict[str, float]], better: str = "lower") -> Results:
    """Of one metric, by model and picture."""
    names = sorted(next(iter(values.values())))
    about = {"label": "M", "unit": "", "better": better, "digits": 2, "how": "", "set": False}
    return Results(
        protocol={"name": "own"},
        metrics={"m": about},
        models={model: {"kind": "filler", "spec": model} for model in values},
        pictures=[Sample(name, name, "", 0.05, "(0.01,0.1]") for name in names],
        rows=[MetricRow(p, m, "m", v) for m, found in values.items() for p, v in found.items()],
    )


def test_results_survive_their_files(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    values = {f"p{i}": float(v) for i, v in enumerate([math.inf, 1 / 3, *random.random(20)])}
    made = results({"a": values, "b": dict.fromkeys(values, -math.inf)})
    made = replace(
        made,
        sets=[SetMetricRow("a", "fid-clean", "all", math.nan, 3, "few")],
        costs=[Cost("p0", "a", 0.1, 2.0)],
        remarks=["ä"],
    )
    made.write(tmp_path)
    again = Results.read(tmp_path)
    assert again.rows == made.rows
    assert again.as_json() == made.as_json()
    assert again.digest() == made.digest()
    assert json.loads((tmp_path / "manifest.json").read_text())["digest"] == made.digest()
    changed = made.rows[1]
    made.rows[1] = replace(changed, value=math.nextafter(changed.value, 1))
    assert again.digest() != made.digest()


def test_results_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MendError, match="cannot be read"):
        Results.read(tmp_path)
    (tmp_path / "results.json").write_text('{"format": 99}')
    with pytest.raises(MendError, match="has format 99 but 1 is what can be read"):
        Results.read(tmp_path)
    (tmp_path / "results.json").write_text('{"format": 1}')
    with pytest.raises(MendError, match="holds no results"):
        Results.read(tmp_path)
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(MendError, match="is no JSON"):
        Results.read(tmp_path)


@given(st.text(min_size=1), st.text(min_size=1))
def test_names_of_files_are_safe_and_differ(one: str, other: str) -> None:
    name = file_name(one)
    assert name.isascii() and not {"/", "\\", ":", "\0"} & set(name) and not name.startswith(".")
    assert (name == file_name(other)) == (one == other)
    path = picture_file("folder", one, other)
    assert path.parent.parent == Path("folder/pictures")


def test_a_mean_is_exact_in_any_order() -> None:
    random = np.random.default_rng(3)
    values = {f"p{i:03}": float(v) for i, v in enumerate(random.lognormal(0, 9, 300))}
    shuffled = {name: values[name] for name in random.permutation(list(values)).tolist()}
    exact = sum(map(Fraction, values.values())) / 300
    assert (
        statistics.mean(values) == statistics.mean(shuffled) == pytest.approx(float(exact), 1e-15)
    )
    assert statistics.interval(values) == statistics.interval(shuffled)
    assert math.isnan(statistics.mean({}))


def test_an_interval_covers_as_often_as_it_says() -> None:
    """Of the mean of normal values, known to within the bootstrap's own error."""
    random = np.random.default_rng(4)
    covered = 0
    for _ in range(60):
        sample = random.normal(5, 2, 40)
        low, high = statistics.interval({f"{i:02}": v for i, v in enumerate(sample.tolist())})
        covered += low < 5 < high
        assert high - low == pytest.approx(2 * 1.96 * sample.std() / math.sqrt(40), rel=0.12)
    assert 51 <= covered <= 60


def test_paired_differences_see_what_means_hide() -> None:
    random = np.random.default_rng(5)
    hard = random.uniform(0, 100, 30)
    a = {f"p{i:02}": float(v) for i, v in enumerate(hard)}
    b = {name: value + 1 + random.normal(0, 0.5) for name, value in a.items()}
    made = results({"a": a, "b": b})
    found = statistics.difference(made, "a", "b", "m")
    assert (found.winner, found.count) == ("a", 30)
    assert found.verdict(digits=1).startswith("a beats b by m: by 0.9 (95 %: 0.7 to 1.1)")
    low, high = statistics.interval(a)
    assert low < statistics.mean(b) < high, "the means alone would not tell"
    back = statistics.difference(made, "b", "a", "m")
    assert (back.mean, back.low, back.high) == (-found.mean, -found.high, -found.low)
    assert statistics.difference(results({"a": a, "b": b}, "higher"), "a", "b", "m").winner == "b"
    assert statistics.rank(made, "m") == ["a", "b"]


def test_no_claim_is_made_where_the_data_support_none() -> None:
    even = {f"p{i}": float(i) for i in range(8)}
    other = {name: value + (0.5 if i % 2 else -0.5) for i, (name, value) in enumerate(even.items())}
    found = statistics.difference(results({"a": even, "b": other}), "a", "b", "m")
    assert found.winner == ""
    assert "8 pictures do not show whether a or b is better" in found.verdict()
    few = {name: even[name] for name in list(even)[:5]}
    less = {name: value - 1 for name, value in few.items()}
    found = statistics.difference(results({"a": few, "b": less}), "a", "b", "m")
    assert found.winner == "" and "(too few to tell)" in found.verdict()
    assert statistics.paired_difference({"p": math.inf}, {"p": math.inf}).mean == 0
    one = statistics.estimate_mean({"p": 2.0})
    assert (one.mean, one.count) == (2.0, 1) and math.isnan(one.low)


def test_every_metric_of_a_protocol_is_described() -> None:
    for protocol in PROTOCOLS:
        assert set(protocol.metrics) <= set(METRICS)
        assert all(name in list(METRICS) for name in protocol.metrics)
    orders = [[list(METRICS).index(m) for m in choose(p.name, p.size).metrics] for p in PROTOCOLS]
    assert all(a < b for order in orders for a, b in pairwise(order))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep the peak of before")
def test_memory_is_what_the_work_itself_takes() -> None:
    def work() -> None:
        parts = [np.ones(1000) for _ in range(4000)]
        assert len(parts) == 4000

    work()
    for _ in range(2):
        with measure_peak() as peak:
            work()
        assert 28 < peak[0] < 40, "4000 arrays of 8,000 bytes"
    with measure_peak() as peak:
        pass
    assert peak[0] < 2


def test_new_bundled_weights_make_auto_another_filler(monkeypatch: pytest.MonkeyPatch) -> None:
    (auto,) = candidates.load_candidates(["auto"])
    assert auto.sha256 == hash_file(cards.resolve("mender"))
    monkeypatch.setattr(candidates, "hash_file", lambda path: "other")
    (other,) = candidates.load_candidates(["auto"])
    assert auto.identity() != other.identity()
    assert auto.identity()["spec"] == other.identity()["spec"] == "auto"
