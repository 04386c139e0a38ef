"""The check of a folder: a folder in which everything that can be wrong is wrong once."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from mendpix import training
from mendpix.errors import RecipeError, TrainingError
from mendpix.training import dataset_check, profiling, sources
from mendpix.training.photos import read_photos


def make_recipe(**changes: Any) -> training.Recipe:
    tables: dict[str, Any] = {
        "network": {"name": "partial-unet", "options": {"levels": 4, "width": 4}},
        "losses": {"l1": 1.0},
        "holes": [{"kind": "centre"}],
        "size": 64,
        "batch": 8,
        "steps": 30,
    }
    return training.parse_recipe({**tables, **changes})


def photo(number: int, height: int = 96, width: int = 128) -> np.ndarray:
    coarse = np.random.default_rng(number).integers(0, 256, (6, 8, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inner = tmp_path / "inner"
    inner.mkdir()
    for number in range(6):
        cv2.imwrite(str(tmp_path / f"p{number}.png"), photo(number))
    (inner / "copy.png").write_bytes((tmp_path / "p0.png").read_bytes())
    again = cv2.resize(photo(1), (192, 144), interpolation=cv2.INTER_LINEAR)
    cv2.imwrite(str(tmp_path / "p1-again.jpg"), again, [cv2.IMWRITE_JPEG_QUALITY, 70])
    cv2.imwrite(str(inner / "grey.png"), np.repeat(photo(9)[..., :1], 3, axis=2))
    cv2.imwrite(str(tmp_path / "small.png"), photo(8, 40, 200))
    (tmp_path / "cut.png").write_bytes((tmp_path / "p2.png").read_bytes()[:40])
    (tmp_path / "empty.jpg").touch()
    return tmp_path


def test_everything_wrong_is_found(folder: Path) -> None:
    report = dataset_check.check(folder, make_recipe())
    assert report.files == 12
    assert report.usable == 9
    assert report.corrupt == ("cut.png", "empty.jpg")
    assert report.too_small == ("small.png",)
    assert report.same == (("inner/copy.png", "p0.png"),)
    assert report.near == (("p1-again.jpg", "p1.png"),)
    assert report.grey == ("inner/grey.png",)
    assert report.widths == (128, 128, 200)
    assert report.heights == (40, 96, 144)
    assert report.licence_files == ()
    assert set(report.problems) == {
        "same file", "near duplicates", "corrupt", "too small", "greyscale",
    }  # fmt: skip


def test_what_it_calls_usable_is_what_training_uses(folder: Path) -> None:
    report, photos = dataset_check.check(folder, make_recipe()), read_photos(folder, make_recipe())
    assert report.usable == len(photos.train) + len(photos.held_out)
    assert set(photos.skipped) == {*report.corrupt, *report.too_small}
    kept = sum(picture.shape[0] * picture.shape[1] for picture in photos.pictures.values())
    looks = [
        dataset_check.inspect_picture(i)
        for i in sources.find_origin(folder).iterate_items()
        if i.file in photos.pictures
    ]
    assert dataset_check.count_usable_pixels(looks, make_recipe()) == pytest.approx(kept, rel=0.02)
    assert dataset_check.count_usable_pixels(looks, make_recipe(data={"cache": "none"})) == 0


def test_a_good_folder_has_nothing_to_say(tmp_path: Path) -> None:
    for number in range(120):
        cv2.imwrite(str(tmp_path / f"{number}.png"), photo(number, 64, 64))
    rows = "".join(f"{number}.png,CC0\n" for number in range(120))
    (tmp_path / "manifest.csv").write_text("file,licence\n" + rows)
    (tmp_path / "LICENSE.txt").write_text("CC0")
    report = dataset_check.check(tmp_path, make_recipe())
    assert report.problems == {}
    assert (report.licensed, report.licence_files) == (120, ("LICENSE.txt",))
    assert all(advice == "" for _, _, advice in report.rows())


def test_flat_pictures_are_no_copies_of_each_other(tmp_path: Path) -> None:
    for level in (40, 90, 200):
        sky = np.full((80, 80, 3), level, np.uint8)
        sky[..., 0] += np.random.default_rng(level).integers(0, 4, (80, 80), np.uint8)
        cv2.imwrite(str(tmp_path / f"{level}.png"), sky)
    assert dataset_check.check(tmp_path, make_recipe()).near == ()


def test_a_report_is_json_and_a_table(folder: Path) -> None:
    report = dataset_check.check(folder, make_recipe())
    table = json.loads(json.dumps(report.as_dict()))
    assert table["corrupt"] == ["cut.png", "empty.jpg"]
    assert table["forecast"]["steps"] == 30
    rows = {what: (value, advice) for what, value, advice in report.rows()}
    assert rows["pictures"] == ("12", "")
    assert rows["usable"][1] == "few: start from weights by --from"
    assert "keep one of each" in rows["near duplicates"][1]
    assert "manifest.csv" in rows["licence"][1]
    assert "30 steps" in rows["time"][0]


def test_without_a_recipe_nothing_is_foretold(folder: Path) -> None:
    report = dataset_check.check(folder)
    assert report.forecast is None
    assert report.usable == 0
    assert len(report.too_small) == 10


def test_a_forecast_grows_with_batch_and_steps() -> None:
    small, large = profiling.profile(make_recipe(batch=2)), profiling.profile(make_recipe(batch=16))
    assert small.parameters == large.parameters > 0
    kept = [forecast.memory - 1.3 * 16 * forecast.parameters for forecast in (small, large)]
    assert kept[1] == pytest.approx(8 * kept[0], rel=0.25)
    assert large.seconds > small.seconds
    assert large.hours == pytest.approx(large.seconds * 30 / 3600)
    cached = profiling.profile(make_recipe(batch=2), cached_pixels=10**9)
    assert (cached.memory, cached.pictures) == (small.memory, 3 * 10**9)


def test_a_profile_knows_discriminators_and_leaves_the_random_numbers() -> None:
    adversarial = {
        "kind": "adversarial",
        "weight": 0.01,
        "discriminator": {"name": "patchgan", "options": {"width": 4}},
    }
    torch.manual_seed(5)
    before = torch.get_rng_state()
    both = profiling.profile(make_recipe(losses={"l1": 1.0, "game": adversarial}))
    assert torch.equal(torch.get_rng_state(), before)
    assert both.parameters > profiling.profile(make_recipe()).parameters


def test_mistakes_are_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="holds no pictures"):
        dataset_check.check(tmp_path)
    with pytest.raises(TrainingError, match="is no folder"):
        dataset_check.check(tmp_path / "none")
    cv2.imwrite(str(tmp_path / "a.png"), photo(0))
    with pytest.raises(RecipeError):
        dataset_check.check(tmp_path, "no-such-recipe")
