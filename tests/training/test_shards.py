"""Tar shards: the same pictures, samples and split as the same files lying loose."""

import contextlib
import io
import os
import sys
import tarfile
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mendpix import training
from mendpix.errors import TrainingError
from mendpix.training import dataset_check, shards
from mendpix.training.hole_sampling import centre_square
from mendpix.training.photos import open_shared_photos, read_photos
from mendpix.training.samples import Samples
from mendpix.training.sources import list_pictures


def make_recipe(**changes: Any) -> training.Recipe:
    tables: dict[str, Any] = {
        "network": {"name": "partial-unet", "options": {"levels": 4, "width": 4}},
        "losses": {"l1": 1.0},
        "holes": [{"kind": "centre"}],
        "size": 32,
        "batch": 4,
        "steps": 3,
        "data": {"held_out": 0.3},
    }
    return training.parse_recipe({**tables, **changes})


def make_files() -> dict[str, bytes]:
    random = np.random.default_rng(0)
    pictures = {f"{n:04d}.png": random.integers(0, 256, (40, 48, 3), np.uint8) for n in range(12)}
    return {name: cv2.imencode(".png", p)[1].tobytes() for name, p in pictures.items()}


def pack_shard(path: Path, contents: dict[str, bytes], prefix: str = "", how: Any = "w") -> Path:
    with tarfile.open(path, how) as tar:
        for name, content in contents.items():
            about = tarfile.TarInfo(prefix + name)
            about.size = len(content)
            tar.addfile(about, io.BytesIO(content))
            note = tarfile.TarInfo(prefix + name.replace(".png", ".txt"))
            note.size = 4
            tar.addfile(note, io.BytesIO(b"note"))
    return path


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """The same files loose and in two shards."""
    loose, tarred = tmp_path / "loose", tmp_path / "tarred"
    loose.mkdir()
    tarred.mkdir()
    contents = make_files()
    for name, content in contents.items():
        (loose / name).write_bytes(content)
    names = sorted(contents)
    pack_shard(tarred / "a-000.tar", {n: contents[n] for n in names[:7]})
    pack_shard(tarred / "a-001.tar", {n: contents[n] for n in names[7:]}, prefix="./")
    return loose, tarred


def list_names(names: list[str]) -> list[str]:
    return [Path(name).name for name in names]


@pytest.mark.parametrize("cache", ["ram", "none"])
def test_shards_train_as_loose_files_do(folders: tuple[Path, Path], cache: str) -> None:
    recipe = make_recipe(data={"held_out": 0.3, "cache": cache})
    loose, tarred = (read_photos(folder, recipe) for folder in folders)
    assert tarred.train[0].startswith("a-000.tar/")
    assert list_names(tarred.train) == list_names(loose.train)
    assert list_names(tarred.held_out) == list_names(loose.held_out) != []
    square = centre_square(32, 16)
    one, two = (Samples(p, recipe, lambda _: square).load_batch(range(20)) for p in (loose, tarred))
    assert torch.equal(one.photo, two.photo)


def test_bytes_are_those_that_were_packed(folders: tuple[Path, Path]) -> None:
    for name in list_pictures(folders[1]):
        assert shards.read_bytes(folders[1], name).tobytes() == make_files()[Path(name).name]


def test_a_shard_cut_short_gives_what_is_whole(folders: tuple[Path, Path]) -> None:
    shard = folders[1] / "a-000.tar"
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) // 2])
    whole = [name for name in list_pictures(folders[1]) if name.startswith("a-000")]
    assert 1 <= len(whole) < 7
    photos = read_photos(folders[1], make_recipe())
    assert len(photos.train) + len(photos.held_out) == len(whole) + 5


def test_what_is_no_shard_is_left_out_and_said(folders: tuple[Path, Path]) -> None:
    (folders[1] / "b.tar").write_bytes(b"no tar" * 300)
    photos = read_photos(folders[1], make_recipe())
    assert list(photos.skipped) == ["b.tar"]
    assert dataset_check.check(folders[1], make_recipe()).corrupt == ("b.tar",)


def test_a_shard_that_vanishes_is_said(folders: tuple[Path, Path]) -> None:
    photos = read_photos(folders[1], make_recipe(data={"cache": "none"}))
    pack_shard(folders[1] / "a-000.tar", {})
    name = next(n for n in (*photos.train, *photos.held_out) if n.startswith("a-000"))
    with pytest.raises(TrainingError, match="can no longer be read"):
        photos.read(name)


def test_a_folder_may_be_called_like_a_shard(tmp_path: Path) -> None:
    inner = tmp_path / "photos.tar"
    inner.mkdir()
    for name, content in make_files().items():
        (inner / name).write_bytes(content)
    photos = read_photos(tmp_path, make_recipe())
    assert len(photos.train) > 5
    assert photos.skipped == {}


def test_training_runs_on_shards(folders: tuple[Path, Path], tmp_path: Path) -> None:
    outcome = training.train(folders[1], tmp_path / "run", make_recipe())
    assert outcome.finished


PACKED = {
    "a-000.tar.gz": "w:gz",
    "a-000.tgz": "w:gz",
    "a-000.tar.bz2": "w:bz2",
    "a-000.tar.xz": "w:xz",
}


@pytest.mark.parametrize("name", [*PACKED, "a-000.tar"])
@pytest.mark.parametrize("cache", ["ram", "disk"])
def test_a_stream_is_read_in_one_pass(
    folders: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    cache: str,
) -> None:
    """Compressed shards, also one whose name does not say so, beside a plain one."""
    monkeypatch.setenv("MENDPIX_HOME", str(tmp_path / "home"))
    loose, tarred = folders
    (tarred / "a-000.tar").unlink()
    contents = make_files()
    half = {n: contents[n] for n in sorted(contents)[:7]}
    pack_shard(tarred / name, half, how=PACKED.get(name, "w:gz"))
    recipe = make_recipe(data={"held_out": 0.3, "cache": cache})
    one, two = (read_photos(folder, recipe) for folder in (loose, tarred))
    assert list_names(two.train) == list_names(one.train)
    assert list_names(two.held_out) == list_names(one.held_out)
    assert two.skipped == {}
    assert f"{name}/0000.png" in {*two.train, *two.held_out}
    square = centre_square(32, 16)
    batches = [Samples(p, recipe, lambda _: square).load_batch(range(20)) for p in (one, two)]
    assert torch.equal(batches[0].photo, batches[1].photo)
    report = dataset_check.check(tarred, recipe)
    assert (report.files, report.usable, report.corrupt) == (12, 12, ())


def test_an_unchanged_stream_is_not_read_again(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MENDPIX_HOME", str(tmp_path / "home"))
    shard = pack_shard(
        folders[1] / "b.tar.gz", {f"b{n}": c for n, c in make_files().items()}, how="w:gz"
    )
    recipe = make_recipe(data={"held_out": 0.3, "cache": "disk"})
    before, about = read_photos(folders[1], recipe), shard.stat()
    shard.write_bytes(b"x" * about.st_size)
    os.utime(shard, ns=(about.st_atime_ns, about.st_mtime_ns))
    again = read_photos(folders[1], recipe)
    assert len(again.pictures) == 24
    assert (again.train, again.held_out) == (before.train, before.held_out)


def test_a_stream_cut_short_gives_what_is_whole_and_says_so(folders: tuple[Path, Path]) -> None:
    shard = pack_shard(
        folders[1] / "c.tar.gz", {f"c{n}": c for n, c in make_files().items()}, how="w:gz"
    )
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) // 2])
    (folders[1] / "d.tar.zst").write_bytes(b"\x28\xb5\x2f\xfd nothing that is read here")
    (folders[1] / "e.tar.gz").write_bytes(b"no archive")
    photos = read_photos(folders[1], make_recipe())
    assert photos.skipped.keys() == {"c.tar.gz", "d.tar.zst", "e.tar.gz"}
    assert all("the shard breaks off: " in why for why in photos.skipped.values())
    whole = [name for name in photos.pictures if name.startswith("c.tar.gz/")]
    assert 1 <= len(whole) < 12
    assert dataset_check.check(folders[1], make_recipe()).corrupt == (
        "c.tar.gz",
        "d.tar.zst",
        "e.tar.gz",
    )


def test_a_stream_without_pictures_is_said(folders: tuple[Path, Path]) -> None:
    pack_shard(folders[1] / "n.tar.gz", {"notes.txt": b"text"}, how="w:gz")
    assert read_photos(folders[1], make_recipe()).skipped == {"n.tar.gz": "it holds no pictures"}


def test_streams_must_be_kept(folders: tuple[Path, Path]) -> None:
    pack_shard(folders[1] / "b.tar.gz", make_files(), how="w:gz")
    with pytest.raises(TrainingError, match=r"b\.tar\.gz can only be read .*'ram' or 'disk'"):
        read_photos(folders[1], make_recipe(data={"cache": "none"}))


def test_one_shard_is_enough(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """Named itself, plain or compressed, without a folder around it."""
    for name, how in (("all.tar", "w"), ("all.tar.gz", "w:gz")):
        shard = pack_shard(tmp_path / name, make_files(), how=how)
        photos = read_photos(shard, make_recipe())
        assert len(photos.train) + len(photos.held_out) == 12
        assert photos.name == name
        assert dataset_check.check(shard).files == 12


class Pipe:
    """A named pipe that gives a file's bytes each time it is opened."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.path, self.content = path, content
        os.mkfifo(path)

    def __enter__(self) -> Path:
        self.writer = threading.Thread(target=self._write, daemon=True)
        self.writer.start()
        return self.path

    def __exit__(self, *_: object) -> None:
        self.writer.join(10)
        assert not self.writer.is_alive()

    def _write(self) -> None:
        with contextlib.suppress(BrokenPipeError), self.path.open("wb") as file:
            file.write(self.content)


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes")
@pytest.mark.parametrize("name", ["photos", "photos.tar", "photos.tgz"])
def test_training_runs_from_a_pipe_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """As from ``mendpix train <(curl ...)``: nothing can be read twice, nor by place."""
    monkeypatch.setenv("MENDPIX_HOME", str(tmp_path / "home"))
    how = "w:gz" if name.endswith("gz") else "w"
    shard = pack_shard(tmp_path / "a.tar", make_files(), how=how)
    pipe = Pipe(tmp_path / name, shard.read_bytes())
    recipe = make_recipe(data={"held_out": 0.3, "cache": "disk" if how == "w" else "ram"})
    with pipe as path:
        assert training.train(path, tmp_path / "run", recipe, max_minutes=0.0).step == 1
    with pipe as path:
        assert training.train(path, tmp_path / "run", resume=True).finished
    whole = training.train(shard, tmp_path / "whole", recipe)
    one, two = (load_file(out / "last.safetensors") for out in (tmp_path / "run", whole.folder))
    assert len(one) > 10
    assert all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes")
def test_a_pipe_is_read_once_for_all_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MENDPIX_HOME", str(tmp_path / "home"))
    pipe = Pipe(tmp_path / "pipe", pack_shard(tmp_path / "a.tar", make_files()).read_bytes())
    with pytest.raises(TrainingError, match=r"one process alone can read, but there are 2; set"):
        read_photos(pipe.path, make_recipe(), processes=2)
    on_disk = make_recipe(data={"cache": "disk"})
    with pytest.raises(TrainingError, match="was not read on this machine"):
        open_shared_photos(pipe.path, on_disk)
    with pipe as path:
        first = read_photos(path, on_disk, processes=2)
    second = open_shared_photos(pipe.path, on_disk)
    assert (first.train, first.held_out) == (second.train, second.held_out)
    for name, picture in first.pictures.items():
        np.testing.assert_array_equal(picture, second.pictures[name])
