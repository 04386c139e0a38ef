"""Rebuild a map from patches of its known region, by how alike features are (CR-Fill).

Zeng et al. 2021, https://arxiv.org/abs/2011.12836: the contextual reconstruction branch. Patches
of features (4x4, every 2 places) are compared; the patches of the values under them (16x16, every
8 pixels at CR-Fill's ratio of 4) are copied, weighted by a softmax over the comparisons.

A patch overlaps its neighbours by half, so it is four blocks of a grid (2x2 places each), and the
product of two patches is the sum of four products of blocks. All products are taken of blocks,
each once, and the four are added up; copying goes the same way back. This takes 3.75 times fewer
multiplications than patches do and gives the same numbers. Queries are taken some at a time, and
again in the backward pass, so memory grows with the number of places, not with its square.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

BLOCK = 2  # places of the feature map on a block's side; a patch is 2x2 blocks


@dataclass(frozen=True, slots=True)
class ContextualOptions:
    """How patches are compared and copied. The defaults are the released code's behaviour.

    Attributes:
        similarity: ``"map"``: keys divided, channel by channel, by the channel's norm over the
            whole map, queries as they are. ``"cosine"``: of whole patches.
        masking: what becomes of forbidden pairs: ``"zero"`` sets their logit to 0, so that they
            keep a small weight; ``"exclude"`` gives them none.
        overlap: where pasted patches overlap, ``"sum"`` or ``"mean"`` of them.
        threshold: if set, a key is allowed where more than this share of it is known. None: where
            it is whole, or better known than a query of which more than half is known.
        sharpness: what similarities are multiplied by before the softmax.
        hard: copy the best key alone; no gradient reaches the features.
        tile: queries taken at a time.
    """

    similarity: Literal["map", "cosine"] = "map"
    masking: Literal["zero", "exclude"] = "zero"
    overlap: Literal["sum", "mean"] = "sum"
    threshold: float | None = None
    sharpness: float = 10.0
    hard: bool = False
    tile: int = 512


AS_SHIPPED = ContextualOptions()
CLEAN = ContextualOptions(similarity="cosine", masking="exclude", overlap="mean")


class Tile(NamedTuple):
    """Queries ``top..bottom`` by ``left..right`` of the patch grid, ends not included."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def blocks(self) -> tuple[slice, slice]:
        """The blocks its patches are made of: one row and one column more."""
        return slice(self.top, self.bottom + 1), slice(self.left, self.right + 1)


class Grid(NamedTuple):
    """What all queries share.

    Shape, with B blocks, ``hb x wb``, and L patches, ``hb - 1`` by ``wb - 1``:
        keys, queries: ``(N, c, hb, wb)``, a block's features as channels.
        scale_keys, scale_queries: ``(N, hb - 1, wb - 1)``, what products are multiplied by.
        known: ``(N, hb - 1, wb - 1)``, the known share of each patch.
    """

    keys: Tensor
    queries: Tensor
    scale_keys: Tensor | None
    scale_queries: Tensor | None
    known: Tensor


def reconstruct(
    features: Tensor,
    hole: Tensor | None,
    values: Tensor,
    options: ContextualOptions = AS_SHIPPED,
) -> Tensor:
    """Every patch of ``values`` rebuilt from the known ones that its features resemble.

    Args:
        hole: None compares everything with everything.

    Shape:
        features: ``(N, C, h, w)``, h and w at least 4.
        hole: ``(N, 1, r h, r w)``, 1 = missing.
        values: ``(N, D, r h, r w)``, any numbers, r a whole number (4 in CR-Fill).
        returns: like ``values``; 0 in the last row and column of blocks where h or w is odd.
    """
    grid = _grid(features, hole, options)
    side = values.shape[-1] // features.shape[-1] * BLOCK
    blocks = _blocks(values, side)
    rows = blocks.flatten(2).transpose(1, 2).contiguous()  # (N, B, values of a block)
    out = torch.zeros_like(blocks, memory_format=torch.contiguous_format)
    for tile in _tiles(grid, options.tile):
        down, across = tile.blocks
        pasted: Tensor = _checkpointed(_paste, grid, rows, tile, options)
        out[:, :, down, across] += pasted
    if options.overlap == "mean":
        out = out / overlaps(blocks.shape[2], blocks.shape[3], like=out)
    whole = F.pixel_shuffle(out, side)
    extra = (0, values.shape[-1] - whole.shape[-1], 0, values.shape[-2] - whole.shape[-2])
    return F.pad(whole, extra)


def weights(
    features: Tensor, hole: Tensor | None, options: ContextualOptions = AS_SHIPPED
) -> Tensor:
    """All softmax weights at once, to look at: ``(N, L queries, L keys)``, each row adds to 1."""
    grid = _grid(features, hole, options)
    down, across = grid.known.shape[1:]
    return _weights(grid, Tile(0, down, 0, across), options)


def overlaps(down: int, across: int, like: Tensor) -> Tensor:
    """How many patches cover each block of a grid: 1 in the corners, 2 on the edges, 4 inside."""
    counts = [like.new_full((length,), 2) for length in (down, across)]
    for count in counts:
        count[0] = count[-1] = 1
    return counts[0][:, None] * counts[1]


def _checkpointed(function: Any, *args: Any) -> Any:
    if not torch.is_grad_enabled():
        return function(*args)
    return checkpoint(function, *args, use_reentrant=False, preserve_rng_state=False)


def _grid(features: Tensor, hole: Tensor | None, options: ContextualOptions) -> Grid:
    """In float32 at least: the softmax turns small differences of products into large ones."""
    with torch.autocast(features.device.type, enabled=False):
        wide = features if features.dtype == torch.float64 else features.float()
        known = _known(wide, hole)
        if options.similarity == "cosine":
            blocks = _blocks(wide, BLOCK)
            scale = _patch_norms(blocks)
            return Grid(blocks, blocks, scale, scale, known)
        norm = (wide.square().sum(dim=(2, 3), keepdim=True) + 1e-8).sqrt()
        return Grid(_blocks(wide / norm, BLOCK), _blocks(wide, BLOCK), None, None, known)


def _blocks(x: Tensor, side: int) -> Tensor:
    """``(N, C, H, W) -> (N, C side side, H / side, W / side)``; what fills no block is cut off."""
    height, width = (length // side * side for length in x.shape[2:])
    return F.pixel_unshuffle(x[..., :height, :width], side)


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


def _tiles(grid: Grid, queries: int) -> Iterator[Tile]:
    """Whole rows of queries, some at a time; where one row is too long, pieces of rows."""
    down, across = grid.known.shape[1:]
    wide = min(across, max(1, queries))
    high = max(1, queries // wide)
    for top in range(0, down, high):
        for left in range(0, across, wide):
            yield Tile(top, min(top + high, down), left, min(left + wide, across))


def _paste(grid: Grid, rows: Tensor, tile: Tile, options: ContextualOptions) -> Tensor:
    """What a tile's queries copy, added up where they overlap: ``(N, block, rows, columns)``."""
    n, *keys = grid.known.shape
    high, wide = tile.bottom - tile.top, tile.right - tile.left
    share = _weights(grid, tile, options).reshape(n, high, wide, *keys)
    spread = _spread(share).flatten(3).flatten(1, 2)  # (N, blocks of the tile, B)
    pasted = torch.bmm(spread.to(rows.dtype), rows)
    return pasted.transpose(1, 2).reshape(n, -1, high + 1, wide + 1)


def _weights(grid: Grid, tile: Tile, options: ContextualOptions) -> Tensor:
    """Softmax over keys for a tile's queries: ``(N, queries, L)``."""
    with torch.autocast(grid.keys.device.type, enabled=False):
        logits = _similarities(grid, tile) * options.sharpness
        allowed = _allowed(grid.known, tile, options)
        if options.masking == "zero":
            logits = logits * allowed
        else:
            logits = logits.masked_fill(~allowed, -torch.inf)
        if options.hard:
            return F.one_hot(logits.argmax(dim=2), logits.shape[2]).to(logits.dtype)
        return logits.softmax(dim=2)


def _similarities(grid: Grid, tile: Tile) -> Tensor:
    """Products of a tile's query patches with all key patches: ``(N, queries, L)``."""
    queries = grid.queries[:, :, *tile.blocks]
    products = torch.bmm(queries.flatten(2).transpose(1, 2), grid.keys.flatten(2))
    n, _, high, wide = queries.shape
    pairs = products.reshape(n, high, wide, *grid.keys.shape[2:])
    patches = _gather(pairs).flatten(3).flatten(1, 2)
    if grid.scale_keys is not None and grid.scale_queries is not None:
        mine = grid.scale_queries[:, tile.top : tile.bottom, tile.left : tile.right]
        patches = patches * mine.flatten(1)[:, :, None] * grid.scale_keys.flatten(1)[:, None]
    return patches


@torch.no_grad()
def _allowed(known: Tensor, tile: Tile, options: ContextualOptions) -> Tensor:
    """Which keys a tile's queries may copy: ``(N, queries, L)`` bool."""
    keys = known.flatten(1)[:, None]
    mine = known[:, tile.top : tile.bottom, tile.left : tile.right].flatten(1)[:, :, None]
    whole = keys == 1
    if options.masking == "exclude":  # so that every query is left some key, even in a photo
        whole = keys == keys.amax(dim=2, keepdim=True)  # that holds no whole patch
    if options.threshold is not None:
        allowed = keys > options.threshold
        return (allowed | whole if options.masking == "exclude" else allowed).expand(
            -1, mine.shape[1], -1
        )
    return ((keys > mine) & (mine > 0.5)) | whole


def _gathered(blocks: Tensor) -> Tensor:
    """Patch pair (p, n) = the sum of block pairs (p + d, n + d) over the four offsets d.

    Shape: ``(N, qh + 1, qw + 1, kh + 1, kw + 1) -> (N, qh, qw, kh, kw)``.
    """
    out = blocks[:, :-1, :-1, :-1, :-1] + blocks[:, :-1, 1:, :-1, 1:]
    out += blocks[:, 1:, :-1, 1:, :-1]
    out += blocks[:, 1:, 1:, 1:, 1:]
    return out


def _scattered(patches: Tensor) -> Tensor:
    """The transpose of :func:`_gathered`: each patch pair is added to its four block pairs."""
    n, *sizes = patches.shape
    out = patches.new_zeros(n, *(size + 1 for size in sizes))
    out[:, :-1, :-1, :-1, :-1] = patches
    out[:, :-1, 1:, :-1, 1:] += patches
    out[:, 1:, :-1, 1:, :-1] += patches
    out[:, 1:, 1:, 1:, 1:] += patches
    return out


class _Gather(torch.autograd.Function):
    """:func:`_gathered`; autograd's own way back would fill four maps with zeros."""

    @staticmethod
    def forward(ctx: Any, blocks: Tensor) -> Tensor:
        return _gathered(blocks)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return _spread(grad)


class _Spread(torch.autograd.Function):
    """:func:`_scattered`, whose way back is :class:`_Gather`."""

    @staticmethod
    def forward(ctx: Any, patches: Tensor) -> Tensor:
        return _scattered(patches)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return _gather(grad)


def _gather(blocks: Tensor) -> Tensor:
    patches: Tensor = _Gather.apply(blocks)  # type: ignore[no-untyped-call]
    return patches


def _spread(patches: Tensor) -> Tensor:
    blocks: Tensor = _Spread.apply(patches)  # type: ignore[no-untyped-call]
    return blocks
