"""Tar shards: the same pictures, samples and split as the same files lying loose."""

import io
import tarfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from mendpix import training
from mendpix.errors import TrainingError
from mendpix.training import data, doctor, shards
from mendpix.training.holes import centre


def recipe(**changes: Any) -> training.Recipe:
    tables: dict[str, Any] = {
        "network": {"name": "partial-unet", "options": {"levels": 4, "width": 4}},
        "losses": {"l1": 1.0},
        "holes": [{"kind": "centre"}],
        "size": 32,
        "batch": 4,
        "steps": 3,
        "data": {"held_out": 0.3},
    }
    return training.parse({**tables, **changes})


def files() -> dict[str, bytes]:
    random = np.random.default_rng(0)
    pictures = {f"{n:04d}.png": random.integers(0, 256, (40, 48, 3), np.uint8) for n in range(12)}
    return {name: cv2.imencode(".png", p)[1].tobytes() for name, p in pictures.items()}


def packed(path: Path, contents: dict[str, bytes], prefix: str = "") -> Path:
    with tarfile.open(path, "w") as tar:
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
    contents = files()
    for name, content in contents.items():
        (loose / name).write_bytes(content)
    names = sorted(contents)
    packed(tarred / "a-000.tar", {n: contents[n] for n in names[:7]})
    packed(tarred / "a-001.tar", {n: contents[n] for n in names[7:]}, prefix="./")
    return loose, tarred


def bare(names: list[str]) -> list[str]:
    return [Path(name).name for name in names]


@pytest.mark.parametrize("cache", ["ram", "none"])
def test_shards_train_as_loose_files_do(folders: tuple[Path, Path], cache: str) -> None:
    chosen = recipe(data={"held_out": 0.3, "cache": cache})
    loose, tarred = (data.gather(folder, chosen) for folder in folders)
    assert tarred.train[0].startswith("a-000.tar/")
    assert bare(tarred.train) == bare(loose.train)
    assert bare(tarred.held_out) == bare(loose.held_out) != []
    square = centre(32, 16)
    one, two = (data.Samples(p, chosen, lambda _: square).batch(range(20)) for p in (loose, tarred))
    assert torch.equal(one.photo, two.photo)


def test_bytes_are_those_that_were_packed(folders: tuple[Path, Path]) -> None:
    for name in data.found(folders[1]):
        assert shards.content(folders[1], name).tobytes() == files()[Path(name).name]


def test_a_shard_cut_short_gives_what_is_whole(folders: tuple[Path, Path]) -> None:
    shard = folders[1] / "a-000.tar"
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) // 2])
    whole = [name for name in data.found(folders[1]) if name.startswith("a-000")]
    assert 1 <= len(whole) < 7
    photos = data.gather(folders[1], recipe())
    assert len(photos.train) + len(photos.held_out) == len(whole) + 5


def test_what_is_no_shard_is_left_out_and_said(folders: tuple[Path, Path]) -> None:
    (folders[1] / "b.tar").write_bytes(b"no tar" * 300)
    photos = data.gather(folders[1], recipe())
    assert list(photos.skipped) == ["b.tar"]
    assert doctor.check(folders[1], recipe()).corrupt == ("b.tar",)


def test_a_shard_that_vanishes_is_said(folders: tuple[Path, Path]) -> None:
    photos = data.gather(folders[1], recipe(data={"cache": "none"}))
    packed(folders[1] / "a-000.tar", {})
    name = next(n for n in (*photos.train, *photos.held_out) if n.startswith("a-000"))
    with pytest.raises(TrainingError, match="can no longer be read"):
        photos.picture(name)


def test_a_folder_may_be_called_like_a_shard(tmp_path: Path) -> None:
    inner = tmp_path / "photos.tar"
    inner.mkdir()
    for name, content in files().items():
        (inner / name).write_bytes(content)
    photos = data.gather(tmp_path, recipe())
    assert len(photos.train) > 5
    assert photos.skipped == {}


def test_training_runs_on_shards(folders: tuple[Path, Path], tmp_path: Path) -> None:
    outcome = training.train(folders[1], tmp_path / "run", recipe())
    assert outcome.finished
