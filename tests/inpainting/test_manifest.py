"""Manifests: what is written comes back, by many writers, and nothing is lost when merged."""

import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mendpix.inpainting import manifest as manifests
from mendpix.inpainting.manifest import (
    FileHashes,
    FileVersion,
    JobDescription,
    ManifestWriter,
    PictureRecord,
)
from mendpix.io.storage import FileStamp, LocalStorage

FILE = FileVersion("/photos/caf\udce9.png", 10, "123", "ab")


def describe(job: str = "one", started: float = 1.0) -> JobDescription:
    return JobDescription(
        job, "/photos", "/masks", {}, "auto", {}, {}, {"grow": 3}, 0, "0.1", started
    )


def record(name: str, time: float = 1.0, job: str = "one") -> PictureRecord:
    return PictureRecord(name, "done", job, time, "key", files=FileHashes(FILE, None, (FILE,)))


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    writer = ManifestWriter(storage, describe())
    failed = PictureRecord("b.png", "failed", "one", 2.0, reason="a\nreason")
    for entry in (record("a.png"), failed):
        writer.add(entry)
    assert manifests.read(storage).records == {}
    writer.flush()
    found = manifests.read(storage)
    assert found.jobs == {"one": describe()}
    assert found.records == {"a.png": record("a.png"), "b.png": failed}


def test_the_latest_counts_in_any_order(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    for time in (3.0, 1.0, 2.0):
        writer = ManifestWriter(storage, describe(f"job {time}", time))
        writer.add(record("a.png", time, f"job {time}"))
        writer.flush()
    found = manifests.read(storage)
    assert found.records["a.png"].time == 3.0
    assert found.latest == describe("job 3.0", 3.0)


def test_merging_leaves_one_segment_and_the_jobs_in_use(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    for number in range(manifests.MOST_SEGMENTS + 1):
        writer = ManifestWriter(storage, describe(f"job {number}", number))
        writer.add(record(f"{number // 2}.png", number, f"job {number}"))
        writer.flush()
    before = manifests.read(storage)
    manifests.merge(storage)
    after = manifests.read(storage)
    assert len(storage.list_names(manifests.FOLDER)) == 1
    assert after.records == before.records
    assert set(after.jobs) == {one.job for one in after.records.values()}
    manifests.merge(storage)
    assert manifests.read(storage) == after


def test_a_damaged_line_is_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    storage = LocalStorage(tmp_path)
    writer = ManifestWriter(storage, describe())
    writer.add(record("a.png"))
    writer.flush()
    lines = ["", "{", "[]", '{"picture": {}}', '{"picture": 3}', "[" * 100_000, '{"job": null}']
    storage.write(f"{manifests.FOLDER}/9.jsonl", "\n".join(lines).encode())
    storage.write(f"{manifests.FOLDER}/.mendpix-draft.jsonl", b"torn")
    with caplog.at_level(logging.WARNING):
        assert list(manifests.read(storage).records) == ["a.png"]
    assert "line 2 of .mendpix/9.jsonl cannot be read" in caplog.text


WRITE = """
import sys
from mendpix.inpainting import manifest as manifests
sys.path.insert(0, sys.argv[3])
from test_manifest import LocalStorage, ManifestWriter, describe, record

storage = LocalStorage(sys.argv[1])
writer = ManifestWriter(storage, describe(sys.argv[2]))
for number in range(60):
    writer.add(record(f"{sys.argv[2]}-{number}.png", number, sys.argv[2]))
    writer.flush()
    if number % 20 == 0:
        manifests.merge(storage)
"""


def test_many_processes_write_and_merge_at_once(tmp_path: Path) -> None:
    words = [sys.executable, "-c", WRITE, str(tmp_path)]
    here = str(Path(__file__).parent)
    writers = [subprocess.Popen([*words, name, here], env=os.environ) for name in "abc"]
    seen: list[int] = []

    def look() -> None:
        while any(writer.poll() is None for writer in writers):
            seen.append(len(manifests.read(LocalStorage(tmp_path)).records))

    reader = threading.Thread(target=look)
    reader.start()
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0]
    reader.join()
    assert len(manifests.read(LocalStorage(tmp_path)).records) == 180
    assert seen == sorted(seen), "a record that was there was not found again"


def test_storage(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    assert storage.list_names("folder") == []
    assert storage.stamp("folder/a") is None
    storage.write("folder/a", b"abc")
    stamp = storage.stamp("folder/a")
    assert stamp == FileStamp(3, str((tmp_path / "folder/a").stat().st_mtime_ns))
    assert storage.stamp("folder/a/b") is None
    assert storage.read("folder/a") == b"abc"
    assert storage.digest("folder/a").startswith("ba7816bf")
    assert storage.list_names("folder") == ["folder/a"]
    storage.remove("folder/a")
    storage.remove("folder/a")
    with pytest.raises(FileNotFoundError):
        storage.read("folder/a")


def test_lines_are_json(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    ManifestWriter(storage, describe()).flush()
    (name,) = storage.list_names(manifests.FOLDER)
    assert json.loads(storage.read(name))["job"]["options"] == {"grow": 3}
