"""Worker processes: a death costs one task, and none outlives its parent."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mendpix.errors import MaskError
from mendpix.inpainting import batch, workers
from mendpix.inpainting.filling import FillTask, fill_file
from mendpix.inpainting.options import FillSettings

posix = pytest.mark.skipif(os.name == "nt", reason="signals")

SLEEPERS = """
import sys, time
from pathlib import Path
from mendpix.inpainting import workers

def begin(folder):
    def sleep(number):
        begun = Path(folder, f"begun-{number}")
        begun.touch()
        try:
            time.sleep(600)
        finally:
            begun.with_name(f"left-{number}").touch()
    return sleep

if __name__ == "__main__":
    list(workers.share_out(begin, sys.argv[1], range(5), 2))
"""


def tenfold(number: int) -> int:
    """What the workers here do with a number; some numbers end them."""
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 4:
        os._exit(7)
    if number == 5:
        raise MaskError("five")
    return 10 * number


def begin(steps: list[int]) -> Callable[[int], int]:
    return tenfold


def begin_badly(text: str) -> Callable[[int], int]:
    raise MaskError(text)


class OddError(Exception):
    """An error that cannot be unpickled."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


@posix
@pytest.mark.parametrize("count", [1, 2])
def test_a_death_costs_one_task(count: int) -> None:
    numbers = [1, 3, 2, 4, 6, 7, 3]
    found = list(workers.share_out(begin, [], numbers, count))
    assert sorted(task for task, _ in found) == sorted(numbers)
    assert {task: result for task, result in found if task not in (3, 4)} == {
        number: 10 * number for number in (1, 2, 6, 7)
    }
    assert [str(result) for task, result in found if task == 3] == [
        "its process was killed (SIGKILL), perhaps for lack of memory"
    ] * 2
    assert [str(result) for task, result in found if task == 4] == [
        "its process ended by itself with exit code 7, perhaps for lack of memory"
    ]
    assert not multiprocessing.active_children()


def test_errors_come_back_with_their_traceback() -> None:
    with pytest.raises(MaskError, match="five") as caught:
        list(workers.share_out(begin, [], [1, 5, 2], 2))
    assert "in tenfold" in caught.value.__notes__[0]
    with pytest.raises(MaskError, match="no such thing"):
        list(workers.share_out(begin_badly, "no such thing", [1, 2], 2))
    assert str(workers._portable(OddError(1, 2))) == "OddError: 1 and 2"
    assert not multiprocessing.active_children()


@posix
def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "sleepers.py"
    script.write_text(SLEEPERS)
    parent = subprocess.Popen([sys.executable, script, tmp_path], stdout=subprocess.PIPE)
    until(lambda: len(list(tmp_path.glob("begun-*"))) == 2)
    parent.kill()
    parent.communicate(timeout=60)  # its standard output ends when the last that holds it does
    assert len(list(tmp_path.glob("left-*"))) == 2  # `finally` blocks ran, such as remove drafts


@posix
def test_ctrl_c_says_how_much_is_done(tmp_path: Path) -> None:
    pictures(tmp_path, 400)
    words = ["fill", tmp_path / "photos", tmp_path / "mask.png", "--out", tmp_path / "out"]
    child = subprocess.Popen(
        [sys.executable, "-m", "mendpix", *words, "--workers", "2", "--model", "telea"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    until(lambda: list((tmp_path / "out").glob("*.png")))
    os.killpg(child.pid, signal.SIGINT)
    said = child.communicate(timeout=60)[1].splitlines()
    assert child.returncode == 130
    written = len(list((tmp_path / "out").glob("*.png")))
    # Three that were written as the signal came may not have been told any more: one of each
    # worker, and the next of the one that had been given it.
    assert said[-1] in [
        f"stopped: {written - n} of 400 pictures filled; the same command with --resume goes on"
        for n in range(4)
    ]
    assert len(said) == 2  # the other names the folder that was made
    assert not list((tmp_path / "out").glob(".*.png"))


@posix
def test_a_picture_whose_worker_is_killed_is_the_only_one_that_fails(tmp_path: Path) -> None:
    photos = pictures(tmp_path, 12)
    tasks = [FillTask(p, tmp_path / "mask.png", tmp_path / f"out-{p.name}") for p in photos]
    with contextlib.closing(batch.run(tasks, FillSettings(model="telea"), workers=2)) as outcomes:
        _, first = next(outcomes)
        multiprocessing.active_children()[0].kill()
        rest = [outcome for _, outcome in outcomes]
    failed = [one for one in rest if one.error]
    assert not first.error
    assert len(rest) == 11
    assert len(failed) == 1
    assert failed[0].error == (
        f"{failed[0].photo}: its process was killed (SIGKILL), perhaps for lack of memory; "
        "fill it again with fewer --workers"
    )
    assert sum((tmp_path / f"out-{p.name}").is_file() for p in photos) == 11


class Greedy:
    """A filler that asks for more memory than any machine has."""

    channels = "any"

    def __call__(self, *given: object, **more: object) -> np.ndarray:
        return np.empty(1 << 60, np.uint8)


def test_too_little_memory_is_one_line(tmp_path: Path) -> None:
    photo = pictures(tmp_path, 1)[0]
    task = FillTask(photo, tmp_path / "mask.png", tmp_path / "out.png")
    outcome = fill_file(task, FillSettings(), Greedy())  # type: ignore[arg-type]
    assert outcome.error.startswith(f"{photo}: there is not enough memory (")


def pictures(folder: Path, count: int) -> list[Path]:
    """Photos 0.png and so on in photos/, and mask.png for all of them."""
    random = np.random.default_rng(0)
    mask = np.zeros((200, 300), np.uint8)
    mask[60:100, 100:160] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    (folder / "photos").mkdir()
    paths = [folder / "photos" / f"{number}.png" for number in range(count)]
    for path in paths:
        Image.fromarray(random.integers(0, 200, (200, 300, 3), np.uint8)).save(path)
    return paths


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not come"
        time.sleep(0.02)


def test_the_backlog_keeps_costs_within_the_room() -> None:
    """Small tasks overtake a large one, which at last runs alone."""
    costs = {"a": 3, "b": 9, "c": 2, "d": 4, "e": 1}
    backlog = workers.Backlog(list(costs), costs.__getitem__, room=5)
    assert backlog.take() == ["a"]
    assert backlog.take() == ["c"]
    assert backlog.take() == []
    backlog.finish("a")
    assert backlog.take() == ["e"]
    assert backlog.take() == []
    backlog.finish("c")
    assert backlog.take() == ["d"]
    backlog.finish("d")
    assert backlog.take() == []
    backlog.finish("e")
    assert backlog.take() == ["b"]
    assert not backlog


def test_workers_share_out_a_backlog_that_lets_one_run_at_a_time() -> None:
    tasks = [1, 2, 6, 7, 8]
    backlog = workers.Backlog(tasks, lambda task: 2.0, room=3)
    found = list(workers.share_out(begin, [], tasks, 3, backlog))
    assert found == [(task, 10 * task) for task in tasks]
