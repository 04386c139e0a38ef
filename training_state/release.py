"""Turn a run into the bundled files: the averaged weights in half precision, and their ONNX twin.

    python training_state/release.py RUN PHOTOS --hours 2.3

PHOTOS is the folder that the run read: every picture on the card is named with its source, its
licence, its attribution and its hash.
"""

import argparse
import copy
from pathlib import Path

from mendpix import exporting
from mendpix.networks import weights
from mendpix.training.accounts import accounted

BUNDLED = Path(__file__).parent.parent / "src" / "mendpix" / "bundled"

LOSS_NETWORKS = {
    "vgg16": "torchvision's VGG-16, trained on ImageNet-1k (ILSVRC 2012)",
    "lpips heads": "LPIPS v0.1 for VGG-16, trained on the judgements of BAPPS",
}


def release(run: Path, photos: Path, hours: float, out: Path = BUNDLED) -> None:
    """Write ``mender.safetensors`` and ``mender.onnx`` from a run's last weights."""
    network, card = weights.load(run / "last.safetensors")
    card["data"] = {**card["data"], **accounted(photos, sorted(card["data"]["files"]))}
    card |= {"name": "mender", "hours": hours, "loss_networks": LOSS_NETWORKS}
    halved = copy.deepcopy(network).half()
    out.mkdir(exist_ok=True)
    weights.save(out / "mender.safetensors", halved, card)
    found = exporting.export(out / "mender.safetensors", out / "mender.onnx", half=True)
    print(found)


def main() -> None:
    """Read the command line."""
    reader = argparse.ArgumentParser(description="Turn a run into the bundled files.")
    reader.add_argument("run", type=Path)
    reader.add_argument("photos", type=Path)
    reader.add_argument("--hours", type=float, required=True)
    said = reader.parse_args()
    release(said.run, said.photos, said.hours)


if __name__ == "__main__":
    main()
