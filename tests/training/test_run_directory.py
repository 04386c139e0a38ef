"""Run folders: one process at a time, free where no state was saved, whole after any kill."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from training_inputs import draw_pictures, refinement_recipe

from mendpix.errors import TrainingError
from mendpix.training import checkpoint, train
from mendpix.training.run_directory import RunDirectory

HOLD = """
import sys, time
from pathlib import Path
from mendpix.training.run_directory import RunDirectory
with RunDirectory(Path(sys.argv[1])).lock():
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_folder_is_locked_until_its_process_is_dead(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    words = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(TrainingError, match="in use by another process"), directory.lock():
            pass
        os.kill(holder.pid, signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
        holder.wait(timeout=30)
    with directory.lock():
        (tmp_path / "run" / "recipe.toml").touch()
    with directory.lock():
        pass


def test_a_lock_leaves_no_folder_in_which_nothing_was_written(tmp_path: Path) -> None:
    with pytest.raises(KeyError), RunDirectory(tmp_path / "run").lock():
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_only_a_state_beyond_the_first_step_is_a_run(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    directory.check_unused()
    directory.create(refinement_recipe())
    directory.log({"step": 1})
    (directory.path / "best.safetensors").touch()
    directory.check_unused()
    checkpoint.save(directory.state, {"step": 0})
    directory.check_unused()
    directory.create(refinement_recipe())
    assert not directory.log_file.exists() and not (directory.path / "best.safetensors").exists()
    checkpoint.save(directory.state, {"step": 1})
    with pytest.raises(TrainingError, match="holds a run already"):
        directory.check_unused()


def test_weights_without_a_state_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "last.safetensors").touch()
    with pytest.raises(TrainingError, match="the weights of a run without its state"):
        RunDirectory(tmp_path).check_unused()


def test_resuming_writes_the_last_weights_that_a_kill_had_kept_back(tmp_path: Path) -> None:
    draw_pictures(tmp_path / "photos", 6)
    recipe = refinement_recipe(steps=2, save_every=1, validate_count=2)
    run = train(tmp_path / "photos", tmp_path / "run", recipe, accelerator="cpu").folder
    last = run / "last.safetensors"
    whole = last.read_bytes()
    for older in (None, "best"):
        last.unlink()
        if older:
            half = refinement_recipe(steps=1, save_every=1, validate_count=2)
            other = train(tmp_path / "photos", tmp_path / "half", half, accelerator="cpu").folder
            last.write_bytes((other / "last.safetensors").read_bytes())
        train(tmp_path / "photos", run, recipe, resume=True, accelerator="cpu")
        assert last.read_bytes() == whole
