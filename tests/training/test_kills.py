"""Training that is killed goes on to the same bytes: a few kills of the benchmark's sixty."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "trust" / "kill_train.py"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_killed_runs_end_with_the_same_bytes() -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "--kills", "2"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == 2
