"""The data side: what is found, kept, left out, and that samples follow from their index alone."""

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from training_inputs import draw_pictures

from mendpix.errors import RecipeError, TrainingError
from mendpix.training import objective, recipe_io
from mendpix.training.hole_sampling import centre_square, make_hole_sampler
from mendpix.training.photos import is_held_out, read_photos
from mendpix.training.recipe import Recipe
from mendpix.training.samples import Batch, Prefetcher, Samples, iterate_held_out
from mendpix.training.sources import list_pictures


def make_recipe(**changes: Any) -> Recipe:
    """A small recipe."""
    tables: dict[str, Any] = {
        "network": {"name": "context-encoder-random", "options": {"width": 4, "bottleneck": 8}},
        "losses": {"l2": 1.0},
        "holes": [{"kind": "centre"}],
        "size": 64,
        "steps": 10,
        "batch": 4,
    }
    return recipe_io.parse_recipe({**tables, **changes})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draw_pictures(tmp_path / "photos", 20)
    return tmp_path / "photos"


def samples(folder: Path, **changes: Any) -> Samples:
    recipe = make_recipe(**changes)
    network = objective.build_network(recipe)
    return Samples(read_photos(folder, recipe), recipe, make_hole_sampler(recipe, network))


def test_trees_are_searched_and_the_rest_is_left(folder: Path) -> None:
    draw_pictures(folder / "deep" / "er", 2)
    draw_pictures(folder / ".hidden", 2)
    (folder / "notes.txt").write_text("no picture")
    assert len(list_pictures(folder)) == 22
    assert "deep/er/p001.png" in list_pictures(folder)


def test_corrupt_and_small_files_are_listed_not_fatal(folder: Path) -> None:
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "torn.png").write_bytes((folder / "p000.png").read_bytes()[:40])
    (folder / "text.webp").write_text("no picture")
    draw_pictures(folder / "small", 1, (40, 200))
    photos = read_photos(folder, make_recipe())
    assert set(photos.skipped) == {"empty.jpg", "torn.png", "text.webp", "small/p000.png"}
    assert photos.skipped["small/p000.png"] == "200x40 is smaller than the training size 64"
    assert len(photos.train) + len(photos.held_out) == 20


def test_the_split_follows_the_name_and_stays_when_files_are_added(folder: Path) -> None:
    before = read_photos(folder, make_recipe(data={"held_out": 0.3}))
    draw_pictures(folder / "more", 60)
    after = read_photos(folder, make_recipe(data={"held_out": 0.3}))
    assert set(before.held_out) <= set(after.held_out)
    assert set(before.train) <= set(after.train)
    assert {Path(f).name for f in after.train}.isdisjoint(Path(f).name for f in after.held_out)
    names = [f"{n}.png" for n in range(4000)]
    assert 0.27 < np.mean([is_held_out(name, 0.3) for name in names]) < 0.33


def test_every_picture_read_has_the_hash_of_its_bytes(folder: Path) -> None:
    for cache in ("ram", "none"):
        photos = read_photos(folder, make_recipe(data={"cache": cache}))
        assert photos.digests == {
            file.name: hashlib.sha256(file.read_bytes()).hexdigest()
            for file in folder.glob("*.png")
        }


def test_pictures_are_resized_by_their_short_side_and_cached(folder: Path) -> None:
    photos = read_photos(folder, make_recipe(data={"short_side": 70}))
    assert {p.shape for p in photos.pictures.values()} == {(70, 84, 3)}
    fresh = read_photos(folder, make_recipe(data={"short_side": 70, "cache": "none"}))
    assert not fresh.pictures
    file = photos.train[0]
    np.testing.assert_array_equal(photos.read(file), fresh.read(file))


def test_colours_are_rgb(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), np.full((64, 64, 3), (0, 0, 255), np.uint8))  # BGR red
    photos = read_photos(tmp_path, make_recipe())
    assert photos.read(photos.train[0])[0, 0].tolist() == [255, 0, 0]


def test_a_sample_is_the_same_whenever_it_is_asked_for(folder: Path) -> None:
    changes = {"data": {"scale": [0.7, 1.2]}, "holes": [{"kind": k} for k in ("centre", "blocks")]}
    changes["network"] = {"name": "partial-unet", "options": {"levels": 3, "width": 4}}
    first, second = samples(folder, **changes), samples(folder, **changes)
    whole = first.load_batch(range(37, 45))
    second.load_batch(range(100, 104))
    halves = [second.load_batch(range(41, 45)), second.load_batch(range(37, 41))][::-1]
    assert torch.equal(whole.photo, torch.cat([half.photo for half in halves]))
    assert torch.equal(whole.hole, torch.cat([half.hole for half in halves]))
    assert whole.files == [file for half in halves for file in half.files]
    other = samples(folder, **changes, seed=1).load_batch(range(37, 45))
    assert other.files != whole.files


def test_batches_are_photos_and_holes(folder: Path) -> None:
    batch = samples(folder).load_batch(range(4))
    assert batch.photo.shape == (4, 3, 64, 64)
    assert batch.hole.shape == (4, 1, 64, 64)
    assert 0 <= batch.photo.min() < batch.photo.max() <= 1
    assert set(batch.hole.unique().tolist()) == {0.0, 1.0}


def test_every_file_comes_once_per_epoch_in_another_order(folder: Path) -> None:
    source = samples(folder)
    count = len(source.photos.train)
    epochs = [[source.get_file(e * count + i) for i in range(count)] for e in range(3)]
    for epoch in epochs:
        assert sorted(epoch) == source.photos.train
    assert epochs[0] != epochs[1] != epochs[2]


def test_crops_move_and_mirror(folder: Path) -> None:
    source = samples(folder, data={"flip": 0.5, "short_side": 80})
    file = source.photos.train[0]
    crops = {source.cut_photo(index, file).tobytes() for index in range(30)}
    assert len(crops) > 20
    still = samples(folder, data={"flip": 0.0, "crop": "centre", "short_side": 80})
    crops = {still.cut_photo(index, file).tobytes() for index in range(30)}
    assert len(crops) == 1
    whole = still.photos.read(file)
    np.testing.assert_array_equal(still.cut_photo(3, file), whole[8:72, 16:80])
    mirrored = samples(folder, data={"flip": 1.0, "crop": "centre", "short_side": 80})
    np.testing.assert_array_equal(mirrored.cut_photo(3, file), whole[8:72, 16:80][:, ::-1])


def test_holes_are_mixed_by_their_shares(folder: Path) -> None:
    network = {"name": "partial-unet", "options": {"levels": 3, "width": 4}}
    holes = [{"kind": "centre", "share": 3}, {"kind": "blocks", "share": 1}]
    recipe = make_recipe(holes=holes, network=network)
    draw = make_hole_sampler(recipe, objective.build_network(recipe))
    square = centre_square(64, 32)
    counts = Counter(np.array_equal(draw(index), square) for index in range(400))
    assert 0.68 < counts[True] / 400 < 0.82


def test_centre_networks_take_their_own_square_only() -> None:
    network = {"name": "context-encoder", "options": {"width": 4, "bottleneck": 8, "overlap": 7}}
    recipe = make_recipe(network=network, size=128)
    hole = make_hole_sampler(recipe, objective.build_network(recipe))(0)
    np.testing.assert_array_equal(hole, centre_square(128, 50))
    wrong = make_recipe(network=network, size=128, holes=[{"kind": "blocks"}])
    with pytest.raises(RecipeError, match="set holes to kind='centre'"):
        make_hole_sampler(wrong, objective.build_network(wrong))
    unknown = make_recipe(holes=[{"kind": "centr"}])
    with pytest.raises(RecipeError, match="no kind of holes 'centr'; did you mean 'centre'"):
        make_hole_sampler(unknown, objective.build_network(unknown))


def test_iterate_held_out_are_always_the_same(folder: Path) -> None:
    recipe = make_recipe(data={"held_out": 0.4}, validate_count=5)
    photos = read_photos(folder, recipe)
    draw = make_hole_sampler(recipe, objective.build_network(recipe))
    once, twice = (list(iterate_held_out(photos, recipe, draw)) for _ in range(2))
    assert [f for batch in once for f in batch.files] == photos.held_out[:5]
    for a, b in zip(once, twice, strict=True):
        assert torch.equal(a.photo, b.photo)
        assert torch.equal(a.hole, b.hole)


def test_loading_ahead_changes_nothing(folder: Path) -> None:
    source = samples(folder)

    def load(step: int) -> Batch:
        return source.load_batch(range(4 * step, 4 * step + 4))

    with Prefetcher(load, 3, 20) as batches:
        for step in range(3, 20):
            got, wanted = batches.take(step), load(step)
            assert torch.equal(got.photo, wanted.photo)
            assert got.files == wanted.files


def test_folders_that_cannot_be_trained_on(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="is no folder"):
        read_photos(tmp_path / "gone", make_recipe())
    with pytest.raises(TrainingError, match="holds no pictures"):
        read_photos(tmp_path, make_recipe())
    draw_pictures(tmp_path / "one", 1)
    with pytest.raises(TrainingError, match=r"1 usable picture.* needs 2 or more"):
        read_photos(tmp_path / "one", make_recipe())
    draw_pictures(tmp_path / "small", 3, (32, 32))
    with pytest.raises(TrainingError, match=r"3 of 3 left out, p000\.png: 32x32 is smaller"):
        read_photos(tmp_path / "small", make_recipe())


def test_two_pictures_are_enough(tmp_path: Path) -> None:
    draw_pictures(tmp_path, 2)
    photos = read_photos(tmp_path, make_recipe())
    assert (len(photos.train), len(photos.held_out)) == (1, 1)


def test_a_file_that_goes_away_is_named(folder: Path) -> None:
    photos = read_photos(folder, make_recipe(data={"cache": "none"}))
    (folder / photos.train[0]).unlink()
    with pytest.raises(TrainingError, match=r"\.png can no longer be read"):
        photos.read(photos.train[0])
