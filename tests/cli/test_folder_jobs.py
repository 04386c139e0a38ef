"""Jobs on folders: lines of JSON, the manifest, going on after any end, and verify by it."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mendpix import cli
from mendpix.inpainting import manifest as manifests
from mendpix.io.storage import LocalStorage

posix = pytest.mark.skipif(os.name == "nt", reason="signals")
COMMAND = (sys.executable, "-m", "mendpix", "fill")
COUNT = 8


def draw_photo(path: Path, seed: int, height: int = 48, width: int = 64) -> None:
    noise = np.random.default_rng(seed).integers(0, 255, (height, width, 3))
    Image.fromarray(noise.astype(np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of photos, one mask for all, as the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for number in range(COUNT):
        draw_photo(tmp_path / "photos" / f"{number}.png", number)
    mask = np.zeros((48, 64), np.uint8)
    mask[16:24, 20:32] = 255
    Image.fromarray(mask).save("mask.png")
    return tmp_path


def call(*words: str) -> subprocess.CompletedProcess[str]:
    """The command in this process, which need not start another one."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["mendpix", *words])
        with pytest.raises(SystemExit) as left:
            cli.main()
    code = left.value.code
    assert isinstance(code, int)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def fill(*words: str) -> subprocess.CompletedProcess[str]:
    return call("fill", *words)


def fill_all(out: str, *words: str) -> subprocess.CompletedProcess[str]:
    return fill("photos", "mask.png", "--out", out, "--model", "telea", *words)


def read_pictures(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*")}


def read_times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("[!.]*")}


def list_renewed(before: dict[str, int], folder: Path) -> list[str]:
    return sorted(n for n, changed in read_times(folder).items() if changed != before.get(n))


def test_a_line_of_json_for_each_picture(folder: Path) -> None:
    (folder / "photos" / "3.png").write_bytes(b"no picture")
    told = fill_all("out", "--json-lines")
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    assert told.returncode == 1
    assert [line["status"] for line in lines] == ["done"] * 3 + ["failed"] + ["done"] * 4
    assert lines[0]["out"] == str(Path("out") / "0.png")
    assert "3.png is not a picture" in lines[3]["error"]
    one = fill("photos/0.png", "mask.png", "-m", "telea", "--json-lines")
    assert json.loads(one.stdout)["status"] == "done"


def test_files_without_a_partner_are_lines_and_records(folder: Path) -> None:
    (folder / "masks").mkdir()
    for number in (0, 1):
        (folder / "masks" / f"{number}.png").write_bytes(Path("mask.png").read_bytes())
    told = fill("photos", "masks", "--out", "out", "-m", "telea", "--json-lines")
    status = [json.loads(line)["status"] for line in told.stdout.splitlines()]
    assert status == ["skipped"] * 6 + ["done"] * 2
    records = manifests.read(LocalStorage("out")).records
    assert records["5.png"].status == "skipped"
    assert records["5.png"].reason == "nothing pairs with it"


def test_only_resume_leaves_out_what_is_done(folder: Path) -> None:
    assert fill_all("out").returncode == 0
    first, times = read_pictures(folder / "out"), read_times(folder / "out")
    again = fill_all("out", "--resume")
    assert (again.returncode, again.stdout) == (0, "")
    assert again.stderr == "resumed: 8 of 8 pictures filled already\n"
    assert list_renewed(times, folder / "out") == []
    assert fill_all("out").stdout.count("filled in") == 8
    assert read_pictures(folder / "out") == first
    assert len(list_renewed(times, folder / "out")) == 8


def test_resume_does_again_what_changed(folder: Path) -> None:
    """A photo, an output that is gone or cut, a failure; not a time that changed alone."""
    (folder / "photos" / "3.png").write_bytes(b"no picture")
    assert fill_all("out").returncode == 1
    times = read_times(folder / "out")
    draw_photo(folder / "photos" / "0.png", 100)
    (folder / "out" / "1.png").unlink()
    (folder / "out" / "2.png").write_bytes(b"cut")
    draw_photo(folder / "photos" / "3.png", 3)
    os.utime(folder / "photos" / "4.png", (1, 1))
    told = fill_all("out", "--resume")
    assert (told.returncode, told.stderr) == (0, "resumed: 4 of 8 pictures filled already\n")
    assert list_renewed(times, folder / "out") == ["0.png", "1.png", "2.png", "3.png"]
    whole = fill_all("whole")
    assert whole.returncode == 0
    assert read_pictures(folder / "out") == read_pictures(folder / "whole")


def test_other_options_are_other_fills(folder: Path) -> None:
    fill_all("out")
    assert "0 of 8 pictures" in fill_all("out", "--resume", "--grow", "2").stderr
    assert "8 of 8 pictures" in fill_all("out", "--resume", "--grow", "2").stderr
    assert "0 of 8 pictures" in fill_all("out", "--resume", "--seed", "1").stderr
    assert "8 of 8 pictures" in fill_all("out", "--resume", "--seed", "1", "-j", "2").stderr


def test_the_mask_of_an_option_counts_by_its_content(folder: Path) -> None:
    area = np.zeros((48, 64), np.uint8)
    area[:, 40:] = 255
    Image.fromarray(area).save("source.png")
    words = (
        "photos",
        "mask.png",
        "--out",
        "out",
        "--model",
        "patchmatch",
        "--source",
        "source.png",
    )
    assert fill(*words).returncode == 0
    assert "8 of 8 pictures" in fill(*words, "--resume").stderr
    assert "8 of 8 pictures" in fill("out", "--resume").stderr
    Image.fromarray(area[:, ::-1]).save("source.png")
    assert "0 of 8 pictures" in fill("out", "--resume").stderr
    refused = fill(*words[:-1], "none.png")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)


def test_verify_hashes_finds_what_sizes_and_times_hide(folder: Path) -> None:
    fill_all("out")
    output = folder / "out" / "2.png"
    right, changed = output.read_bytes(), output.stat()
    output.write_bytes(right[:-1] + b"x")
    os.utime(output, ns=(changed.st_atime_ns, changed.st_mtime_ns))
    assert "8 of 8 pictures" in fill_all("out", "--resume").stderr
    assert "7 of 8 pictures" in fill_all("out", "--resume", "--verify-hashes").stderr
    assert output.read_bytes() == right


def test_resume_alone_knows_the_job(folder: Path) -> None:
    fill_all("out", "--grow", "3", "--seed", "5")
    first = read_pictures(folder / "out")
    for name in ("1.png", "6.png"):
        (folder / "out" / name).unlink()
    told = fill("out", "--resume", "--workers", "2")
    assert told.returncode == 0
    assert told.stderr == "resumed: 6 of 8 pictures filled already\n"
    assert read_pictures(folder / "out") == first
    other = fill("out", "--resume", "--grow", "1")
    assert other.returncode == 2
    assert "--resume alone takes its options from the manifest in out" in other.stderr
    none = fill("photos", "--resume")
    assert none.returncode == 2
    assert "photos holds no manifest of a job (.mendpix/) to resume" in none.stderr
    for words in (["photos/0.png", "mask.png"], ["photos", "mask.png"]):
        refused = fill(*words, "--resume", "-m", "telea")
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)


def begin(out: str, *words: str) -> subprocess.Popen[bytes]:
    command = [*COMMAND, "photos", "mask.png", "--out", out, "--model", "telea", *words]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )


def wait_for_pictures(job: subprocess.Popen[bytes], out: Path, more: int) -> None:
    limit, target = time.monotonic() + 60, len(read_pictures(out)) + more
    while job.poll() is None and len(list(out.glob("[!.]*"))) < target:
        assert time.monotonic() < limit
        time.sleep(0.002)


@posix
@pytest.mark.parametrize("workers", ["1", "2"])
def test_killed_at_any_moment_the_job_goes_on_to_the_same_bytes(workers: str, folder: Path) -> None:
    for number in range(COUNT, 3 * COUNT):
        draw_photo(folder / "photos" / f"{number}.png", number)
    assert fill_all("whole").returncode == 0
    out = folder / "out"
    for more in (0, 1, 4, 3):
        job = begin("out", "--resume", "--workers", workers)
        wait_for_pictures(job, out, more)
        os.killpg(job.pid, signal.SIGKILL)
        assert job.wait(timeout=30) == -signal.SIGKILL
        assert job.stderr is not None
        job.stderr.close()
    known = manifests.read(LocalStorage(out)).records
    times = read_times(out)
    assert fill_all("out", "--resume", "--workers", workers).returncode == 0
    assert read_pictures(out) == read_pictures(folder / "whole")
    assert not set(known) & set(list_renewed(times, out)), "done again though it was known"
    assert "24 of 24 pictures" in fill_all("out", "--resume", "--verify-hashes").stderr


@posix
def test_ctrl_c_says_how_much_is_done_and_keeps_it(folder: Path) -> None:
    for number in range(COUNT, 10 * COUNT):
        draw_photo(folder / "photos" / f"{number}.png", number)
    job = begin("out", "--workers", "2")
    wait_for_pictures(job, folder / "out", 3)
    job.send_signal(signal.SIGINT)
    _, told = job.communicate(timeout=30)
    line = told.decode().splitlines()[-1]
    found = re.fullmatch(
        r"stopped: (\d+) of 80 pictures filled; the same command with --resume goes on", line
    )
    assert job.returncode == 130 and found
    resumed = fill_all("out", "--resume").stderr
    assert resumed == f"resumed: {found[1]} of 80 pictures filled already\n"


def test_two_jobs_at_once_share_a_target(folder: Path) -> None:
    """Two halves of the photos, as two machines would take them; then all of it is done."""
    for half in ("one", "two"):
        (folder / half).mkdir()
    for number in range(COUNT):
        source = folder / "photos" / f"{number}.png"
        half = "one" if number % 2 else "two"
        (folder / half / source.name).write_bytes(source.read_bytes())
    words = ["mask.png", "--out", "out", "--model", "telea", "--resume"]
    jobs = [subprocess.Popen([*COMMAND, half, *words]) for half in ("one", "two")]
    assert [job.wait(timeout=60) for job in jobs] == [0, 0]
    assert "8 of 8 pictures" in fill_all("out", "--resume").stderr


def test_memory_bounds_what_runs_at_once(folder: Path) -> None:
    assert fill_all("out", "--workers", "2", "--memory", "300MB").returncode == 0
    assert len(read_pictures(folder / "out")) == COUNT
    for size in ("much", "-1GB", "3", "9" * 40):
        refused = fill_all("out", "--memory", size)
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)


def verify(*words: str) -> subprocess.CompletedProcess[str]:
    return call("verify", *words)


def test_verify_knows_the_mask_and_the_options(folder: Path) -> None:
    fill_all("out", "--grow", "2")
    told = verify("photos/0.png", "out/0.png")
    assert (told.returncode, told.stdout) == (0, "0 of 2892 pixels outside the hole changed\n")
    assert told.stderr == f"as it was filled: mask {folder / 'mask.png'} --grow 2\n"
    assert verify("photos/0.png", "out/0.png", "mask.png").returncode == 0
    (folder / "other.png").write_bytes((folder / "out" / "0.png").read_bytes())
    told = verify("photos/0.png", "other.png", "mask.png")
    assert told.returncode == 1
    assert told.stderr.startswith("all of them lie within 2 px of the hole: if it was grown, give")
    assert verify("photos/0.png", "other.png", "mask.png", "--grow", "2").returncode == 0
