"""Paint one picture in the style of another: Gatys et al. 2016, with mendpix.losses alone.

python examples/style_transfer.py CONTENT STYLE OUT
"""

import sys

import cv2
import torch
from torch import Tensor

from mendpix.losses import Content, Style

SIZE, STEPS, STYLE_WEIGHT = (256, 192), 40, 1000.0


def read(path: str) -> Tensor:
    pixels = cv2.cvtColor(cv2.resize(cv2.imread(path), SIZE, None, 0, 0, 3), cv2.COLOR_BGR2RGB)
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous() / 255


def paint(content: Tensor, style: Tensor, steps: int = STEPS) -> Tensor:
    """The content's picture with the style's textures; all ``(1, 3, H, W)`` in [0, 1]."""
    everywhere = torch.ones_like(content[:, :1])
    keeps, resembles = Content(pooling="average"), Style(pooling="average")
    painting = content.clone().requires_grad_()
    optimiser = torch.optim.Adam([painting], lr=0.03)
    for _ in range(steps):
        optimiser.zero_grad()
        loss = keeps(painting, content, everywhere)
        loss = loss + STYLE_WEIGHT * resembles(painting, style, everywhere)
        loss.backward()
        optimiser.step()
    return painting.detach().clamp(0, 1)


if __name__ == "__main__":
    painted = paint(read(sys.argv[1]), read(sys.argv[2]))[0].permute(1, 2, 0).numpy()
    pixels = cv2.cvtColor((painted * 255).round().astype("uint8"), cv2.COLOR_RGB2BGR)
    cv2.imwrite(sys.argv[3], pixels)
