"""Training speed: ours against a straightforward loop, as a ratio in one run.

    python benchmarks/training.py [--size 256] [--batch 2] [--rounds 3] [--photos FOLDER]
                                  [--device cuda] [--precision bf16] [--variants]

The plain side (plain_training.py) is written with plain layers: partial convolutions that count
known entries with a second full convolution and terms that each send their pictures through
VGG-16; for crfill (its last stage) gated convolutions, patches copied as kernels of convolutions,
spectral norm as torch has it, and a loop that predicts once, or anew for each player. Both sides
take steps by turns on the same pictures; medians are compared. Of our side the multiplications are
counted and set against what the device's own matrix product reaches.

--variants also measures our side without channels_last and with torch.compile. With --photos, short
runs of our trainer on these photos tell the share of time that it waits for data, for each cache.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch
from lightning_fabric import Fabric
from torch.utils.flop_counter import FlopCounterMode

import plain_training as plain
from mendpix import training
from mendpix.training.distributed import PRECISIONS
from mendpix.training.objective import weights_at
from mendpix.training.profiling import prepare_profile
from mendpix.training.recipe import Recipe
from mendpix.training.samples import Batch

Step = Callable[[], object]

SETS = {"partial-conv": ("network.options.levels=7",), "crfill": ()}
"""Levels: eight need 256 pixels exactly; seven are measured at every multiple of 128."""

CACHES = ("ram", "disk", "device", "none")


def our_step(recipe: Recipe, fabric: Fabric) -> tuple[Step, Batch]:
    """A step of the trainer's own two-step, and the batch it takes."""
    gan_step, batch = prepare_profile(recipe, recipe.batch, fabric)
    weights = weights_at(recipe, recipe.phase_plan[-1], recipe.total - 1)
    return lambda: gan_step.run([batch], weights), batch


def plain_steps(name: str, batch: Batch) -> dict[str, Step]:
    """The plain loops that a recipe is held against."""
    if name == "partial-conv":
        return {"plain": plain.partial_conv(batch, 7)}
    return {
        "plain": plain.crfill(batch, twice=False),
        "plain, two predictions": plain.crfill(batch, twice=True),
    }


def seconds(step: Step, device: torch.device) -> float:
    """Of one step. On one thread the processor's time: others on the machine are not in it."""
    alone = device.type == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if alone else time.perf_counter
    begun = clock()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - begun


def by_turns(steps: Mapping[str, Step], rounds: int, device: torch.device) -> dict[str, float]:
    """Median seconds of each, taken by turns after a first step of each; memory is printed."""
    for name, step in steps.items():
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        seconds(step, device)  # allocations, first calls, compilation
        if device.type == "cuda":
            print(f"  {name}: {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB at most")
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(rounds):
        for name in list(steps)[:: 1 if turn % 2 else -1]:
            taken[name].append(seconds(steps[name], device))
    return {name: median(times) for name, times in taken.items()}


def report(title: str, base: str, found: Mapping[str, float], batch: int) -> None:
    """Print images a second of each and how many times as fast ``base`` is."""
    print(title)
    for name, taken in found.items():
        beside = "" if name == base else f"   {base} is {taken / found[base]:.2f} times as fast"
        print(f"  {name:24} {batch / taken:8.2f} images/s{beside}", flush=True)


def matmul_rate(device: torch.device, precision: str) -> float:
    """Operations a second of a large matrix product, the best of five."""
    side = 8192 if device.type == "cuda" else 1024
    kind = {"32": torch.float32, "bf16": torch.bfloat16, "16": torch.float16}[precision]
    a, b = torch.randn(2, side, side, device=device, dtype=kind)
    torch.mm(a, b)
    return 2 * side**3 / min(seconds(lambda: torch.mm(a, b), device) for _ in range(5))


def operations(step: Step) -> int:
    """Multiplications and additions of one step's convolutions and matrix products."""
    with FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops())


def variants(recipe: Recipe, fabric: Fabric) -> dict[str, Step]:
    """Our step as the recipe has it, and with one thing changed."""
    changes: dict[str, dict[str, Any]] = {
        "ours": {},
        "without channels_last": {"channels_last": False},
        "with torch.compile": {"compile": True},
    }
    made = {}
    for name, change in changes.items():
        made[name], _ = our_step(recipe.model_copy(update=change), fabric)
    return made


def waiting(recipe: Recipe, photos: Path, device: str) -> None:
    """Print the share of time that short runs wait for data, for each way to keep pictures."""
    for cache in CACHES:
        data = recipe.data.model_copy(update={"cache": cache})
        short = recipe.model_copy(update={"data": data, "log_every": 1})
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            training.train(photos, run, short, accelerator=device)  # type: ignore[arg-type]
            lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
        told = [line for line in lines if "waited" in line][2:]  # the first ones begin cold
        share, rate = (median(line[key] for line in told) for key in ("waited", "rate"))
        print(
            f"  cache {cache:7} waits {100 * share:5.2f} % of the time at "
            f"{rate * recipe.batch:.2f} images/s",
            flush=True,
        )


def measure(name: str, asked: argparse.Namespace, fabric: Fabric) -> None:
    changes = {"batch": asked.batch, "size": asked.size, "precision": asked.precision}
    recipe = training.read_recipe(name, changes, SETS[name])
    device = fabric.device
    ours, batch = our_step(recipe, fabric)
    steps = {"ours": ours, **plain_steps(name, batch)}
    found = by_turns(steps, asked.rounds, device)
    report(name, "ours", found, asked.batch)
    count, rate = operations(ours), matmul_rate(device, asked.precision)
    print(
        f"  {count / asked.batch / 1e9:.0f} G operations an image; ours runs at "
        f"{100 * count / found['ours'] / rate:.0f} % of the matrix product's "
        f"{rate / 1e9:.0f} G operations/s",
        flush=True,
    )
    if asked.variants:
        found = by_turns(variants(recipe, fabric), asked.rounds, device)
        report(f"{name}, variants", "ours", found, asked.batch)
    if asked.photos:
        print(f"{name}, short runs")
        told = {"steps": asked.steps, "phases": recipe.phases[-1:], "validate_count": 1}
        short = recipe.model_copy(update=told)
        waiting(short, asked.photos, asked.device)


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--size", type=int, default=256)
    options.add_argument("--batch", type=int, default=2)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--steps", type=int, default=8, help="of a short run")
    options.add_argument("--photos", type=Path)
    options.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options.add_argument("--precision", choices=("32", "bf16", "16"), default="32")
    options.add_argument("--variants", action="store_true")
    options.add_argument("--only", choices=tuple(SETS))
    asked = options.parse_args()
    precision: Any = PRECISIONS[asked.precision]
    fabric = Fabric(accelerator=asked.device, devices=1, precision=precision)
    where = torch.cuda.get_device_name() if asked.device == "cuda" else "CPU"
    print(
        f"{asked.size}x{asked.size}, batch {asked.batch}, {where}, "
        f"{torch.get_num_threads()} thread(s), precision {asked.precision}"
    )
    for name in [asked.only] if asked.only else SETS:
        measure(name, asked, fabric)


if __name__ == "__main__":
    main()
