"""Patch attention in tiles of queries, forward and backward.

The core of :mod:`mendpix.networks.contextual_reconstruction`, where the method is described.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mendpix.networks.option_ranges import Count, Share, Sharpness

BLOCK = 2  # places of the feature map on a block's side; a patch is 2x2 blocks


@dataclass(frozen=True, slots=True)
class ContextualOptions:
    """How patches are compared and copied. The defaults are the released code's behaviour.

    Attributes:
        similarity: ``"map"`` (the released code's ``norm_type 1``): keys divided, channel by
            channel, by the channel's norm over the whole map, queries as they are. ``"patch"``
            (its ``norm_type 2``): by the channel's norm in the patch, queries as they are; keeps
            all patches, four times the memory. ``"cosine"``: of whole patches.
        masking: what becomes of forbidden pairs: ``"zero"`` sets their logit to 0, so that they
            keep a small weight; ``"exclude"`` gives them none.
        overlap: where pasted patches overlap, ``"sum"`` or ``"mean"`` of them.
        threshold: if set, a key is allowed where more than this share of it is known. None: where
            it is whole, or better known than a query of which more than half is known.
        sharpness: what similarities are multiplied by before the softmax (the inverse of its
            temperature).
        hard: copy the best key alone; no gradient reaches the features.
        tile: queries processed at a time.
    """

    similarity: Literal["map", "patch", "cosine"] = "map"
    masking: Literal["zero", "exclude"] = "zero"
    overlap: Literal["sum", "mean"] = "sum"
    threshold: Share | None = None
    sharpness: Sharpness = 10.0
    hard: bool = False
    tile: Count = 384


class QueryTile(NamedTuple):
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
        """The blocks of its patches: one row and one column more."""
        return slice(self.top, self.bottom + 1), slice(self.left, self.right + 1)


class PatchGrid(NamedTuple):
    """Features in ``hb x wb`` blocks, which make ``hb - 1`` by ``wb - 1`` patches.

    Shape:
        keys, queries: ``(N, c, hb, wb)``, a block's features as channels; or ``(N, 4 c, hb - 1,
            wb - 1)``, a patch's, where keys of overlapping patches differ (:attr:`has_patches`).
        scale_keys, scale_queries: ``(N, hb - 1, wb - 1)``, factors of the patches' products.
        known: ``(N, hb - 1, wb - 1)``, the known share of each patch.
    """

    keys: Tensor
    queries: Tensor
    scale_keys: Tensor | None
    scale_queries: Tensor | None
    known: Tensor

    @property
    def has_patches(self) -> bool:
        """Whether keys and queries are whole patches, not blocks."""
        return self.keys.shape[2:] == self.known.shape[1:]

    def cut_queries(self, tile: QueryTile) -> Tensor:
        """The queries that a tile reads, ``(N, c, rows, columns)``, a view."""
        return self.queries[:, :, *(tile.patches if self.has_patches else tile.blocks)]


def _cut_tiles(known: Tensor, queries: int) -> Iterator[QueryTile]:
    """Cut the patch grid into tiles of whole rows; where one row is too long, of parts of rows."""
    down, across = known.shape[1:]
    wide = min(across, max(1, queries))
    high = max(1, queries // wide)
    for top in range(0, down, high):
        for left in range(0, across, wide):
            yield QueryTile(top, min(top + high, down), left, min(left + wide, across))


def compute_logits(
    grid: PatchGrid, tile: QueryTile, options: ContextualOptions
) -> tuple[Tensor, Tensor]:
    """A tile's similarities and which of them are allowed, both ``(N, queries, L)``."""
    queries = grid.cut_queries(tile).flatten(2)
    products = torch.bmm(queries.transpose(1, 2), grid.keys.flatten(2))
    similarity = products if grid.has_patches else _to_patches(products, tile, grid)
    scales = _select_scales(grid, tile)
    if scales is not None:
        similarity = similarity * scales[0] * scales[1]
    return similarity, _mask_keys(grid.known, tile, options)


def _select_scales(grid: PatchGrid, tile: QueryTile) -> tuple[Tensor, Tensor] | None:
    """The scales of a tile's queries ``(N, queries, 1)`` and of all keys ``(N, 1, L)``."""
    if grid.scale_keys is None or grid.scale_queries is None:
        return None
    query_scale = grid.scale_queries[:, *tile.patches].flatten(1)[:, :, None]
    return query_scale, grid.scale_keys.flatten(1)[:, None]


def compute_attention(similarity: Tensor, allowed: Tensor, options: ContextualOptions) -> Tensor:
    """Softmax over the keys of each query, ``(N, queries, L)``."""
    if options.masking == "zero":  # the released code: forbidden keys keep exp(0) in the sum
        logits = (similarity * allowed).mul_(options.sharpness)
    else:
        logits = (similarity * options.sharpness).masked_fill(~allowed, -torch.inf)
    if options.hard:
        return F.one_hot(logits.argmax(dim=2), logits.shape[2]).to(similarity.dtype)
    return logits.softmax(dim=2)


@torch.no_grad()
def _mask_keys(known: Tensor, tile: QueryTile, options: ContextualOptions) -> Tensor:
    """Which keys a tile's queries may copy: ``(N, queries, L)`` bool."""
    keys = known.flatten(1)[:, None]
    queries = known[:, *tile.patches].flatten(1)[:, :, None]
    if options.threshold is not None:
        allowed = (keys > options.threshold).expand(-1, queries.shape[1], -1)
    else:
        allowed = ((keys > queries) & (queries > 0.5)) | (keys == 1)
    if options.masking == "exclude":  # the best known keys stay, or a row would be all -inf
        allowed = allowed | (keys == keys.amax(dim=2, keepdim=True))
    return allowed


def _gather(blocks: Tensor) -> Tensor:
    """Product of patches (p, n) = the sum of products of blocks (p + d, n + d), four offsets d.

    Shape: ``(N, qh + 1, qw + 1, kh + 1, kw + 1) -> (N, qh, qw, kh, kw)``.
    """
    out = blocks[:, :-1, :-1, :-1, :-1] + blocks[:, :-1, 1:, :-1, 1:]
    out += blocks[:, 1:, :-1, 1:, :-1]
    out += blocks[:, 1:, 1:, 1:, 1:]
    return out


def _scatter(patches: Tensor) -> Tensor:
    """The transpose of :func:`_gather`: add each pair of patches to its four pairs of blocks."""
    n, *sizes = patches.shape
    out = patches.new_zeros(n, *(size + 1 for size in sizes))
    out[:, :-1, :-1, :-1, :-1] = patches
    out[:, :-1, 1:, :-1, 1:] += patches
    out[:, 1:, :-1, 1:, :-1] += patches
    out[:, 1:, 1:, 1:, 1:] += patches
    return out


class PatchCopy(torch.autograd.Function):
    """Attention output: at each query, the keys' values by their weights; overlaps are added.

    Differentiable once. The backward pass is written by hand: autograd would keep all weights, or
    copy the whole map for each tile.

    Shape: PatchGrid's, rows ``(N, hb, wb, D)`` -> ``(N, hb, wb, D)``.
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
        grid = PatchGrid(keys, queries, scale_keys, scale_queries, known)
        ctx.save_for_backward(*grid, rows)
        ctx.options = options
        out = torch.zeros_like(rows)
        for tile in _cut_tiles(known, options.tile):
            attention = compute_attention(*compute_logits(grid, tile, options), options)
            blocks = _to_blocks(attention, tile, grid).to(rows.dtype)
            place = out[:, *tile.blocks]
            place += torch.bmm(blocks, rows.flatten(1, 2)).reshape(place.shape)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        *parts, rows = ctx.saved_tensors
        grid, options = PatchGrid(*parts), ctx.options
        zeros: list[Any] = [None if part is None else torch.zeros_like(part) for part in parts]
        gradients, gradient_rows = PatchGrid(*zeros), torch.zeros_like(rows)
        to_features = any(ctx.needs_input_grad[:4]) and not options.hard
        with torch.no_grad(), torch.autocast(grad.device.type, enabled=False):
            for tile in _cut_tiles(grid.known, options.tile):
                similarity, allowed = compute_logits(grid, tile, options)
                attention = compute_attention(similarity, allowed, options)
                upstream = grad[:, *tile.blocks].flatten(1, 2).to(rows.dtype)
                blocks = _to_blocks(attention, tile, grid).to(rows.dtype).transpose(1, 2)
                gradient_rows.flatten(1, 2).baddbmm_(blocks, upstream)
                del blocks  # a tile's maps are what memory is spent on
                if to_features:
                    gradient = _attention_gradient(upstream, rows, tile, grid).to(attention.dtype)
                    gradient = _softmax_gradient(gradient, attention)
                    gradient = gradient.mul_(allowed).mul_(options.sharpness)
                    del attention, allowed
                    _add_gradients(gradients, gradient, similarity, tile, grid)
        return *(gradients[:4] if to_features else (None,) * 4), None, gradient_rows, None


def _to_blocks(patches: Tensor, tile: QueryTile, grid: PatchGrid) -> Tensor:
    """``(N, queries, L)`` pairs of patches -> ``(N, blocks of the tile, B)`` pairs of blocks."""
    high, wide = tile.bottom - tile.top, tile.right - tile.left
    pairs = patches.reshape(-1, high, wide, *grid.known.shape[1:])
    return _scatter(pairs).flatten(3).flatten(1, 2)


def _to_patches(blocks: Tensor, tile: QueryTile, grid: PatchGrid) -> Tensor:
    """``(N, blocks of the tile, B)`` pairs of blocks -> ``(N, queries, L)`` pairs of patches."""
    high, wide = tile.bottom - tile.top + 1, tile.right - tile.left + 1
    pairs = blocks.reshape(-1, high, wide, *(length + 1 for length in grid.known.shape[1:]))
    return _gather(pairs).flatten(3).flatten(1, 2)


def _attention_gradient(upstream: Tensor, rows: Tensor, tile: QueryTile, grid: PatchGrid) -> Tensor:
    """The output's gradient ``(N, blocks of the tile, D)`` -> the weights' ``(N, queries, L)``."""
    products = torch.bmm(upstream, rows.flatten(1, 2).transpose(1, 2))
    return _to_patches(products, tile, grid)


def _softmax_gradient(gradient: Tensor, attention: Tensor) -> Tensor:
    """Through the softmax ``a``, in place: ``a * (g - sum(g * a))``."""
    mean = torch.linalg.vecdot(gradient, attention).unsqueeze(2)
    return gradient.sub_(mean).mul_(attention)


def _add_gradients(
    gradients: PatchGrid, gradient: Tensor, similarity: Tensor, tile: QueryTile, grid: PatchGrid
) -> None:
    """Add the gradients of keys, queries and scales that come from a tile's similarities."""
    scales, to_keys, to_queries = _select_scales(grid, tile), *gradients[2:4]
    if scales is not None and to_keys is not None and to_queries is not None:
        query_scale, key_scale = scales
        weighted = gradient * similarity  # similarity = product * query_scale * key_scale
        place = to_queries[:, *tile.patches]
        place += (weighted.sum(dim=2, keepdim=True) / query_scale).reshape(place.shape)
        to_keys += (weighted.sum(dim=1, keepdim=True) / key_scale).reshape(to_keys.shape)
        gradient = gradient * query_scale * key_scale
    pairs = gradient if grid.has_patches else _to_blocks(gradient, tile, grid)
    place = gradients.queries[:, :, *(tile.patches if grid.has_patches else tile.blocks)]
    place += torch.bmm(grid.keys.flatten(2), pairs.transpose(1, 2)).reshape(place.shape)
    gradients.keys.flatten(2).baddbmm_(grid.cut_queries(tile).flatten(2), pairs)
