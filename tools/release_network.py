"""Turn a run into the bundled files: the averaged weights in half precision, and an ONNX graph.

The ONNX file holds no numbers: it points into the weights file beside it.

    python tools/release_network.py RUN PHOTOS --hours 2.3
    python tools/release_network.py RUN PHOTOS --hours 2.3 --before OLD.safetensors

PHOTOS is the folder that the run read: every picture on the card is named with its source, its
licence, its attribution and its hash. A run that began from released weights names them: their
pictures, stretches and hours are part of the new card.
"""

import argparse
import copy
from pathlib import Path
from typing import Any

from mendpix.inpainting.onnx import export
from mendpix.networks import serialization
from mendpix.training.provenance import describe_pictures
from mendpix.weights import cards

BUNDLED = Path(__file__).parents[1] / "src" / "mendpix" / "weights" / "bundled"

LOSS_NETWORKS = {
    "vgg16": "torchvision's VGG-16, trained on ImageNet-1k (ILSVRC 2012)",
    "lpips heads": "LPIPS v0.1 for VGG-16, trained on the judgements of BAPPS",
}


def release(
    run: Path, photos: Path, hours: float, before: Path | None = None, out: Path = BUNDLED
) -> None:
    """Write ``mender.safetensors`` and ``mender.onnx`` from a run's last weights."""
    network, card = serialization.load(run / "last.safetensors")
    own = {"steps": card["steps"], "hours": hours, "recipe": name_source(card["recipe"])}
    old = {} if before is None else cards.read_card(before)
    files = sorted({*card["data"]["files"], *old.get("data", {}).get("files", {})})
    card["data"] = {**card["data"], **describe_pictures(photos, files)}
    stretches = [*read_history(old), own]
    card |= {
        "name": "mender",
        "steps": sum(stretch["steps"] for stretch in stretches),
        "hours": round(sum(stretch["hours"] for stretch in stretches), 2),
        "recipe": own["recipe"],
        "stretches": stretches,
        "loss_networks": LOSS_NETWORKS,
    }
    halved = copy.deepcopy(network).half()
    out.mkdir(exist_ok=True)
    serialization.save(out / "mender.safetensors", halved, card)
    print(export.export(out / "mender.safetensors", out / "mender.onnx", beside=True))


def read_history(card: dict[str, Any]) -> list[dict[str, Any]]:
    """The stretches of training that a released card tells of."""
    if not card:
        return []
    alone = {key: card[key] for key in ("steps", "hours", "recipe")}
    stretches: list[dict[str, Any]] = card.get("stretches", [alone])
    return stretches


def name_source(recipe: dict[str, Any]) -> dict[str, Any]:
    """The recipe with the file it started from as a name only: folders are nobody's business."""
    return {**recipe, "from_weights": Path(recipe["from_weights"]).name}


def main() -> None:
    """Read the command line."""
    reader = argparse.ArgumentParser(description="Turn a run into the bundled files.")
    reader.add_argument("run", type=Path)
    reader.add_argument("photos", type=Path)
    reader.add_argument("--hours", type=float, required=True, help="of one processor core")
    reader.add_argument("--before", type=Path, help="the released weights that the run began from")
    reader.add_argument("--out", type=Path, default=BUNDLED)
    options = reader.parse_args()
    release(options.run, options.photos, options.hours, options.before, options.out)


if __name__ == "__main__":
    main()
