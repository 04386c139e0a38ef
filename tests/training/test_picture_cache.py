"""Decoded pictures kept on disk or on a device: the same pictures, decoded once, never half."""

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mendpix import training
from mendpix.errors import TrainingError
from mendpix.training import (
    device_cache,
    picture_cache,
    sources,
    system_memory,
)
from mendpix.training.hole_sampling import centre_square
from mendpix.training.photos import PhotoSet, read_photos
from mendpix.training.samples import Samples, iterate_held_out
from mendpix.weights import cards


def make_recipe(**changes: Any) -> training.Recipe:
    tables: dict[str, Any] = {
        "network": {"name": "partial-unet", "options": {"levels": 4, "width": 4}},
        "losses": {"l1": 1.0},
        "holes": [{"kind": "centre"}],
        "size": 32,
        "batch": 4,
        "steps": 3,
    }
    return training.parse_recipe({**tables, **changes})


def make_cached_recipe(how: str, **options: Any) -> training.Recipe:
    return make_recipe(data={"held_out": 0.3, "short_side": 36, "cache": how, **options})


def picture(number: int) -> np.ndarray:
    """Noise, each of another width."""
    random = np.random.default_rng(number)
    return random.integers(0, 256, (40, 41 + 3 * number, 3), np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inner = tmp_path / "photos" / "deep"
    inner.mkdir(parents=True)
    for number in range(10):
        place = inner if number % 2 else inner.parent
        cv2.imwrite(str(place / f"p{number}.png"), picture(number))
    (inner / "torn.png").write_bytes(b"\x89PNG")
    return inner.parent


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own."""
    monkeypatch.setenv("MENDPIX_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "pictures"


def assert_same(one: PhotoSet, two: PhotoSet) -> None:
    assert (one.train, one.held_out, one.skipped) == (two.train, two.held_out, two.skipped)
    assert one.pictures.keys() == two.pictures.keys() != set()
    for file, found in one.pictures.items():
        np.testing.assert_array_equal(found, two.pictures[file])


def rewrite(path: Path, content: bytes) -> None:
    """Other bytes under the same size and time: a cache that looks at the file would notice."""
    about = path.stat()
    path.write_bytes(content.ljust(about.st_size, b"\0")[: about.st_size])
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def test_disk_holds_what_memory_holds(folder: Path) -> None:
    in_memory, on_disk = (read_photos(folder, make_cached_recipe(how)) for how in ("ram", "disk"))
    assert_same(in_memory, on_disk)
    assert len({found.shape for found in on_disk.pictures.values()}) == 10
    assert not any(found.flags.writeable for found in on_disk.pictures.values())
    square = centre_square(32, 16)
    one, two = (
        Samples(p, make_cached_recipe("ram"), lambda _: square).load_batch(range(9))
        for p in (in_memory, on_disk)
    )
    assert torch.equal(one.photo, two.photo)


def test_pictures_are_decoded_once(folder: Path) -> None:
    before = read_photos(folder, make_cached_recipe("disk"))
    for path in folder.rglob("*.png"):
        rewrite(path, b"no picture")
    assert_same(before, read_photos(folder, make_cached_recipe("disk")))


def test_what_changes_is_read_anew_and_the_rest_taken_over(folder: Path, home: Path) -> None:
    read_photos(folder, make_cached_recipe("disk"))
    cv2.imwrite(str(folder / "p0.png"), picture(3))
    cv2.imwrite(str(folder / "p20.png"), picture(7))
    (folder / "p2.png").unlink()
    (folder / "p4.png").rename(folder / "p44.png")
    os.utime(folder / "p6.png", (5, 5))
    wanted = read_photos(folder, make_cached_recipe("ram"))
    rewrite(folder / "deep" / "p1.png", b"still taken over")
    found = read_photos(folder, make_cached_recipe("disk"))
    assert_same(wanted, found)
    assert "p2.png" not in found.pictures
    assert len(list(home.glob("*"))) == 1


def test_bytes_that_were_decoded_before_are_not_again(folder: Path) -> None:
    """Known by their hash, under a new time or name; here the older pixels are marked."""
    first = read_photos(folder, make_cached_recipe("disk"))
    (path,) = {Path(picture_cache.find_cache_path(key)) for key in [_key(folder)]}
    with path.open("r+b") as file:
        file.write(b"\x07" * 30)
    marked = [
        f
        for f, p in read_photos(folder, make_cached_recipe("disk")).pictures.items()
        if (p == 7).sum() > 25
    ]
    assert len(marked) == 1
    (folder / marked[0]).rename(folder / "new.png")
    again = read_photos(folder, make_cached_recipe("disk"))
    assert (again.pictures["new.png"].reshape(-1)[:30] == 7).all()
    assert len(again.pictures) == len(first.pictures)


def _key(folder: Path) -> tuple[object, ...]:
    return (folder.resolve(), sources.find_origin(folder).name, 32, 36)


def test_sizes_do_not_share_a_file(folder: Path, home: Path) -> None:
    for side in (36, 38):
        found = read_photos(folder, make_cached_recipe("disk", short_side=side))
        assert {min(p.shape[:2]) for p in found.pictures.values()} == {side}
    assert len(list(home.glob("*.bin"))) == 2


def test_a_torn_file_is_written_anew(folder: Path, home: Path) -> None:
    before = read_photos(folder, make_cached_recipe("ram"))
    read_photos(folder, make_cached_recipe("disk"))
    (path,) = home.glob("*.bin")
    path.write_bytes(path.read_bytes()[:-5])
    assert_same(before, read_photos(folder, make_cached_recipe("disk")))
    path.write_bytes(b"")
    assert_same(before, read_photos(folder, make_cached_recipe("disk")))


def test_what_breaks_off_leaves_the_older_file(folder: Path, home: Path) -> None:
    read_photos(folder, make_cached_recipe("disk"))
    (path,) = home.glob("*")
    before = path.read_bytes()

    def break_off() -> Iterator[None]:
        with picture_cache.write_cache(path, {"other": (1, 2)}) as (draft, _):
            assert draft is not None
            draft.add(picture_cache.CacheEntry("a", "a", "", np.zeros((4, 5, 3), np.uint8)))
            raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        next(break_off())
    assert [p.name for p in home.iterdir()] == [path.name]
    assert path.read_bytes() == before


def test_processes_wait_for_each_other(folder: Path) -> None:
    """Here threads, each with a lock of its own: one writes, all have the same pictures."""
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: read_photos(folder, make_cached_recipe("disk")), range(4)))
    for other in found[1:]:
        assert_same(found[0], other)


def test_pictures_that_do_not_fit_memory_go_to_disk(folder: Path, home: Path) -> None:
    wanted = read_photos(folder, make_cached_recipe("ram"))
    assert wanted.notices == []
    assert not home.exists()
    found = read_photos(folder, make_cached_recipe("ram"), room=20_000)
    assert_same(wanted, found)
    (notice,) = found.notices
    assert "more than the 1.9e-05 GiB of memory that are for them: mapped from" in notice
    assert len(list(home.glob("*.bin"))) == 1
    shared = read_photos(folder, make_cached_recipe("ram"), room=20_000, processes=2)
    assert_same(wanted, shared)


def test_a_cache_that_cannot_be_written_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder.parent / "file").write_text("")
    monkeypatch.setenv("MENDPIX_HOME", str(folder.parent / "file"))
    with pytest.raises(
        TrainingError, match=r"cannot be kept in .*set data.cache to 'none'"
    ) as caught:
        read_photos(folder, make_cached_recipe("disk"))
    assert "\n" not in str(caught.value)


@pytest.fixture
def whole(folder: Path, tmp_path: Path) -> Path:
    """A run with its pictures in memory."""
    (folder / "deep" / "torn.png").unlink()
    training.train(folder, tmp_path / "ram", make_cached_recipe("ram"), accelerator="cpu")
    return tmp_path / "ram"


@pytest.mark.parametrize("how", ["disk", "device", "none"])
def test_a_run_is_the_same_wherever_pictures_are(
    folder: Path, whole: Path, tmp_path: Path, how: str
) -> None:
    training.train(folder, tmp_path / how, make_cached_recipe(how), accelerator="cpu")
    one, two = (load_file(out / "last.safetensors") for out in (whole, tmp_path / how))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_run_may_be_resumed_with_its_pictures_elsewhere(
    folder: Path, whole: Path, tmp_path: Path
) -> None:
    training.train(
        folder, tmp_path / "run", make_cached_recipe("ram"), accelerator="cpu", max_minutes=0.0
    )
    given: dict[str, Any] = {"resume": True, "accelerator": "cpu"}
    with pytest.raises(TrainingError, match="the run's recipe has data = "):
        training.train(folder, tmp_path / "run", make_cached_recipe("device"), **given)
    assert training.train(folder, tmp_path / "run", make_cached_recipe("disk"), **given).finished
    one, two = (load_file(out / "last.safetensors") for out in (whole, tmp_path / "run"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def samples(folder: Path, on_device: bool, **options: Any) -> Samples:
    recipe, square = make_cached_recipe("device", **options), centre_square(32, 16)
    found = read_photos(folder, recipe)
    held = None
    if on_device:
        held = device_cache.move_to_device(found.pictures, found.train, torch.device("cpu"))
        assert held is not None
        assert found.pictures.keys() == set(found.held_out)
    return Samples(found, recipe, lambda _: square, on_device=held)


def test_squares_cut_on_the_device_are_those_cut_in_memory(folder: Path) -> None:
    ours, wanted = (samples(folder, on).load_batch(range(20)) for on in (True, False))
    assert torch.equal(ours.photo, wanted.photo)
    assert torch.equal(ours.hole, wanted.hole)
    assert ours.files == wanted.files


@pytest.mark.parametrize(("scale", "error"), [((0.5, 0.9), 0.01), ((1.05, 1.12), 0.03)])
def test_squares_resized_on_the_device_are_nearly_the_same(
    tmp_path: Path, scale: tuple[float, float], error: float
) -> None:
    """Smooth pictures: filters differ where there is noise."""
    for number in range(8):
        coarse = np.random.default_rng(number).integers(0, 256, (5, 6, 3), np.uint8)
        smooth = cv2.resize(coarse, (48 + number, 40), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(tmp_path / f"{number}.png"), smooth)
    both = (samples(tmp_path, on, scale=scale).load_batch(range(16)).photo for on in (True, False))
    ours, wanted = both
    assert (ours - wanted).abs().mean() < error
    assert (ours - wanted).abs().mean() < 0.1 * (ours - ours.roll(1, 0)).abs().mean()


def test_what_does_not_fit_the_device_stays_in_memory(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = read_photos(folder, make_cached_recipe("device"))
    count = len(found.pictures)
    monkeypatch.setattr(system_memory, "read_available", lambda: 1000)
    assert device_cache.move_to_device(found.pictures, found.train, torch.device("cpu")) is None
    assert len(found.pictures) == count


def test_a_file_that_goes_bad_does_not_end_the_run(folder: Path, tmp_path: Path) -> None:
    """Without a cache files are read at every step: others take the place of one that is gone."""
    (folder / "deep" / "torn.png").unlink()
    recipe = make_recipe(
        data={"held_out": 0.3, "cache": "none"}, steps=12, batch=2, log_every=1, validate_every=4
    )
    found = read_photos(folder, recipe)
    gone, unseen = found.train[0], found.held_out[0]
    messages: list[str] = []

    def spoil(event: training.TrainingEvent) -> None:
        if event.step == 1 and event.losses:
            (folder / gone).unlink()
            (folder / unseen).write_bytes(b"")
        messages.append(event.message)

    out = training.train(folder, tmp_path / "run", recipe, accelerator="cpu", watch=spoil)
    assert out.finished
    log = (out.folder / "log.jsonl").read_text()
    assert f'"lost": "{gone}"' in log
    assert any(f"{gone} can no longer be read" in words for words in messages)
    assert gone not in cards.read_card(out.folder / "last.safetensors")["data"]["files"]
    shutil.rmtree(folder)
    with pytest.raises(TrainingError, match="can be read any more"):
        Samples(found, recipe, lambda _: centre_square(32, 16)).load_batch([0])
    with pytest.raises(TrainingError, match="no held-out picture"):
        list(iterate_held_out(found, recipe, lambda _: centre_square(32, 16)))
