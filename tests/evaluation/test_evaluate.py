"""Evaluations from photos to results: the same digits however they are run, and known answers."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

import mendpix
from mendpix.cli import app
from mendpix.errors import Cancelled, MendError
from mendpix.evaluation import Results, evaluate, join, reproduce
from mendpix.evaluation.results import picture_file
from mendpix.inpainting import registry

METRICS = ("l1", "l2", "psnr", "ssim")
SMALL = {"protocol": "context-encoder", "metrics": METRICS}


def write_photos(folder: Path, count: int = 4, side: int = 128) -> Path:
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for index in range(count):
        coarse = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        photo = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"p{index}.png"), photo)
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("data") / "photos")


@pytest.fixture(scope="module")
def first(photos: Path) -> Path:
    """The folder of an evaluation of two baselines."""
    out = photos.parent / "first"
    evaluate(photos, out, ["telea", "mean-colour"], **SMALL)
    return out


def read(path: Path) -> np.ndarray:
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def test_numbers_are_those_of_the_pictures_on_disk(first: Path) -> None:
    results = Results.read(first)
    assert len(results.rows) == 4 * 2 * len(METRICS)
    for sample in results.pictures:
        truth, hole = (read(picture_file(first, kind, sample.name)) for kind in ("truth", "hole"))
        fill = read(picture_file(first, "telea", sample.name))
        error = np.abs(fill.astype(int) - truth)
        assert (error[hole == 0] == 0).all()
        assert sample.ratio == (hole > 0).mean() == 0.25
        wanted = 100 * error.sum() / (255 * error.size)
        assert results.values("telea", "l1")[sample.name] == pytest.approx(wanted, rel=1e-12)


def test_mean_colour_of_a_photo_of_one_colour_is_perfect(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos" / "flat.png"), np.full((128, 128, 3), 77, np.uint8))
    results = evaluate(tmp_path / "photos", tmp_path / "out", ["mean-colour"], **SMALL)
    assert results.values("mean-colour", "l1") == {"flat": 0.0}
    assert results.values("mean-colour", "psnr") == {"flat": float("inf")}
    assert Results.read(tmp_path / "out").values("mean-colour", "psnr") == {"flat": float("inf")}


def test_two_processes_give_the_digits_of_one(photos: Path, first: Path, tmp_path: Path) -> None:
    evaluate(photos, tmp_path / "two", ["telea", "mean-colour"], processes=2, **SMALL)
    assert (tmp_path / "two" / "results.csv").read_bytes() == (first / "results.csv").read_bytes()
    assert Results.read(tmp_path / "two").digest() == Results.read(first).digest()
    assert Results.read(tmp_path / "two").fills == Results.read(first).fills


def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    photos: Path, first: Path, tmp_path: Path
) -> None:
    def stop(share: float) -> None:
        if share >= 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        evaluate(photos, tmp_path, ["telea", "mean-colour"], progress=stop, **SMALL)
    assert not (tmp_path / "results.json").exists()
    done = sorted((tmp_path / "parts").rglob("*.json"))
    stamps = {path: path.read_bytes() for path in done}
    assert done
    evaluate(photos, tmp_path, ["telea", "mean-colour"], **SMALL)
    assert (tmp_path / "results.csv").read_bytes() == (first / "results.csv").read_bytes()
    assert all(path.read_bytes() == stamps[path] for path in done), "what was done is not redone"


def test_each_model_is_loaded_once(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []
    load = registry.load

    def count(model: str, **options: object) -> registry.CheckedFiller:
        loaded.append(model)
        return load(model, **options)

    monkeypatch.setattr(registry, "load", count)
    evaluate(photos, tmp_path / "out", ["telea", "mean-colour"], **SMALL)
    assert loaded == ["telea", "mean-colour"]
    reproduce(tmp_path / "out", tmp_path / "again")
    assert loaded == ["telea", "mean-colour"] * 2


def test_a_model_added_later_and_other_order_change_no_number(
    photos: Path, first: Path, tmp_path: Path
) -> None:
    evaluate(photos, tmp_path, ["mean-colour"], **SMALL)
    results = evaluate(photos, tmp_path, ["mean-colour", "telea"], **SMALL)
    before = Results.read(first)
    for model in ("telea", "mean-colour"):
        for metric in METRICS:
            assert results.values(model, metric) == before.values(model, metric)


def test_a_damaged_fill_on_disk_is_made_again(photos: Path, first: Path, tmp_path: Path) -> None:
    evaluate(photos, tmp_path, ["telea"], **SMALL)
    picture_file(tmp_path, "telea", "p1").write_bytes(b"no picture")
    results = evaluate(photos, tmp_path, ["telea"], **SMALL)
    assert results.fills["telea"] == Results.read(first).fills["telea"]
    assert read(picture_file(tmp_path, "telea", "p1")).shape == (128, 128, 3)


def test_repeating_gives_the_same_to_the_last_digit(first: Path, tmp_path: Path) -> None:
    found = reproduce(first / "manifest.json", tmp_path / "again")
    assert found.differences == [] == found.notes
    assert found.compared == 4 * 2 * len(METRICS)
    wanted = {"models": ["telea"], "metrics": ["psnr"], "limit": 2}
    part = reproduce(first / "manifest.json", tmp_path / "part", **wanted)
    assert part.differences == []
    assert part.compared == 2
    with pytest.raises(MendError, match="the manifest has no lpips-alex; it has l1"):
        reproduce(first, tmp_path / "none", metrics=["lpips-alex"])


def test_repeating_says_which_number_was_another(first: Path, tmp_path: Path) -> None:
    for name in ("manifest.json", "results.json"):
        (tmp_path / name).write_bytes((first / name).read_bytes())
    held = json.loads((tmp_path / "results.json").read_text())
    held["rows"][0]["value"] = np.nextafter(held["rows"][0]["value"], 9).item()
    (tmp_path / "results.json").write_text(json.dumps(held))
    photos = first.parent / "photos"
    found = reproduce(tmp_path / "manifest.json", tmp_path / "again", photos=photos)
    assert any("p0, telea, l1" in line for line in found.differences)


def masked(folder: Path, photos: Path) -> Path:
    """The photos with a mask for each and a manifest.csv that pairs them across names."""
    (folder / "masks").mkdir(parents=True)
    lines = ["photo,mask,licence"]
    for index in range(2):
        hole = np.zeros((128, 128), np.uint8)
        hole[20 : 60 + 8 * index, 30:70] = 255
        cv2.imwrite(str(folder / "masks" / f"m{index}.png"), hole)
        cv2.imwrite(str(folder / f"p{index}.png"), read(photos / f"p{index}.png"))
        lines.append(f"p{index}.png,masks/m{1 - index}.png,CC0")
    (folder / "manifest.csv").write_text("\n".join(lines))
    return folder


def test_a_manifest_pairs_and_a_changed_mask_is_noticed(photos: Path, tmp_path: Path) -> None:
    folder = masked(tmp_path / "data", photos)
    results = evaluate(folder, tmp_path / "out", ["mean-colour"], **SMALL)
    assert [sample.mask for sample in results.pictures] == ["masks/m1.png", "masks/m0.png"]
    assert [sample.licence for sample in results.pictures] == ["CC0", "CC0"]
    assert results.pictures[0].ratio == 48 * 40 / 128**2
    assert reproduce(tmp_path / "out", tmp_path / "same").differences == []
    mask = read(folder / "masks" / "m0.png")
    mask[20, 30] = 0
    cv2.imwrite(str(folder / "masks" / "m0.png"), mask)
    found = reproduce(tmp_path / "out", tmp_path / "other").differences
    assert "p1: ratio, mask (file), hole (pixels) changed" in found
    assert any(line.startswith("mean-colour: 1 of 2 fills differ") for line in found)
    assert any(line.startswith("p1, mean-colour, l1") for line in found)


def test_masks_pair_by_stem_and_every_partner_is_needed(photos: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    hole = np.zeros((128, 128), np.uint8)
    hole[40:80, 40:80] = 255
    for index in range(4):
        cv2.imwrite(str(masks / f"p{index}.png"), hole)
    results = evaluate(photos, tmp_path / "out", ["mean-colour"], masks=masks, **SMALL)
    assert [sample.mask for sample in results.pictures] == [f"p{index}.png" for index in range(4)]
    (masks / "p2.png").rename(masks / "q2.png")
    with pytest.raises(MendError, match=r"p2\.png \(and 1 more\) has no partner"):
        evaluate(photos, tmp_path / "out", ["mean-colour"], masks=masks, **SMALL)


def test_pictures_of_another_tool_are_scored(first: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    for index in range(4):
        fill = read(picture_file(first, "telea", f"p{index}"))
        fill[:4] = 0  # known pixels that the tool has changed: composited away
        cv2.imwrite(str(tmp_path / "theirs" / f"p{index}.png"), fill)
    folders = [f"tool={tmp_path / 'theirs'}"]
    results = evaluate(photos, tmp_path / "out", ["telea"], results=folders, **SMALL)
    assert results.values("tool", "psnr") == results.values("telea", "psnr")
    assert {cost.model for cost in results.costs} == {"telea"}
    assert reproduce(tmp_path / "out", tmp_path / "again").differences == []
    (tmp_path / "theirs").rename(tmp_path / "moved")
    moved = [f"tool={tmp_path / 'moved'}"]
    assert reproduce(tmp_path / "out", tmp_path / "moved-again", results=moved).differences == []
    (tmp_path / "moved").rename(tmp_path / "theirs")
    fill[60:68, 60:68] = 255
    cv2.imwrite(str(tmp_path / "theirs" / "p3.png"), fill)
    changed = evaluate(photos, tmp_path / "out", ["telea"], results=folders, **SMALL)
    assert changed.values("tool", "l1")["p3"] > results.values("tool", "l1")["p3"]
    (tmp_path / "theirs" / "p0.png").unlink()
    with pytest.raises(MendError, match="holds no picture named p0"):
        evaluate(photos, tmp_path / "out", ["telea"], results=folders, **SMALL)


def test_earlier_results_join_only_where_they_were_measured_alike(
    photos: Path, first: Path, tmp_path: Path
) -> None:
    evaluate(photos, tmp_path / "ns", ["navier-stokes", "telea"], **SMALL)
    joined = join([first, tmp_path / "ns"])
    assert list(joined.models) == ["telea", "mean-colour", "navier-stokes"]
    assert len(joined.rows) == 3 * 4 * len(METRICS)
    evaluate(photos, tmp_path / "few", ["telea"], limit=3, **SMALL)
    with pytest.raises(MendError, match=r"4 and 3 pictures .* 3 of them of one name.*--force"):
        join([first, tmp_path / "few"])
    assert len(join([first, tmp_path / "few"], force=True).pictures) == 3
    evaluate(photos, tmp_path / "other", ["telea"], protocol="crfill", metrics=METRICS)
    with pytest.raises(MendError, match="the protocol's name is 'context-encoder' and 'crfill'"):
        join([first, tmp_path / "other"])
    both = join([first, tmp_path / "other"], force=True)
    assert f"telea ({tmp_path / 'other'})" in both.models
    assert any(line.startswith("joined although") for line in both.remarks)


def test_every_kind_of_hole_is_measured_where_the_protocol_says_so(tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "photos", 2, 64)
    results = evaluate(
        photos, tmp_path / "o", ["mean-colour"], protocol="mat", size=256, metrics=["l1"]
    )
    names = [(sample.name, sample.bucket) for sample in results.pictures]
    assert names == [(f"p{i}.{kind}", kind) for i in (0, 1) for kind in ("large", "small")]
    assert all((sample.ratio < 0.4) == (sample.bucket == "small") for sample in results.pictures)
    assert results.remarks[0] == "p0.large: enlarged, its short side has 64 pixels"
    assert reproduce(tmp_path / "o", tmp_path / "again").differences == []


def test_wishes_that_cannot_be_met_say_so(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for wish, words in (
        ({"protocol": "owns"}, "did you mean 'own'"),
        ({"protocol": "lama", "size": 300}, "at 512 or 256 pixels, not at 300"),
        ({"metrics": ["psnrr"]}, "did you mean 'psnr'"),
        ({"models": ["telea", "telea"]}, "two models are called telea"),
        ({"models": ["hole=telea"]}, "no model can be called hole"),
        ({"models": ["teela"]}, "did you mean telea"),
        ({"models": []}, "nothing to measure"),
        ({"results": [str(tmp_path / "nowhere")]}, "is no folder of pictures"),
        ({"processes": 0}, "must be 1 or more"),
    ):
        with pytest.raises(MendError, match=words):
            evaluate(photos, out, **{"models": ["telea"], **wish})
    with pytest.raises(MendError, match="does not exist"):
        evaluate(tmp_path / "nowhere", out, ["telea"])
    assert not (out / "parts").exists()


def test_the_public_name_is_the_same_function() -> None:
    assert mendpix.evaluate is evaluate


def test_the_command_evaluates_repeats_and_compares(photos: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke
    words = ["evaluate", str(photos), "-m", "telea", "-m", "flat=mean-colour"]
    words += ["--protocol", "context-encoder", "--metrics", "l1,psnr"]
    made = run(app, [*words, "-o", str(tmp_path / "one.html")])
    assert made.exit_code == 0, made.output
    assert (tmp_path / "one.html").read_text().startswith("<!doctype html>")
    with (tmp_path / "one" / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * 2 * 2
    manifest = str(tmp_path / "one" / "manifest.json")
    again = run(app, ["evaluate", "--manifest", manifest, "-o", str(tmp_path / "two")])
    assert "16 numbers: the same to the last digit" in again.output
    joined = run(app, ["compare", str(tmp_path / "one"), str(tmp_path / "two"), "--json"])
    assert json.loads(joined.output)["protocol"]["name"] == "context-encoder"
    assert run(app, ["evaluate", str(photos)]).exception is not None


def test_python_on_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).parents[2]
    (tmp_path / "examples").symlink_to(root / "examples")
    monkeypatch.chdir(tmp_path)
    page = (root / "docs" / "evaluation.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert blocks
    for block in blocks:
        exec(compile(block, "evaluation.md", "exec"), {})


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from mendpix.cli import main
for words in (["compare", sys.argv[1], sys.argv[1]], ["evaluate", "photos", "-o", "out"]):
    sys.argv = ["mendpix", *words]
    try:
        main()
    except SystemExit as end:
        print("exit", end.code)
"""


def test_without_torch_results_are_read_and_measuring_names_the_extra(first: Path) -> None:
    call = [sys.executable, "-c", WITHOUT_TORCH, str(first)]
    done = subprocess.run(call, capture_output=True, text=True, timeout=120, check=True)
    assert "mean-colour" in done.stdout and done.stdout.splitlines()[-1] == "exit 2"
    assert done.stderr == (
        "error: mendpix evaluate needs torch, which is not installed; "
        "run: pip install 'mendpix[train]'\n"
    )
