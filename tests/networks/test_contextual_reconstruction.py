"""Contextual reconstruction against released numbers and a dense form of the same formulas."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mendpix.networks.contextual_reconstruction import (
    AS_SHIPPED,
    CLEAN,
    ContextualOptions,
    attention_weights,
    count_overlaps,
    reconstruct,
)

PATCH = replace(AS_SHIPPED, similarity="patch")
FORMS = [
    AS_SHIPPED,
    CLEAN,
    PATCH,
    replace(AS_SHIPPED, threshold=0.5),
    replace(CLEAN, threshold=0.5),
]


def dense_weights(features: Tensor, hole: Tensor, options: ContextualOptions) -> Tensor:
    """``(N, L queries, L keys)``, patch by patch."""
    queries = F.unfold(features, 4, stride=2).transpose(1, 2)
    if options.similarity == "map":
        norm = (features.square().sum(dim=(2, 3), keepdim=True) + 1e-8).sqrt()
        similar = queries @ F.unfold(features / norm, 4, stride=2)
    elif options.similarity == "patch":
        parts = queries.reshape(*queries.shape[:2], -1, 16)
        norms = (parts.square().sum(dim=3, keepdim=True) + 1e-8).sqrt()
        similar = queries @ (parts / norms).flatten(2).transpose(1, 2)
    else:
        unit = queries / (queries.square().sum(dim=2, keepdim=True) + 1e-8).sqrt()
        similar = unit @ unit.transpose(1, 2)
    valid = 1 - F.avg_pool2d(hole, hole.shape[-1] // features.shape[-1])
    known = F.unfold(valid, 4, stride=2).mean(dim=1)
    mine, theirs = known[:, :, None], known[:, None]
    allowed = ((theirs > mine) & (mine > 0.5)) | (theirs == 1)
    if options.threshold is not None:
        allowed = (theirs > options.threshold).expand_as(similar)
    if options.masking == "zero":
        return (options.sharpness * similar * allowed).softmax(dim=2)
    allowed = allowed | (theirs == theirs.amax(dim=2, keepdim=True))
    return (options.sharpness * similar).masked_fill(~allowed, -torch.inf).softmax(dim=2)


def dense(features: Tensor, hole: Tensor, values: Tensor, options: ContextualOptions) -> Tensor:
    ratio = values.shape[-1] // features.shape[-1]
    window = {"kernel_size": 4 * ratio, "stride": 2 * ratio}
    pasted = F.unfold(values, **window) @ dense_weights(features, hole, options).transpose(1, 2)
    out = F.fold(pasted, values.shape[2:], **window)
    if options.overlap == "mean":
        ones = F.unfold(torch.ones_like(values), **window)
        out = out / F.fold(ones, values.shape[2:], **window).clamp(min=1)
    return out


def case(h: int = 12, w: int = 14, ratio: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(h * w)
    hole = torch.zeros(2, 1, ratio * h, ratio * w, dtype=torch.float64)
    hole[0, :, ratio : 5 * ratio + 1, ratio + 1 : 5 * ratio] = 1
    hole[1, :, -3 * ratio :, : 7 * ratio] = 1
    features = torch.randn(2, 3, h, w, dtype=torch.float64, requires_grad=True)
    shape = (2, 2, ratio * h, ratio * w)
    return features, hole, torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def test_agrees_with_the_released_branch(reference: Path) -> None:
    part = {k: torch.from_numpy(v) for k, v in np.load(reference / "crfill_attention.npz").items()}
    given = part["feat"], part["hole"]
    known = part["value"] * (1 - part["hole"])
    mean = replace(AS_SHIPPED, overlap="mean")

    def agree(ours: Tensor, key: str) -> None:
        torch.testing.assert_close(ours, part[key], rtol=1e-4, atol=1e-4)

    for name, options in {"hard0": AS_SHIPPED, "hard1": replace(AS_SHIPPED, hard=True)}.items():
        row = f"nt1_th0_{name}"
        agree(
            attention_weights(*given, options).transpose(1, 2).reshape(2, -1, 9, 11),
            f"{row}/similar",
        )
        agree(reconstruct(*given, known, options), f"{row}/recon_mk1")
        agree(
            reconstruct(*given, part["hole"], replace(mean, hard=options.hard)), f"{row}/aux_hole"
        )
        agree(reconstruct(*given, part["raw"], replace(mean, hard=True)), f"{row}/aux_raw")
    agree(reconstruct(*given, part["value"]), "nt1_th0_hard0/recon_mk0")
    agree(
        attention_weights(part["feat"], None).transpose(1, 2).reshape(2, -1, 9, 11),
        "nomask/similar",
    )


@pytest.mark.parametrize("options", FORMS)
@pytest.mark.parametrize(("h", "w", "tile"), [(12, 14, 512), (12, 14, 5), (13, 9, 3), (4, 4, 1)])
def test_blocks_give_what_patches_give(
    options: ContextualOptions, h: int, w: int, tile: int
) -> None:
    features, hole, values = case(h, w)
    inputs = (features, values)
    ours = reconstruct(features, hole, values, replace(options, tile=tile))
    theirs = dense(features, hole, values, options)
    torch.testing.assert_close(ours, theirs)
    slope = torch.randn_like(ours)
    for mine, wanted in zip(
        torch.autograd.grad(ours, inputs, slope),
        torch.autograd.grad(theirs, inputs, slope),
        strict=True,
    ):
        torch.testing.assert_close(mine, wanted)


@pytest.mark.parametrize("ratio", [1, 2, 4])
def test_values_may_lie_at_any_ratio(ratio: int) -> None:
    features, hole, values = case(8, 10, ratio)
    torch.testing.assert_close(
        reconstruct(features, hole, values), dense(features, hole, values, AS_SHIPPED)
    )


@pytest.mark.parametrize("options", [AS_SHIPPED, CLEAN])
def test_gradients(options: ContextualOptions) -> None:
    features, hole, values = case(6, 7)

    def run(features: Tensor, values: Tensor) -> Tensor:
        return reconstruct(features, hole, values, replace(options, tile=2))

    assert torch.autograd.gradcheck(run, (features, values), fast_mode=True)


@pytest.mark.parametrize("options", FORMS)
def test_weights_are_shares(options: ContextualOptions) -> None:
    features, hole, _ = case()
    share = attention_weights(features, hole, options)
    torch.testing.assert_close(share.sum(dim=2), torch.ones_like(share[..., 0]))
    assert (share >= 0).all()


def test_the_clean_form_copies_from_whole_patches_alone_into_the_hole() -> None:
    features, hole, _ = case()
    share = attention_weights(features, hole, CLEAN)
    known = 1 - F.unfold(hole, 16, stride=8).mean(dim=1)
    for n in range(2):
        queries = known[n] < 0.5
        assert share[n, queries][:, known[n] < 1].abs().max() == 0
    shipped = attention_weights(features, hole, AS_SHIPPED)
    assert shipped[0, known[0] < 0.5][:, known[0] < 1].min() > 0  # zeros before the softmax


def test_mean_of_overlaps_keeps_a_constant_and_the_sum_counts_the_patches() -> None:
    features, hole, values = case()
    flat = torch.full_like(values, 0.3)
    torch.testing.assert_close(reconstruct(features, hole, flat, CLEAN), flat)
    counts = count_overlaps(6, 7, like=flat).repeat_interleave(8, 0).repeat_interleave(8, 1)
    torch.testing.assert_close(reconstruct(features, hole, flat), flat * counts)
    assert counts[0, 0] == 1 and counts[0, 20] == 2 and counts[20, 20] == 4


def test_a_patch_twice_in_the_picture_is_copied_from_its_twin() -> None:
    torch.manual_seed(0)
    values = torch.rand(1, 2, 64, 64)
    features = torch.randn(1, 8, 16, 16)
    features[..., :8] = features[..., 8:]
    values[..., :32] = values[..., 32:]
    hole = torch.zeros(1, 1, 64, 64)
    hole[..., 16:32, 8:24] = 1
    sharp = replace(CLEAN, sharpness=200.0)
    rebuilt = reconstruct(features, hole, values * (1 - hole), sharp)
    torch.testing.assert_close(rebuilt[..., 16:32, 8:24], values[..., 16:32, 40:56])


@pytest.mark.parametrize("options", FORMS)
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_nothing_missing_and_all_missing_are_finite(
    options: ContextualOptions, share: float
) -> None:
    features, hole, values = case()
    out = reconstruct(features, torch.full_like(hole, share), values, options)
    slopes = torch.autograd.grad(out.sum(), (features, values))
    assert all(part.isfinite().all() for part in (out, *slopes))


@pytest.mark.parametrize("options", [AS_SHIPPED, CLEAN])
def test_features_of_nothing_are_finite(options: ContextualOptions) -> None:
    _, hole, values = case()
    features = torch.zeros(2, 3, 12, 14, dtype=torch.float64, requires_grad=True)
    out = reconstruct(features, hole, values, options)
    slope = torch.autograd.grad(out.square().sum(), features)[0]
    assert out.isfinite().all() and slope.isfinite().all()


def test_hard_copies_send_a_gradient_to_the_values_alone() -> None:
    features, hole, values = case()
    out = reconstruct(features, hole, values, replace(AS_SHIPPED, hard=True))
    to_features, to_values = torch.autograd.grad(
        out.sum(), (features, values), allow_unused=True, materialize_grads=True
    )
    assert not to_features.any()
    torch.testing.assert_close(to_values.sum(), out.new_tensor(2 * 5 * 6 * 2 * 256.0))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_compares_in_single(dtype: torch.dtype) -> None:
    features, hole, values = (part.detach().float() for part in case())
    wanted = reconstruct(features, hole, values)
    with torch.autocast("cpu", dtype=dtype):
        low = values.to(dtype).requires_grad_()
        ours = reconstruct(features, hole, low)
    ours.float().square().mean().backward()
    assert ours.dtype == dtype and low.grad is not None and low.grad.isfinite().all()
    torch.testing.assert_close(ours.float(), wanted, rtol=0.05, atol=0.05)


def test_queries_taken_few_at_a_time_need_little_memory() -> None:
    """At 1024 places a whole map of weights would hold a million numbers; no tensor does."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        numbers = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            out = func(*args, **(kwargs or {}))
            if isinstance(out, Tensor):
                self.numbers = max(self.numbers, out.numel())
            return out

    features = torch.randn(1, 2, 66, 66, requires_grad=True)
    values = torch.randn(1, 1, 66, 66, requires_grad=True)
    with Largest() as largest:
        options = replace(CLEAN, tile=32)
        reconstruct(features, torch.zeros(1, 1, 66, 66), values, options).sum().backward()
    assert largest.numbers <= 2 * 33 * 33 * 33
