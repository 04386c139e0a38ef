"""Jobs on storages without a cluster: what is planned, what a worker does, and going on."""

import io
import os
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mendpix.errors import MendError
from mendpix.inpainting import manifest as manifests
from mendpix.inpainting.cluster import tasks as planning
from mendpix.inpainting.cluster.job import JobDriver, recall
from mendpix.inpainting.cluster.remote_filler import RemoteFiller, RemoteResult
from mendpix.inpainting.options import FillOptions, FillSettings, Runtime
from mendpix.io.pairing import PairingRules
from mendpix.io.storage import LocalStorage

COUNT = 5
SETTINGS = FillSettings("telea")


def encode(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def draw_photo(seed: int) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 255, (24, 32, 3))
    return encode(noise.astype(np.uint8))


def draw_mask() -> bytes:
    mask = np.zeros((24, 32), np.uint8)
    mask[8:14, 10:20] = 255
    return encode(mask)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for place in ("photos/sub", "masks/sub"):
        (tmp_path / place).mkdir(parents=True)
    for number in range(COUNT):
        Path(f"photos/{number}.png").write_bytes(draw_photo(number))
        Path(f"masks/{number}.png").write_bytes(draw_mask())
    Path("photos/sub/x.png").write_bytes(draw_photo(9))
    Path("masks/sub/x_mask.png").write_bytes(draw_mask())
    Path("mask.png").write_bytes(draw_mask())
    return tmp_path


def open_job(
    masks: str | None = "masks",
    target: str = "out",
    rules: PairingRules | None = None,
    settings: FillSettings = SETTINGS,
) -> JobDriver:
    source = planning.open_source("photos", masks, target, rules or PairingRules())
    return JobDriver(source, settings)


def work(driver: JobDriver, tasks: list[planning.RemoteTask] | None = None) -> list[RemoteResult]:
    """What an engine does, in this process."""
    filler = RemoteFiller(driver.job)
    driver.begin()
    results = [filler(task) for task in (driver.select() if tasks is None else tasks)]
    for result in results:
        driver.record(result)
    driver.finish()
    return results


def fill_locally(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "mendpix", "fill", *words, "-m", "telea"], check=True)


def test_files_pair_as_those_of_folders(folder: Path) -> None:
    plan = open_job(rules=PairingRules(recursive=True)).plan
    pairs = {task.photo: task.mask for task in plan.tasks}
    assert pairs == {f"{n}.png": f"{n}.png" for n in range(COUNT)} | {"sub/x.png": "sub/x_mask.png"}
    assert [line for line in plan.remarks if "suffix" in line]
    one = open_job("mask.png").plan
    assert {task.mask for task in one.tasks} == {"mask.png"}
    assert len(one.tasks) == COUNT
    Path("masks/3.png").unlink()
    plan = open_job().plan
    assert plan.skipped == {"3.png": "nothing pairs with it"}
    assert [task.photo for task in plan.tasks] == ["0.png", "1.png", "2.png", "4.png"]


def test_what_cannot_be_planned_is_one_line(folder: Path) -> None:
    with pytest.raises(MendError, match=r"photos is given twice"):
        open_job("photos")
    with pytest.raises(MendError, match=r"none\.png does not exist"):
        open_job("none.png")
    with pytest.raises(MendError, match=r"no picture in .*photos has a mask in .*sub"):
        open_job("masks/sub")
    with pytest.raises(MendError, match=r"no pictures in .*nowhere; it must hold"):
        JobDriver(planning.open_source("nowhere", "mask.png", "o", PairingRules()), SETTINGS)


def test_the_same_bytes_as_one_process_and_either_goes_on(folder: Path) -> None:
    fill_locally("photos", "masks", "--out", "local")
    results = work(open_job())
    assert [len(result.outcomes) for result in results] == [1] * COUNT
    for number in range(COUNT):
        name = f"{number}.png"
        assert Path("out", name).read_bytes() == Path("local", name).read_bytes()
    assert open_job().select() == []
    assert open_job(target="local").select() == []  # begun by the other engine
    Path("local/2.png").unlink()
    Path("photos/4.png").write_bytes(draw_photo(40))
    assert [task.photo for task in open_job(target="local").select()] == ["2.png", "4.png"]
    words = ("photos", "masks", "--out", "out", "--resume", "-m", "telea", "--json-lines")
    more = subprocess.run(
        [sys.executable, "-m", "mendpix", "fill", *words], capture_output=True, text=True
    )
    assert more.stdout.count('"status": "done"') == 1
    assert f"resumed: {COUNT - 1} of {COUNT} pictures filled already" in more.stderr


def test_inputs_that_moved_or_were_touched_are_still_done(folder: Path) -> None:
    work(open_job())
    os.utime("photos/1.png", (1, 1))
    (folder / "photos").rename("pictures")
    source = planning.open_source("pictures", "masks", "out", PairingRules())
    assert JobDriver(source, SETTINGS).select() == []
    changed = FillSettings("telea", FillOptions(grow=1))
    assert len(JobDriver(source, changed).select()) == COUNT
    damaged = Path("out/0.png").read_bytes()
    Path("out/0.png").write_bytes(damaged[:-1] + b"x")
    assert JobDriver(source, SETTINGS).select() == []
    assert len(JobDriver(source, SETTINGS).select(verify_hashes=True)) == 1


def test_nothing_is_lost_with_the_driver(folder: Path) -> None:
    driver = open_job()
    filler = RemoteFiller(driver.job)
    first = filler(driver.plan.tasks[0])  # and the driver is killed before it records anything
    left = LocalStorage("out").list_names(manifests.KEYS)
    assert left == [f"{manifests.KEYS}/{first.records[0].key}.jsonl"]
    again = open_job()
    assert len(again.select()) == COUNT - 1
    known = RemoteFiller(again.job)(again.plan.tasks[0])  # its result was on the way
    assert known.outcomes == ()
    assert replace(known.records[0], time=0) == replace(first.records[0], time=0)
    work(again)
    again.record(known)
    again.finish()
    assert LocalStorage("out").list_names(manifests.KEYS) == []
    assert open_job().select() == []


def test_a_picture_that_fails_is_listed(folder: Path) -> None:
    Path("photos/1.png").write_bytes(b"no picture")
    (failed,) = [one for one in work(open_job()) if one.records[0].status == "failed"]
    assert failed.outcomes[0].error.startswith("1.png is not a picture, or ")
    assert [task.photo for task in open_job().select()] == ["1.png"]
    driver = open_job()
    Path("photos/1.png").unlink()
    (gone,) = work(driver, [task for task in driver.plan.tasks if task.photo == "1.png"])
    assert gone.records[0].reason.startswith("1.png: ")
    assert "is not there any more" in gone.records[0].reason


def test_a_target_knows_how_to_go_on(folder: Path) -> None:
    settings = FillSettings("telea", FillOptions(grow=2, boxes=("1,1,3,3",)), Runtime(seed=4))
    driver = open_job(settings=settings)
    work(driver, driver.select()[:2])
    source, known = recall("out", Runtime(), trust=False)
    assert (known.model, known.options, known.runtime) == (
        "telea",
        settings.options,
        Runtime(seed=4),
    )
    assert len(JobDriver(source, known).select()) == COUNT - 2
    with pytest.raises(MendError, match=r"photos holds no manifest"):
        recall("photos", Runtime(), trust=False)


def test_masks_of_options_travel_to_the_workers(folder: Path) -> None:
    source = np.zeros((24, 32), np.uint8)
    source[:, 16:] = 255
    Image.fromarray(source).save("source.png")
    settings = FillSettings("patchmatch", FillOptions(source="source.png"))
    job = open_job(settings=settings).job
    Path("source.png").unlink()
    (task, *_) = open_job().plan.tasks
    assert not RemoteFiller(job)(task).outcomes[0].error


def write_shard(path: Path, damaged: str = "") -> None:
    with tarfile.open(path, "w") as archive:
        for number in range(3):
            for kind, content in (
                ("png", draw_photo(number)),
                ("mask.png", draw_mask()),
                ("json", b'{"n": 1}'),
            ):
                info = tarfile.TarInfo(f"set/{number:04}.{kind}")
                content = b"nothing" if info.name == damaged else content
                info.size, info.mtime = len(content), 1_700_000_000
                archive.addfile(info, io.BytesIO(content))


def read_shard(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {one.name: archive.extractfile(one).read() for one in archive}  # type: ignore[union-attr]


def test_shards_in_shards_out(folder: Path) -> None:
    fill_locally("photos", "masks", "--out", "local")
    for name in ("photos/a.tar", "photos/b.tar"):
        write_shard(Path(name))
    driver = open_job(None)
    results = work(driver, [task for task in driver.plan.tasks if task.is_shard])
    assert [len(result.outcomes) for result in results] == [3, 3]
    inside = read_shard(Path("out/a.tar"))
    assert list(inside) == [f"set/{n:04}.{kind}" for n in range(3) for kind in ("png", "json")]
    for number in range(3):
        assert inside[f"set/{number:04}.png"] == Path(f"local/{number}.png").read_bytes()
    assert inside["set/0000.json"] == b'{"n": 1}'
    assert Path("out/a.tar").read_bytes() == Path("out/b.tar").read_bytes()
    assert [task for task in open_job(None).select() if task.is_shard] == []
    write_shard(Path("photos/b.tar"), "set/0001.png")
    (result,) = work(driver := open_job(None), [t for t in driver.select() if t.is_shard])
    assert [record.status for record in result.records] == ["failed", "failed"]
    assert result.records[0].reason == "1 of 3 pictures failed; the others are in b.tar"
    assert result.records[1].name == "b.tar/0001.png"
    assert "b.tar/set/0001.png is not a picture" in result.records[1].reason
    assert list(read_shard(Path("out/b.tar"))) == [n for n in inside if "0001" not in n]


def test_one_mask_serves_shards_and_a_damaged_shard_is_one_line(folder: Path) -> None:
    write_shard(Path("photos/a.tar"))
    Path("photos/b.tar").write_bytes(b"no archive" * 100)
    driver = open_job("mask.png")
    shards = [task for task in driver.plan.tasks if task.is_shard]
    good, bad = work(driver, shards)
    assert len(good.outcomes) == 3
    assert good.records[0].status == "done"
    assert bad.records[0].reason.startswith("b.tar is no tar archive, or damaged: ")
