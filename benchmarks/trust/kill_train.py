"""Kill training at many moments, resume it, and compare every file with those of a whole run.

    python benchmarks/trust/kill_train.py [--kills 60] [--report FOLDER]

A small run is trained once without a stop, on made pictures. Then it is begun again and again in
a process of its own and killed (SIGKILL) in one of four phases: before the first state, between
steps, while a file is being written, and from the last step on. It goes on with `resume`, or
begins anew where no state was saved; weights and sheets must then have the same bytes as those of
the whole run, and no draft may be left. The processes are forked from one that has imported
everything, so that a kill does not mostly meet imports.
"""

import argparse
import hashlib
import importlib
import multiprocessing
import os
import platform
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path

import cv2
import numpy as np

from mendpix import __version__
from mendpix.io.atomic import DRAFTS
from mendpix.training import parse_recipe, train

PHASES = ("while writing", "before the first state", "at the end", "in steps")
STEPS = 12
TABLES = {
    "network": {"name": "partial-unet", "options": {"levels": 3, "width": 8}},
    "losses": {
        "hole": {"kind": "l1", "weight": 6.0, "options": {"region": "hole"}},
        "game": {
            "kind": "adversarial",
            "weight": 0.1,
            "discriminator": {"name": "sn-patchgan", "options": {"width": 4}},
        },
    },
    "holes": [{"kind": "partial-conv"}],
    "size": 32,
    "batch": 2,
    "steps": STEPS,
    "ema": 0.9,
    "log_every": 1,
    "validate_every": 4,
    "validate_count": 2,
    "sheet_every": 6,
    "save_every": 3,
}
PATIENCE = 60.0
"""Seconds after which a run is taken for hung."""


@dataclass(frozen=True)
class Kill:
    """One kill and what became of the run."""

    phase: str
    seconds: float
    way: str
    fault: str


def draw_pictures(folder: Path, count: int = 12) -> None:
    """Smooth random pictures."""
    folder.mkdir()
    for number in range(count):
        coarse = np.random.default_rng(number).integers(0, 256, (5, 6, 3), np.uint8)
        smooth = cv2.resize(coarse, (48, 40), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"p{number:02d}.png"), smooth)


def run(photos: Path, out: Path, resume: bool) -> None:
    """What a process does: train on the CPU."""
    recipe = None if resume else parse_recipe(TABLES)
    train(photos, out, recipe, resume=resume, accelerator="cpu", tensorboard=False)


def start(photos: Path, out: Path, resume: bool = False) -> BaseProcess:
    process = multiprocessing.get_context("fork").Process(target=run, args=(photos, out, resume))
    process.start()
    return process


def run_whole(photos: Path, out: Path, modules: Path) -> None:
    """Train without a stop, and write down what was imported for it."""
    run(photos, out, resume=False)
    modules.write_text("\n".join(sys.modules), encoding="utf-8")


def import_all(names: Sequence[str]) -> None:
    """Import what a run imports, so that processes forked from this one need not."""
    for name in names:
        if name.partition(".")[0] in ("mendpix", "torch", "lightning_fabric", "torchmetrics"):
            importlib.import_module(name)


def finish(process: BaseProcess) -> str:
    """Wait for a process; what is wrong with its end, or nothing."""
    process.join(PATIENCE)
    if process.exitcode is None:
        process.kill()
        process.join()
        return "it hangs"
    return f"exit code {process.exitcode}" if process.exitcode else ""


def digest(out: Path) -> dict[str, str]:
    """The hash of every weights file and sheet of a run."""
    files = [*out.glob("*.safetensors"), *out.glob("sheets/*.png")]
    return {
        str(file.relative_to(out)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(files)
    }


def wait_until(process: BaseProcess, happens: Callable[[], bool]) -> None:
    """Look every half millisecond, until it happens or the process ends."""
    while process.is_alive() and not happens():
        time.sleep(0.0005)


def wait_for_phase(
    process: BaseProcess, out: Path, phase: str, chance: random.Random, length: float
) -> None:
    """Wait until a moment of a phase, at random."""
    state, log = out / "state" / "current.pt", out / "log.jsonl"
    if phase == "before the first state":
        pause = time.monotonic() + chance.uniform(0, length / 4)
        wait_until(process, lambda: state.exists() or time.monotonic() > pause)
    elif phase == "in steps":
        step = f'"step": {chance.randint(2, STEPS - 1)},'
        wait_until(process, lambda: log.exists() and step in log.read_text())
        time.sleep(chance.uniform(0, length / STEPS))
    elif phase == "while writing":
        for _ in range(chance.randint(1, 8)):
            wait_until(process, lambda: not any(out.rglob(DRAFTS)))
            wait_until(process, lambda: any(out.rglob(DRAFTS)))
    else:
        last = f'"step": {STEPS},'
        wait_until(process, lambda: log.exists() and last in log.read_text())
        time.sleep(chance.uniform(0, length / 12))


def kill_once(
    photos: Path, out: Path, phase: str, chance: random.Random, whole: dict[str, str], length: float
) -> Kill | None:
    """Begin a run, kill it, go on with it, and compare; None where it ended before the kill."""
    begun = time.monotonic()
    process = start(photos, out)
    wait_for_phase(process, out, phase, chance, length)
    process.kill()
    process.join()
    if process.exitcode != -signal.SIGKILL:
        return None
    seconds = time.monotonic() - begun
    has_state = any((out / "state" / name).exists() for name in ("current.pt", "previous.pt"))
    way = "resumed" if has_state else "begun anew"
    fault = finish(start(photos, out, resume=has_state))
    if not fault and digest(out) != whole:
        fault = "other bytes"
    if not fault and any(out.rglob(DRAFTS)):
        fault = "a draft is left"
    return Kill(phase, seconds, way, fault)


def run_kills(folder: Path, count: int, seed: int = 0) -> list[Kill]:
    """Kill so many runs, the phases in turn.

    Raises:
        RuntimeError: the run without a stop fails.
    """
    photos, chance = folder / "photos", random.Random(seed)
    draw_pictures(photos)
    words = (photos, folder / "whole", folder / "modules.txt")
    process = multiprocessing.get_context("fork").Process(target=run_whole, args=words)
    process.start()
    if fault := finish(process):
        raise RuntimeError(f"the run without a stop: {fault}")
    import_all((folder / "modules.txt").read_text(encoding="utf-8").split())
    begun = time.monotonic()
    finish(start(photos, folder / "second"))
    length = time.monotonic() - begun
    whole, kills = digest(folder / "whole"), []
    for tries in range(4 * count):  # some runs end before their kill
        if len(kills) == count:
            break
        phase = PHASES[len(kills) % len(PHASES)]
        kill = kill_once(photos, folder / f"run{tries}", phase, chance, whole, length)
        if kill is not None:
            kills.append(kill)
            print(
                f"{len(kills)}: {kill.phase}, {kill.seconds:.2f} s, {kill.way} {kill.fault}",
                flush=True,
            )
    return kills


def write_report(folder: Path, kills: Sequence[Kill]) -> None:
    """A dated page: how many kills in each phase, and what became of them."""
    today = datetime.now(UTC).date().isoformat()
    rows = Counter((kill.phase, kill.way, kill.fault or "same bytes") for kill in kills)
    lines = [
        f"# Training killed {len(kills)} times, {today}",
        "",
        f"`benchmarks/trust/kill_train.py --kills {len(kills)}`, mendpix {__version__}, "
        f"{platform.system()}, Python {platform.python_version()}, one core: a partial-convolution "
        f"U-Net with a discriminator and averaged weights, {STEPS} steps, a state every 3. "
        "Compared with a run without a stop: every weights file and sheet, byte for byte.",
        "",
        "| killed | then | result | runs |",
        "|---|---|---|---|",
    ]
    lines += [f"| {phase} | {way} | {end} | {n} |" for (phase, way, end), n in sorted(rows.items())]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{today}-kill-train.md").write_text("\n".join([*lines, ""]), encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--report", type=Path)
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as folder:
        kills = run_kills(Path(folder), arguments.kills)
    if arguments.report is not None:
        write_report(arguments.report, kills)
    return int(any(kill.fault for kill in kills))


if __name__ == "__main__":
    sys.exit(main())
