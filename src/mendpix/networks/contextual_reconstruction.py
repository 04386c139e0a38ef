"""Contextual reconstruction (CR-Fill): rebuild a map from patches of its known region.

Patch attention: feature patches (4x4, stride 2) are keys and queries, the pixel patches under
them (16x16, stride 8 at CR-Fill's ratio of 4) are values, weighted by a softmax over the keys.
Zeng et al. 2021, https://arxiv.org/abs/2011.12836, as their released code does it.

Patches overlap by half, so a patch is four blocks of a grid (2x2 places each), and the product of
two patches is the sum of four products of blocks. Each product of blocks is computed once and the
four are added; pasting works the same way in reverse. This takes 3.75 times fewer multiplications
than products of patches and gives the same numbers. Queries are processed in tiles, and again in
the backward pass, so memory grows with the number of places, not with its square.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from mendpix.networks.patch_attention import (
    BLOCK,
    ContextualOptions,
    PatchCopy,
    PatchGrid,
    QueryTile,
    compute_attention,
    compute_logits,
)

__all__ = [
    "AS_SHIPPED",
    "CLEAN",
    "ContextualOptions",
    "attention_weights",
    "count_overlaps",
    "reconstruct",
]

AS_SHIPPED = ContextualOptions()
CLEAN = ContextualOptions(similarity="cosine", masking="exclude", overlap="mean")


def reconstruct(
    features: Tensor,
    hole: Tensor | None,
    values: Tensor,
    options: ContextualOptions = AS_SHIPPED,
) -> Tensor:
    """Rebuild every patch of ``values`` from known patches with similar features.

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
    rows = _cut_rows(values, side)
    with torch.autocast(values.device.type, enabled=False):
        grid = _build_grid(features, hole, options)
        pasted: Tensor = PatchCopy.apply(*grid, rows, options)  # type: ignore[no-untyped-call]
    if options.overlap == "mean":
        pasted = pasted / count_overlaps(pasted.shape[1], pasted.shape[2], like=pasted)[..., None]
    n, down, across, _ = pasted.shape
    cells = pasted.reshape(n, down, across, -1, side, side).permute(0, 3, 1, 4, 2, 5)
    output = cells.reshape(n, -1, down * side, across * side)
    extra = (0, values.shape[-1] - output.shape[-1], 0, values.shape[-2] - output.shape[-2])
    return F.pad(output, extra) if any(extra) else output


def attention_weights(
    features: Tensor, hole: Tensor | None, options: ContextualOptions = AS_SHIPPED
) -> Tensor:
    """All softmax weights, for inspection: ``(N, L queries, L keys)``, each row sums to 1."""
    with torch.autocast(features.device.type, enabled=False):
        grid = _build_grid(features, hole, options)
        down, across = grid.known.shape[1:]
        whole = QueryTile(0, down, 0, across)
        return compute_attention(*compute_logits(grid, whole, options), options)


def count_overlaps(down: int, across: int, like: Tensor) -> Tensor:
    """Count the patches that cover each block: 1 in the corners, 2 on the edges, 4 inside."""
    counts = [like.new_full((length,), 2) for length in (down, across)]
    for count in counts:
        count[0] = count[-1] = 1
    return counts[0][:, None] * counts[1]


def _build_grid(features: Tensor, hole: Tensor | None, options: ContextualOptions) -> PatchGrid:
    """Keys, queries and their scales, in float32 at least: the softmax amplifies rounding."""
    features = features if features.dtype == torch.float64 else features.float()
    known = _known_share(features, hole)
    if options.similarity == "cosine":
        blocks = _cut_blocks(features)
        scale = _inverse_patch_norms(blocks)
        return PatchGrid(blocks, blocks, scale, scale, known)
    if options.similarity == "patch":
        patches = F.unfold(features, 2 * BLOCK, stride=BLOCK)
        n, depth, _ = patches.shape
        channels = patches.reshape(n, -1, (2 * BLOCK) ** 2, patches.shape[2])
        norms = (channels.square().sum(dim=2, keepdim=True) + 1e-8).sqrt()
        shape = (n, depth, *known.shape[1:])
        keys, queries = (channels / norms).reshape(shape), patches.reshape(shape)
        return PatchGrid(keys, queries, None, None, known)
    # The released code: each channel over its norm on the whole map, and in the keys alone.
    norm = (features.square().sum(dim=(2, 3), keepdim=True) + 1e-8).sqrt()
    return PatchGrid(_cut_blocks(features / norm), _cut_blocks(features), None, None, known)


def _cut_blocks(x: Tensor) -> Tensor:
    """``(N, C, h, w) -> (N, 4 C, h / 2, w / 2)``; an odd last row or column is cut off."""
    height, width = (length // BLOCK * BLOCK for length in x.shape[2:])
    return F.pixel_unshuffle(x[..., :height, :width], BLOCK)


def _cut_rows(values: Tensor, side: int) -> Tensor:
    """``(N, D, H, W) -> (N, hb, wb, D side side)``, blocks of ``side`` pixels, each in a row."""
    n, depth, height, width = values.shape
    down, across = height // side, width // side
    cut = values[..., : down * side, : across * side]
    cells = cut.reshape(n, depth, down, side, across, side)
    return cells.permute(0, 2, 4, 1, 3, 5).reshape(n, down, across, -1)


def _inverse_patch_norms(blocks: Tensor) -> Tensor:
    """One over the norm of each patch, ``(N, hb - 1, wb - 1)``; 1e-8 keeps it finite."""
    power = blocks.square().sum(dim=1)
    patches = power[:, :-1] + power[:, 1:]
    patches = patches[..., :-1] + patches[..., 1:]
    return (patches + 1e-8).rsqrt()


@torch.no_grad()
def _known_share(features: Tensor, hole: Tensor | None) -> Tensor:
    """The known share of each patch, ``(N, hb - 1, wb - 1)``."""
    if hole is None:
        return features.new_ones(features.shape[0], *(n // BLOCK - 1 for n in features.shape[2:]))
    ratio = hole.shape[-1] // features.shape[-1]
    valid = 1 - F.avg_pool2d(hole.to(features.dtype), ratio)
    return F.avg_pool2d(valid, 2 * BLOCK, BLOCK).squeeze(1)
