"""Draw each network's architecture from the network itself: one bar a convolution, as it ran.

    python tools/draw_architectures.py    # all four, into results/architectures/

A small picture is sent through the real modules; each convolution's output shape is taken down
and drawn: height of a bar is the map's side, its colour the module it belongs to.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn

from mendpix.networks.context_encoder import ContextEncoder
from mendpix.networks.crfill import CRFill
from mendpix.networks.pan import PANInpainting, PANUNet
from mendpix.networks.partial_unet import PartialUNet

FOLDER = Path(__file__).parents[1] / "results" / "architectures"


@dataclass(frozen=True)
class Layer:
    """One convolution as it ran: its stage, channels that leave its block, side and kernel."""

    stage: str
    channels: int
    side: int
    kernel: int


def walk(network: nn.Module, size: int) -> list[Layer]:
    """Every convolution in the order in which it runs on a photo of ``size`` pixels."""
    found: list[Layer] = []
    hooks = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            stage = name.removeprefix("body.").split(".")[0]

            def note(module: nn.Module, given: object, out: object, stage: str = stage) -> None:
                map_ = out if isinstance(out, Tensor) else out[0]  # type: ignore[index]
                kernel = int(module.kernel_size[0])  # type: ignore[index]
                found.append(Layer(stage, map_.shape[1], map_.shape[2], kernel))

            hooks.append(module.register_forward_hook(note))
    for name, block in network.named_modules():  # a partial block calls its convolution's parts
        if type(block).__name__ == "PartialBlock":

            def note_block(
                block: nn.Module, given: object, out: tuple[Tensor, Tensor], stage: str = name
            ) -> None:
                kernel = int(block.conv.kernel_size[0])  # type: ignore[union-attr, index]
                found.append(Layer(stage.split(".")[0], out[0].shape[1], out[0].shape[2], kernel))

            hooks.append(block.register_forward_hook(note_block))
    hole = torch.zeros(2, 1, size, size)
    hole[..., size // 4 : -size // 4, size // 4 : -size // 4] = 1
    with torch.no_grad():
        network(torch.rand(2, 3, size, size), hole)
    for hook in hooks:
        hook.remove()
    return found


def draw(layers: list[Layer], title: str, path: Path) -> None:
    """Bars side by side, one a layer, labelled with channels and kernel."""
    stages = list(dict.fromkeys(layer.stage for layer in layers))
    colours = {stage: plt.get_cmap("tab10")(index % 10) for index, stage in enumerate(stages)}
    figure, axes = plt.subplots(figsize=(max(6.0, 0.26 * len(layers)), 3.2))
    for place, layer in enumerate(layers):
        height = layer.side**0.5
        axes.bar(place, height, width=0.8, bottom=-height / 2, color=colours[layer.stage])
        text = f"{layer.channels}, k{layer.kernel}"
        axes.text(place, height / 2 + 0.3, text, rotation=90, ha="center", va="bottom", fontsize=6)
        axes.text(place, -height / 2 - 0.3, layer.side, ha="center", va="top", fontsize=5)
    handles = [plt.Rectangle((0, 0), 1, 1, color=colours[stage]) for stage in stages]
    columns = min(len(stages), 6)
    axes.legend(handles, stages, loc="lower center", ncols=columns, fontsize=7, frameon=False,
                bbox_to_anchor=(0.5, -0.25))  # fmt: skip
    top = max(layer.side for layer in layers) ** 0.5 / 2
    axes.set_ylim(-top - 1.5, top + 5)
    axes.set_axis_off()
    axes.set_title(title, fontsize=9)
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)


FIGURES = {
    "partial-conv": (PartialUNet, 512, "Partial U-Net: channels and kernel above, side below"),
    "crfill": (CRFill, 256, "CR-Fill with its branch: channels convolved and kernel above"),
    "context-encoder": (ContextEncoder, 128, "Context Encoder, centre form"),
    "pan": (PANUNet, 256, "PAN's transformation network"),
    "pan-inpainting": (PANInpainting, 128, "PAN's inpainting network"),
}


def main(names: list[str]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names or list(FIGURES):
        kind, size, title = FIGURES[name]
        draw(walk(kind(), size), f"{title} ({size}x{size})", FOLDER / f"{name}.png")


if __name__ == "__main__":
    main(sys.argv[1:])
