"""Jobs on a local Ray cluster of several processes: killed workers, a killed driver, S3, one bad
picture. Each starts a cluster of its own, as the command does.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
from PIL import Image
from s3_server import running_s3

pytest.importorskip("ray", reason="needs mendpix[ray]")

COMMAND = (sys.executable, "-m", "mendpix", "fill")
PROCESSES = Path("/proc")
COUNT = 400

linux = pytest.mark.skipif(not PROCESSES.is_dir(), reason="finds workers in /proc")


def draw_photos(folder: Path, count: int) -> None:
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (24, 32, 3)).astype(np.uint8)
    for number in range(count):
        noise[0, 0] = (*divmod(number, 256), 7)
        Image.fromarray(noise).save(folder / f"{number:04}.png", compress_level=1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    mask = np.zeros((24, 32), np.uint8)
    mask[8:14, 10:20] = 255
    Image.fromarray(mask).save("mask.png")
    return tmp_path


def start(*words: str) -> subprocess.Popen[str]:
    words = (*COMMAND, *words, "--engine", "ray", "--workers", "2", "--json")
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def finish(process: subprocess.Popen[str], code: int = 0) -> dict[str, object]:
    out, err = process.communicate(timeout=300)
    assert process.returncode == code, err
    assert "Traceback" not in err
    summary: dict[str, object] = json.loads(out)
    return summary


def find_workers(driver: int) -> list[int]:
    """The processes of actors below a process."""
    parents, workers = {}, []
    for path in PROCESSES.glob("[0-9]*/stat"):
        try:
            rest = path.read_text().rpartition(")")[2]
            command = path.with_name("cmdline").read_bytes()
        except OSError:
            continue
        parents[int(path.parent.name)] = int(rest.split()[1])
        if b"MapWorker" in command:
            workers.append(int(path.parent.name))

    def is_below(process: int) -> bool:
        while process in parents:
            process = parents[process]
            if process == driver:
                return True
        return False

    return [one for one in workers if is_below(one)]


def wait_for_outputs(process: subprocess.Popen[str], count: int) -> None:
    end = time.monotonic() + 200
    while len(list(Path("out").glob("*.png"))) < count:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.02)


@linux
def test_killed_workers_and_a_killed_driver_lose_nothing(folder: Path) -> None:
    draw_photos(folder / "photos", COUNT)
    job = start("photos", "mask.png", "--out", "out", "-m", "telea")
    wait_for_outputs(job, 40)
    os.kill(find_workers(job.pid)[0], signal.SIGKILL)
    wait_for_outputs(job, 100)
    os.killpg(job.pid, signal.SIGKILL)  # the driver, and its cluster with it
    job.communicate()
    stamps = {path.name: path.stat().st_mtime_ns for path in Path("out").glob("*.png")}
    assert len(stamps) < COUNT
    summary = finish(start("photos", "mask.png", "--out", "out", "-m", "telea", "--resume"))
    assert summary["failed"] == 0
    outputs = {path.name: path.stat().st_mtime_ns for path in Path("out").glob("*.png")}
    assert len(outputs) == COUNT
    again = [name for name, stamp in stamps.items() if outputs[name] != stamp]
    assert len(again) <= 2  # what two workers had in flight
    done, fills = summary["done_before"], summary["fills"]
    assert isinstance(fills, list)
    assert done == COUNT - len(fills)
    words = ("--out", "one", "-m", "telea", "--json")
    subprocess.run((*COMMAND, "photos", "mask.png", *words), check=True, stdout=subprocess.DEVNULL)
    for name in outputs:
        assert Path("out", name).read_bytes() == Path("one", name).read_bytes()


@linux
def test_a_picture_that_ends_its_workers_fails_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_photos(folder / "photos", 12)
    Path("photos/0002.png").write_bytes(b"no picture")
    Path("sitecustomize.py").write_text(
        "import os, signal\n"
        "from mendpix.inpainting.cluster import remote_filler\n"
        "fill_file = remote_filler.fill_file\n"
        "def fill_or_die(task, *more):\n"
        "    if task.photo.name == '0007.png':\n"
        "        os.kill(os.getpid(), signal.SIGKILL)  # as the system does for lack of memory\n"
        "    return fill_file(task, *more)\n"
        "remote_filler.fill_file = fill_or_die\n"
    )
    path = os.pathsep.join((str(folder), os.environ.get("PYTHONPATH", "")))
    monkeypatch.setenv("PYTHONPATH", path)
    summary = finish(start("photos", "mask.png", "--out", "out", "-m", "telea"), code=1)
    assert summary["failed"] == 2
    assert len(list(Path("out").glob("*.png"))) == 10
    fills = summary["fills"]
    assert isinstance(fills, list)
    errors = sorted(fill["error"] for fill in fills if fill["error"])
    assert errors[0].startswith("0002.png is not a picture")
    assert errors[1].startswith("0007.png: 3 workers ended in the middle of it")


@pytest.fixture
def s3(folder: Path) -> Iterator[str]:
    with running_s3("pictures") as address:
        yield address


def test_from_s3_to_s3(folder: Path, s3: str) -> None:
    draw_photos(folder / "photos", 8)
    files = fsspec.filesystem("s3")
    files.put("photos", "pictures/in", recursive=True)
    files.put("mask.png", "pictures/mask.png")
    words = (f"{s3}/in", f"{s3}/mask.png", "--out", f"{s3}/out", "-m", "patchmatch")
    assert finish(start(*words))["failed"] == 0
    local = ("photos", "mask.png", "--out", "one", "-m", "patchmatch", "--json")
    subprocess.run((*COMMAND, *local), check=True, stdout=subprocess.DEVNULL)
    for path in Path("one").glob("*.png"):
        assert files.cat_file(f"pictures/out/{path.name}") == path.read_bytes()
    files.rm("pictures/out/0003.png")
    summary = finish(start(f"{s3}/out", "--resume"))
    assert (summary["done_before"], summary["failed"]) == (7, 0)
    assert files.cat_file("pictures/out/0003.png") == Path("one/0003.png").read_bytes()


def test_what_ray_cannot_do_is_one_line(folder: Path) -> None:
    draw_photos(folder / "photos", 1)
    for words, reason in (
        ((), "--engine ray fills into a folder or an address; name it as --out"),
        (("--out", "o", "--address", "127.0.0.1:1"), "no Ray cluster at 127.0.0.1:1: "),
        (("--out", "o", "--gpus", "8"), "but a worker takes 1 and 8; ask for less"),
        (("--out", "o", "--memory", "1GB"), "--memory is not for --engine ray"),
    ):
        command = (*COMMAND, "photos", "mask.png", *words, "--engine", "ray", "-m", "telea")
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
        assert reason in done.stderr
    done = subprocess.run((*COMMAND, "s3://b/x", "mask.png"), capture_output=True, text=True)
    assert done.stderr.endswith("; what lies at an address is filled by --engine ray\n")
