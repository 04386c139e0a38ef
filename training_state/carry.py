"""Carry a training's state in files small enough for this repository, and back into a run.

    python training_state/carry.py pack RUN          # writes the files beside this script
    python training_state/carry.py unpack RUN        # makes a run folder to go on from
    mendpix train PHOTOS --out RUN --resume

Weights, discriminators' too, are kept in float32, Adam's averages in bfloat16; the averaged
weights are those of the released file, in half precision. So a run goes on where it stood, but
not bit for bit. Of a run that has ended only the weights are kept: its rate has fallen to what
nothing more can be learned at, and Adam's averages are half of all.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from mendpix import tensorfile
from mendpix.training import state as states
from mendpix.training.recipe import Recipe

HERE = Path(__file__).parent
PART = 14_000_000
"""Bytes of tensors in a file."""
TENSORS = ("network", "objective", "optimisers", "average", "random")


def pack(run: Path, folder: Path = HERE) -> None:
    """Write a run's state as ``state.json`` and ``part-N.safetensors`` into a folder."""
    saved = states.load(run / "state")
    tensors: dict[str, Tensor] = {f"network.{k}": v for k, v in saved["network"].items()}
    tensors |= {f"objective.{k}": v for k, v in saved["objective"].items()}
    ended = saved["step"] >= Recipe.model_validate(saved["recipe"]).total
    for number, optimiser in enumerate([] if ended else saved["optimisers"]):
        for index, averages in optimiser["state"].items():
            for name, value in averages.items():
                kept = value if name == "step" else value.bfloat16()
                tensors[f"optimisers.{number}.{index}.{name}"] = kept
    for process, random in enumerate(saved["random"]):
        tensors |= {f"random.{process}.{name}": value for name, value in random.items()}
    said = {key: value for key, value in saved.items() if key not in TENSORS}
    said["recipe"] = {**said["recipe"], "from_weights": ""}  # the state holds what came of them
    said["groups"] = [optimiser["param_groups"] for optimiser in saved["optimisers"]]
    folder.mkdir(exist_ok=True)
    for old in folder.glob("part-*.safetensors"):
        old.unlink()
    for number, part in enumerate(parts(tensors)):
        tensorfile.write(folder / f"part-{number}.safetensors", part)
    (folder / "state.json").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    lines = (run / "recipe.toml").read_text(encoding="utf-8").splitlines()
    kept = ['from_weights = ""' if line.startswith("from_weights") else line for line in lines]
    (folder / "recipe.toml").write_text("\n".join(kept) + "\n", encoding="utf-8")


def parts(tensors: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    """The tensors, in order, in parts of at most ``PART`` bytes."""
    found: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, value in tensors.items():
        size += value.nbytes
        if size > PART and found[-1]:
            found.append({})
            size = value.nbytes
        found[-1][name] = value.contiguous()
    return found


def unpack(run: Path, averaged: Path | None, folder: Path = HERE) -> None:
    """Make a run folder from the files.

    Args:
        averaged: the released weights; None: the average starts again from the network's own.
    """
    said = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    tensors: dict[str, Tensor] = {}
    for path in sorted(folder.glob("part-*.safetensors")):
        tensors |= load_file(path)
    network = under(tensors, "network.")
    average = network if averaged is None else load_file(averaged)
    saved: dict[str, Any] = {key: value for key, value in said.items() if key != "groups"}
    saved["network"], saved["objective"] = network, under(tensors, "objective.")
    saved["optimisers"] = [
        {"state": moments(tensors, number), "param_groups": groups}
        for number, groups in enumerate(said["groups"])
    ]
    saved["average"] = {"n_averaged": torch.tensor(said["step"])}
    saved["average"] |= {f"module.{k}": average[k].float() for k in network}
    count = 1 + max(int(name.split(".")[1]) for name in tensors if name.startswith("random."))
    saved["random"] = [under(tensors, f"random.{process}.") for process in range(count)]
    run.mkdir(parents=True, exist_ok=True)
    (run / "recipe.toml").write_bytes((folder / "recipe.toml").read_bytes())
    states.save(run / "state", saved)


def under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin so, without that beginning."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def moments(tensors: dict[str, Tensor], number: int) -> dict[int, dict[str, Tensor]]:
    """An optimiser's averages by parameter, in float32."""
    found: dict[int, dict[str, Tensor]] = {}
    for name, value in under(tensors, f"optimisers.{number}.").items():
        index, kind = name.split(".")
        found.setdefault(int(index), {})[kind] = value.float()
    return found


def main() -> None:
    """Read the command line."""
    reader = argparse.ArgumentParser(description="Carry a training's state in small files.")
    reader.add_argument("what", choices=("pack", "unpack"))
    reader.add_argument("run", type=Path)
    said = reader.parse_args()
    if said.what == "pack":
        pack(said.run)
        return
    released = HERE.parent / "src" / "mendpix" / "bundled" / "mender.safetensors"
    unpack(said.run, released if released.is_file() else None)


if __name__ == "__main__":
    main()
