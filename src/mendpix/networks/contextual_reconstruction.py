"""Rebuild a map from patches of its known region, by how alike features are (CR-Fill).

Zeng et al. 2021, https://arxiv.org/abs/2011.12836: the contextual reconstruction branch. Patches
of features (4x4, every 2 places) are compared; the patches of the values under them (16x16, every
8 pixels at CR-Fill's ratio of 4) are copied, weighted by a softmax over the comparisons.

A patch overlaps its neighbours by half, so it is four blocks of a grid (2x2 places each), and the
product of two patches is the sum of four products of blocks. All products are taken of blocks,
each once, and the four are added up; copying goes the same way back. This takes 3.75 times fewer
multiplications than patches do and gives the same numbers. Queries are taken some at a time, and
once more in the backward pass, so memory grows with the number of places, not with its square.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from mendpix.networks.patch_attention import (
    BLOCK,
    ContextualOptions,
    Copy,
    Grid,
    Tile,
    logits,
    shares,
)

__all__ = ["AS_SHIPPED", "CLEAN", "ContextualOptions", "overlaps", "reconstruct", "weights"]

AS_SHIPPED = ContextualOptions()
CLEAN = ContextualOptions(similarity="cosine", masking="exclude", overlap="mean")


def reconstruct(
    features: Tensor,
    hole: Tensor | None,
    values: Tensor,
    options: ContextualOptions = AS_SHIPPED,
) -> Tensor:
    """Every patch of ``values`` rebuilt from the known ones that its features resemble.

    Differentiable once, in features and values.

    Args:
        hole: None compares everything with everything.

    Shape:
        features: ``(N, C, h, w)``, h and w at least 4.
        hole: ``(N, 1, r h, r w)``, 1 = missing.
        values: ``(N, D, r h, r w)``, any numbers, r a whole number (4 in CR-Fill).
        returns: like ``values``; 0 in the last row and column of blocks where h or w is odd.
    """
    side = values.shape[-1] // features.shape[-1] * BLOCK
    rows = _rows(values, side)
    with torch.autocast(values.device.type, enabled=False):
        grid = _grid(features, hole, options)
        copied: Tensor = Copy.apply(*grid, rows, options)  # type: ignore[no-untyped-call]
    if options.overlap == "mean":
        copied = copied / overlaps(copied.shape[1], copied.shape[2], like=copied)[..., None]
    n, down, across, _ = copied.shape
    cells = copied.reshape(n, down, across, -1, side, side).permute(0, 3, 1, 4, 2, 5)
    whole = cells.reshape(n, -1, down * side, across * side)
    extra = (0, values.shape[-1] - whole.shape[-1], 0, values.shape[-2] - whole.shape[-2])
    return F.pad(whole, extra) if any(extra) else whole


def weights(
    features: Tensor, hole: Tensor | None, options: ContextualOptions = AS_SHIPPED
) -> Tensor:
    """All softmax weights at once, to look at: ``(N, L queries, L keys)``, each row adds to 1."""
    with torch.autocast(features.device.type, enabled=False):
        grid = _grid(features, hole, options)
        down, across = grid.known.shape[1:]
        return shares(*logits(grid, Tile(0, down, 0, across), options), options)


def overlaps(down: int, across: int, like: Tensor) -> Tensor:
    """How many patches cover each block of a grid: 1 in the corners, 2 on the edges, 4 inside."""
    counts = [like.new_full((length,), 2) for length in (down, across)]
    for count in counts:
        count[0] = count[-1] = 1
    return counts[0][:, None] * counts[1]


def _grid(features: Tensor, hole: Tensor | None, options: ContextualOptions) -> Grid:
    """In float32 at least: the softmax turns small differences of products into large ones."""
    wide = features if features.dtype == torch.float64 else features.float()
    known = _known(wide, hole)
    if options.similarity == "cosine":
        blocks = _blocks(wide)
        scale = _patch_norms(blocks)
        return Grid(blocks, blocks, scale, scale, known)
    norm = (wide.square().sum(dim=(2, 3), keepdim=True) + 1e-8).sqrt()
    return Grid(_blocks(wide / norm), _blocks(wide), None, None, known)


def _blocks(x: Tensor) -> Tensor:
    """``(N, C, h, w) -> (N, 4 C, h / 2, w / 2)``; what fills no block is cut off."""
    height, width = (length // BLOCK * BLOCK for length in x.shape[2:])
    return F.pixel_unshuffle(x[..., :height, :width], BLOCK)


def _rows(values: Tensor, side: int) -> Tensor:
    """``(N, D, H, W) -> (N, hb, wb, D side side)``, blocks of ``side`` pixels, each in a row."""
    n, depth, height, width = values.shape
    down, across = height // side, width // side
    cut = values[..., : down * side, : across * side]
    cells = cut.reshape(n, depth, down, side, across, side)
    return cells.permute(0, 2, 4, 1, 3, 5).reshape(n, down, across, -1)


def _patch_norms(blocks: Tensor) -> Tensor:
    """One over the length of each patch, ``(N, hb - 1, wb - 1)``; of nothing, a large number."""
    power = blocks.square().sum(dim=1)
    patches = power[:, :-1] + power[:, 1:]
    patches = patches[..., :-1] + patches[..., 1:]
    return (patches + 1e-8).rsqrt()


@torch.no_grad()
def _known(features: Tensor, hole: Tensor | None) -> Tensor:
    """The known share of every patch, ``(N, hb - 1, wb - 1)``."""
    if hole is None:
        return features.new_ones(features.shape[0], *(n // BLOCK - 1 for n in features.shape[2:]))
    ratio = hole.shape[-1] // features.shape[-1]
    valid = 1 - F.avg_pool2d(hole.to(features.dtype), ratio)
    return F.avg_pool2d(valid, 2 * BLOCK, BLOCK).squeeze(1)
