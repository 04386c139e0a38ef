"""What contextual reconstruction multiplies: tiles of queries against all keys, and the way back.

See :mod:`.contextual` for what it is for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

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
    tile: int = 384


class Tile(NamedTuple):
    """Queries ``top..bottom`` by ``left..right`` of the patch grid, ends not included."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def patches(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def blocks(self) -> tuple[slice, slice]:
        """The blocks its patches are made of: one row and one column more."""
        return slice(self.top, self.bottom + 1), slice(self.left, self.right + 1)


class Grid(NamedTuple):
    """Features cut into ``hb x wb`` blocks, and ``hb - 1`` by ``wb - 1`` patches of them.

    Shape:
        keys, queries: ``(N, c, hb, wb)``, a block's features as channels.
        scale_keys, scale_queries: ``(N, hb - 1, wb - 1)``, what products are multiplied by.
        known: ``(N, hb - 1, wb - 1)``, the known share of each patch.
    """

    keys: Tensor
    queries: Tensor
    scale_keys: Tensor | None
    scale_queries: Tensor | None
    known: Tensor


def _tiles(known: Tensor, queries: int) -> Iterator[Tile]:
    """Whole rows of queries, some at a time; where one row is too long, pieces of rows."""
    down, across = known.shape[1:]
    wide = min(across, max(1, queries))
    high = max(1, queries // wide)
    for top in range(0, down, high):
        for left in range(0, across, wide):
            yield Tile(top, min(top + high, down), left, min(left + wide, across))


def logits(grid: Grid, tile: Tile, options: ContextualOptions) -> tuple[Tensor, Tensor]:
    """A tile's similarities and which of them are allowed, both ``(N, queries, L)``."""
    queries = grid.queries[:, :, *tile.blocks].flatten(2)
    similar = _over_patches(torch.bmm(queries.transpose(1, 2), grid.keys.flatten(2)), tile, grid)
    scale = _scale(grid, tile)
    if scale is not None:
        similar = similar * scale[0] * scale[1]
    return similar, _allowed(grid.known, tile, options)


def _scale(grid: Grid, tile: Tile) -> tuple[Tensor, Tensor] | None:
    """The factors of a tile's queries ``(N, queries, 1)`` and of all keys ``(N, 1, L)``."""
    if grid.scale_keys is None or grid.scale_queries is None:
        return None
    mine = grid.scale_queries[:, *tile.patches].flatten(1)[:, :, None]
    return mine, grid.scale_keys.flatten(1)[:, None]


def shares(similar: Tensor, allowed: Tensor, options: ContextualOptions) -> Tensor:
    """Similarities -> weights of the keys for each query."""
    if options.masking == "zero":
        logits = (similar * allowed).mul_(options.sharpness)
    else:
        logits = (similar * options.sharpness).masked_fill(~allowed, -torch.inf)
    if options.hard:
        return F.one_hot(logits.argmax(dim=2), logits.shape[2]).to(similar.dtype)
    return logits.softmax(dim=2)


@torch.no_grad()
def _allowed(known: Tensor, tile: Tile, options: ContextualOptions) -> Tensor:
    """Which keys a tile's queries may copy: ``(N, queries, L)`` bool."""
    keys = known.flatten(1)[:, None]
    mine = known[:, *tile.patches].flatten(1)[:, :, None]
    if options.threshold is not None:
        allowed = (keys > options.threshold).expand(-1, mine.shape[1], -1)
    else:
        allowed = ((keys > mine) & (mine > 0.5)) | (keys == 1)
    if options.masking == "exclude":  # every query is left some key, also where none is whole
        allowed = allowed | (keys == keys.amax(dim=2, keepdim=True))
    return allowed


def _gather(blocks: Tensor) -> Tensor:
    """Patch pair (p, n) = the sum of block pairs (p + d, n + d) over the four offsets d.

    Shape: ``(N, qh + 1, qw + 1, kh + 1, kw + 1) -> (N, qh, qw, kh, kw)``.
    """
    out = blocks[:, :-1, :-1, :-1, :-1] + blocks[:, :-1, 1:, :-1, 1:]
    out += blocks[:, 1:, :-1, 1:, :-1]
    out += blocks[:, 1:, 1:, 1:, 1:]
    return out


def _spread(patches: Tensor) -> Tensor:
    """The transpose of :func:`_gather`: each patch pair is added to its four block pairs."""
    n, *sizes = patches.shape
    out = patches.new_zeros(n, *(size + 1 for size in sizes))
    out[:, :-1, :-1, :-1, :-1] = patches
    out[:, :-1, 1:, :-1, 1:] += patches
    out[:, 1:, :-1, 1:, :-1] += patches
    out[:, 1:, 1:, 1:, 1:] += patches
    return out


class Copy(torch.autograd.Function):
    """Paste, for every query, the keys' values by their weights; overlaps are added.

    Differentiable once. The way back is written out: autograd would keep every weight, or copy
    the whole map for each tile.

    Shape: Grid's, rows ``(N, hb, wb, D)`` -> ``(N, hb, wb, D)``.
    """

    @staticmethod
    def forward(
        ctx: Any,
        keys: Tensor,
        queries: Tensor,
        scale_keys: Tensor | None,
        scale_queries: Tensor | None,
        known: Tensor,
        rows: Tensor,
        options: ContextualOptions,
    ) -> Tensor:
        grid = Grid(keys, queries, scale_keys, scale_queries, known)
        ctx.save_for_backward(*grid, rows)
        ctx.options = options
        out = torch.zeros_like(rows)
        for tile in _tiles(known, options.tile):
            spread = _over_blocks(shares(*logits(grid, tile, options), options), tile, grid)
            place = out[:, *tile.blocks]
            place += torch.bmm(spread.to(rows.dtype), rows.flatten(1, 2)).reshape(place.shape)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        *parts, rows = ctx.saved_tensors
        grid, options = Grid(*parts), ctx.options
        zeros: list[Any] = [None if part is None else torch.zeros_like(part) for part in parts]
        slopes, slope_rows = Grid(*zeros), torch.zeros_like(rows)
        to_features = any(ctx.needs_input_grad[:4]) and not options.hard
        with torch.no_grad(), torch.autocast(grad.device.type, enabled=False):
            for tile in _tiles(grid.known, options.tile):
                similar, allowed = logits(grid, tile, options)
                share = shares(similar, allowed, options)
                pasted = grad[:, *tile.blocks].flatten(1, 2).to(rows.dtype)
                spread = _over_blocks(share, tile, grid).to(rows.dtype).transpose(1, 2)
                slope_rows.flatten(1, 2).baddbmm_(spread, pasted)
                del spread  # a tile's maps are what memory is spent on
                if to_features:
                    slope = _share_slope(pasted, rows, tile, grid).to(share.dtype)
                    slope = _softmax_slope(slope, share).mul_(allowed).mul_(options.sharpness)
                    del share, allowed
                    _add_slopes(slopes, slope, similar, tile, grid)
        return *(slopes[:4] if to_features else (None,) * 4), None, slope_rows, None


def _over_blocks(patches: Tensor, tile: Tile, grid: Grid) -> Tensor:
    """``(N, queries, L)`` pairs of patches -> ``(N, blocks of the tile, B)`` pairs of blocks."""
    high, wide = tile.bottom - tile.top, tile.right - tile.left
    pairs = patches.reshape(-1, high, wide, *grid.known.shape[1:])
    return _spread(pairs).flatten(3).flatten(1, 2)


def _over_patches(blocks: Tensor, tile: Tile, grid: Grid) -> Tensor:
    """``(N, blocks of the tile, B)`` pairs of blocks -> ``(N, queries, L)`` pairs of patches."""
    high, wide = tile.bottom - tile.top + 1, tile.right - tile.left + 1
    pairs = blocks.reshape(-1, high, wide, *grid.keys.shape[2:])
    return _gather(pairs).flatten(3).flatten(1, 2)


def _share_slope(pasted: Tensor, rows: Tensor, tile: Tile, grid: Grid) -> Tensor:
    """``(N, blocks of the tile, D)`` -> ``(N, queries, L)``."""
    back = torch.bmm(pasted, rows.flatten(1, 2).transpose(1, 2))
    return _over_patches(back, tile, grid)


def _softmax_slope(slope: Tensor, share: Tensor) -> Tensor:
    mean = torch.linalg.vecdot(slope, share).unsqueeze(2)
    return slope.sub_(mean).mul_(share)


def _add_slopes(slopes: Grid, slope: Tensor, similar: Tensor, tile: Tile, grid: Grid) -> None:
    """Add to ``slopes`` what a tile's similarities send back to keys, queries and scales."""
    scale = _scale(grid, tile)
    if scale is not None and slopes.scale_keys is not None and slopes.scale_queries is not None:
        mine, theirs = scale
        weighted = slope * similar  # similar = product * mine * theirs
        place = slopes.scale_queries[:, *tile.patches]
        place += (weighted.sum(dim=2, keepdim=True) / mine).reshape(place.shape)
        place = slopes.scale_keys
        place += (weighted.sum(dim=1, keepdim=True) / theirs).reshape(place.shape)
        slope = slope * mine * theirs
    blocks = _over_blocks(slope, tile, grid)
    queries = grid.queries[:, :, *tile.blocks]
    place = slopes.queries[:, :, *tile.blocks]
    place += torch.bmm(grid.keys.flatten(2), blocks.transpose(1, 2)).reshape(place.shape)
    slopes.keys.flatten(2).baddbmm_(queries.flatten(2), blocks)
