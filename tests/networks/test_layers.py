"""Layers against the released layer's numbers, against their definitions and against torch."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mendpix.errors import TensorError
from mendpix.networks.layers import (
    ChannelwiseLinear,
    GatedConv2d,
    PartialConv2d,
    PartialPadConv2d,
    SpectralConv2d,
)


def by_definition(layer: PartialConv2d, x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Eq. 1-2, window by window, with a full count over all channels."""
    window = (layer.kernel_size, layer.dilation, layer.padding, layer.stride)
    patches = F.unfold(x * valid, *window)  # type: ignore[arg-type]
    counts = F.unfold(valid.expand_as(x), *window).sum(dim=1)  # type: ignore[arg-type]
    gain = torch.where(counts > 0, patches.shape[1] / counts.clamp(min=1), 0)
    out = (layer.weight.flatten(1) @ patches) * gain[:, None]
    if layer.bias is not None:
        out = out + layer.bias[:, None] * (counts > 0)[:, None]
    size = F.conv2d(x, layer.weight, None, layer.stride, layer.padding, layer.dilation).shape
    return out.reshape(size), (counts == 0).reshape(size[0], 1, *size[2:]).to(x)


def random_hole(*shape: int, share: float = 0.5) -> Tensor:
    return (torch.rand(*shape, dtype=torch.float64) < share).double()


def test_partial_conv_agrees_with_the_released_layer(reference: Path) -> None:
    numbers = np.load(reference / "partialconv2d.npz")
    cases = json.loads((reference / "partialconv2d.cases.json").read_text())
    for case in cases:
        part = {
            key.split("/")[1]: torch.from_numpy(numbers[key])
            for key in numbers.files
            if key.startswith(case["name"] + "/")
        }
        compare_with_released(case, part)
    assert len(cases) > 10


def compare_with_released(case: dict[str, int], part: dict[str, Tensor]) -> None:
    shape = (case["cin"], case["cout"], case["kernel"])
    layer = PartialConv2d(
        *shape,
        case.get("stride", 1),
        case.get("padding", 0),
        case.get("dilation", 1),
        bias="bias" in part,
    ).to(part["x"].dtype)
    layer.load_state_dict({key: part[key] for key in ("weight", "bias") if key in part})
    x = part["x"].requires_grad_()
    y, hole = layer(x, 1 - part["mask"] if "mask" in part else None)
    (y * part["grad_y"]).sum().backward()
    close = (
        {"rtol": 1e-10, "atol": 1e-10} if x.dtype == torch.float64 else {"rtol": 1e-5, "atol": 1e-5}
    )
    torch.testing.assert_close(y, part["y"], **close)
    torch.testing.assert_close(x.grad, part["grad_x"], **close)
    torch.testing.assert_close(layer.weight.grad, part["grad_weight"], **close)
    if layer.bias is not None:
        # The released layer adds the bias, takes it off and adds it again: its sum is the rougher.
        torch.testing.assert_close(layer.bias.grad, part["grad_bias"], rtol=1e-5, atol=5e-5)
    assert torch.equal(1 - hole, part["updated_mask"][:, :1])


@settings(max_examples=40, deadline=None)
@given(
    kernel=st.sampled_from([1, 3, 5]),
    stride=st.integers(1, 2),
    dilation=st.integers(1, 2),
    padding=st.integers(0, 2),
    bias=st.booleans(),
    multi=st.booleans(),
    share=st.sampled_from([0.0, 0.3, 0.9, 1.0]),
    size=st.tuples(st.integers(9, 13), st.integers(9, 13)),
)
def test_partial_conv_is_its_definition(
    kernel: int,
    stride: int,
    dilation: int,
    padding: int,
    bias: bool,
    multi: bool,
    share: float,
    size: tuple[int, int],
) -> None:
    layer = PartialConv2d(3, 4, kernel, stride, padding, dilation, bias=bias).double()
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    hole = random_hole(2, 3 if multi else 1, *size, share=share)
    y, left = layer(x, hole)
    wanted, wanted_left = by_definition(layer, x, 1 - hole)
    torch.testing.assert_close(y, wanted, rtol=1e-7, atol=1e-7)
    assert torch.equal(left, wanted_left)


def test_parts_with_their_own_holes_are_one_tensor_with_a_hole_for_each_channel() -> None:
    layer = PartialConv2d(5, 4, 3, padding=1).double()
    parts = [torch.randn(2, c, 9, 7, dtype=torch.float64) for c in (2, 3)]
    holes = [random_hole(2, 1, 9, 7), random_hole(2, 1, 9, 7, share=0.8)]
    y, left = layer(parts, holes)
    wide = torch.cat([hole.expand_as(part) for part, hole in zip(parts, holes, strict=True)], 1)
    wanted, wanted_left = by_definition(layer, torch.cat(parts, 1), 1 - wide)
    torch.testing.assert_close(y, wanted, rtol=1e-7, atol=1e-7)
    assert torch.equal(left, wanted_left)


def test_groups_count_over_all_channels_as_the_released_layer_does() -> None:
    grouped = PartialConv2d(4, 4, 3, padding=1, groups=2, bias=False).double()
    x = torch.randn(1, 4, 8, 8, dtype=torch.float64)
    hole = random_hole(1, 4, 8, 8)
    whole = PartialConv2d(4, 4, 3, padding=1, bias=False).double()
    with torch.no_grad():
        whole.weight.zero_()
        whole.weight[:2, :2], whole.weight[2:, 2:] = grouped.weight[:2], grouped.weight[2:]
    torch.testing.assert_close(grouped(x, hole), whole(x, hole))


def test_no_hole_means_plain_convolution() -> None:
    x = torch.rand(1, 3, 8, 8)
    layer = PartialConv2d(3, 4, 3, padding=1)
    features, hole = layer(x, torch.zeros(1, 1, 8, 8))
    plain = F.conv2d(x, layer.weight, layer.bias, padding=1)
    inner = (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(features[inner], plain[inner])
    assert not hole.any()


def test_all_hole_is_exactly_zero_without_bias_and_stays_missing() -> None:
    layer = PartialConv2d(3, 4, 3, padding=1)
    nn.init.ones_(layer.bias)  # type: ignore[arg-type]
    features, hole = layer(torch.rand(1, 3, 7, 5), torch.ones(1, 1, 7, 5))
    assert not features.any()
    assert hole.all()


def test_a_constant_picture_stays_constant_whatever_is_missing() -> None:
    layer = PartialConv2d(3, 2, 3, padding=1).double()
    hole = random_hole(1, 1, 12, 12, share=0.6)
    with torch.no_grad():
        layer.weight.copy_(torch.rand(2, 1, 1, 1).expand(2, 3, 3, 3))
    features, left = layer(torch.full((1, 3, 12, 12), 0.7, dtype=torch.float64), hole)
    wanted = 0.7 * layer.weight.sum(dim=(1, 2, 3)) + layer.bias  # type: ignore[operator]
    torch.testing.assert_close(features, wanted[None, :, None, None] * (1 - left))


def test_what_hides_in_the_hole_does_not_matter() -> None:
    layer = PartialConv2d(3, 4, 5, padding=2)
    x, hole = torch.rand(2, 3, 9, 9), random_hole(2, 1, 9, 9).float()
    torch.testing.assert_close(
        layer(x, hole), layer(x * (1 - hole) + 1e6 * hole, hole), rtol=0, atol=0
    )


@pytest.mark.parametrize("multi", [False, True])
def test_partial_conv_gradients(multi: bool) -> None:
    layer = PartialConv2d(2, 3, 3, 2, 1).double()
    x = torch.randn(1, 2, 7, 6, dtype=torch.float64, requires_grad=True)
    hole = random_hole(1, 2 if multi else 1, 7, 6)
    weights = tuple(p.detach().requires_grad_() for p in layer.parameters())

    def run(x: Tensor, *weights: Tensor) -> Tensor:
        named = dict(zip(("weight", "bias"), weights, strict=True))
        features: Tensor = torch.func.functional_call(layer, named, (x, hole))[0]
        return features

    assert torch.autograd.gradcheck(run, (x, *weights))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_counts_exactly(dtype: torch.dtype) -> None:
    """1024 channels: 9216 values a window, more than half precision can tell apart."""
    layer = PartialConv2d(1024, 2, 3, padding=1, bias=False)
    nn.init.constant_(layer.weight, 2.0**-13)
    hole = torch.ones(1, 1024, 8, 8)
    hole[:, 0, 0, 0] = 0  # a single known value: the largest gain there is
    hole[:, :700, 4:, 4:] = 0
    x = torch.ones(1, 1024, 8, 8)
    with torch.autocast("cpu", dtype=dtype):
        features, left = layer(x, hole)
    assert features.isfinite().all()
    wanted = 9216 * 2.0**-13 * (1 - left.float()).expand_as(features)
    torch.testing.assert_close(features.float(), wanted, rtol=1e-2, atol=0)


def test_a_gain_past_half_precision_stays_finite() -> None:
    layer = PartialConv2d(8192, 1, 3, padding=1, bias=False).half()
    hole = torch.ones(1, 8192, 4, 4, dtype=torch.float16)
    hole[:, 0, 0, 0] = 0
    features, left = layer(torch.zeros(1, 8192, 4, 4, dtype=torch.float16), hole)
    assert features.isfinite().all()
    assert (left == 0).sum() == 4


def test_a_hole_may_be_bool() -> None:
    layer, x = PartialConv2d(4, 2, 3), torch.rand(1, 4, 8, 8)
    hole = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    hole[..., 2:6, 2:6] = True
    for ours, wanted in zip(layer(x, hole), layer(x, hole.float()), strict=True):
        torch.testing.assert_close(ours, wanted, rtol=0, atol=0)


def test_holes_that_do_not_fit_and_other_padding_are_refused() -> None:
    layer, x = PartialConv2d(4, 2, 3), torch.rand(1, 4, 8, 8)
    with pytest.raises(TensorError, match="hole has 3 channels but x has 4; give 1 or as many"):
        layer(x, torch.zeros(1, 3, 8, 8))
    with pytest.raises(
        TensorError, match=r"hole has shape \(1, 1, 4, 4\) but x has \(1, 4, 8, 8\)"
    ):
        layer(x, torch.zeros(1, 1, 4, 4))
    with pytest.raises(TensorError, match="x has 2 parts but hole has 1"):
        layer([x[:, :2], x[:, 2:]], torch.zeros(1, 1, 8, 8))
    mirrored = PartialConv2d(4, 2, 3, padding=1, padding_mode="reflect")
    with pytest.raises(ValueError, match="padding_mode is 'reflect'"):
        mirrored(x, torch.zeros(1, 1, 8, 8))


def test_partial_padding_scales_the_border_alone() -> None:
    layer = PartialPadConv2d(3, 4, 3, padding=1)
    x = torch.rand(2, 3, 9, 8)
    plain = F.conv2d(x, layer.weight, padding=1)
    shift = layer.bias[:, None, None]  # type: ignore[index]
    y = layer(x) - shift
    torch.testing.assert_close(y[..., 1:-1, 1:-1], plain[..., 1:-1, 1:-1])
    torch.testing.assert_close(y[..., 0, 0], plain[..., 0, 0] * 9 / 4)
    torch.testing.assert_close(y[..., 0, 1:-1], plain[..., 0, 1:-1] * 9 / 6)


def test_partial_padding_drops_in_for_a_convolution() -> None:
    plain = nn.Conv2d(3, 8, 7, stride=2, padding=3)
    padded = PartialPadConv2d(3, 8, 7, stride=2, padding=3)
    padded.load_state_dict(plain.state_dict())
    x = torch.rand(1, 3, 33, 31)
    assert padded(x).shape == plain(x).shape
    torch.testing.assert_close(padded(x)[..., 2:-2, 2:-2], plain(x)[..., 2:-2, 2:-2])


def test_gated_conv_is_value_times_gate() -> None:
    layer = GatedConv2d(3, 8, 3, stride=2, dilation=2)
    x = torch.randn(2, 3, 11, 9)
    value, gate = F.conv2d(x, layer.conv.weight, layer.conv.bias, 2, 2, 2).split(4, dim=1)
    torch.testing.assert_close(layer(x), F.elu(value) * torch.sigmoid(gate))


def test_gated_conv_can_double_and_take_another_activation() -> None:
    layer = GatedConv2d(3, 4, act=nn.ReLU(), upsample=True)
    x = torch.randn(1, 3, 5, 4)
    twice = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    value, gate = layer.conv(twice).split(2, dim=1)
    torch.testing.assert_close(layer(x), value.relu() * gate.sigmoid())


def test_channelwise_linear_mixes_places_and_never_channels() -> None:
    layer = ChannelwiseLinear(3, 4, 5)
    assert sum(p.numel() for p in layer.parameters()) == 3 * 20 * 20 + 3 * 20
    x = torch.randn(2, 3, 4, 5)
    y = layer(x)
    for c in range(3):
        wanted = x[:, c].flatten(1) @ layer.weight[c] + layer.bias[c]
        torch.testing.assert_close(y[:, c].flatten(1), wanted)


def test_channelwise_linear_gradients() -> None:
    layer = ChannelwiseLinear(2, 2, 3).double()
    x = torch.randn(2, 2, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,))


@pytest.mark.filterwarnings("ignore::FutureWarning")  # the old form is the released networks'
def test_spectral_conv_follows_torch_step_by_step() -> None:
    ours = SpectralConv2d(3, 6, 3, padding=1)
    theirs = torch.nn.utils.spectral_norm(nn.Conv2d(3, 6, 3, padding=1))
    state = {"weight": "weight_orig", "u": "weight_u", "v": "weight_v", "bias": "bias"}
    theirs.load_state_dict({state[key]: value for key, value in ours.state_dict().items()})
    x = torch.randn(2, 3, 8, 8)
    for _ in range(3):
        torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours.u, theirs.weight_u)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_spectral_conv_reaches_the_largest_singular_value() -> None:
    torch.manual_seed(0)
    layer = SpectralConv2d(4, 8, 3, padding=1).train()
    x = torch.randn(1, 4, 6, 6)
    for _ in range(60):
        layer(x)
    largest = torch.linalg.svdvals(layer.normalise_weight().flatten(1))[0]
    torch.testing.assert_close(largest, torch.tensor(1.0), rtol=1e-4, atol=0)


def test_two_passes_of_a_spectral_conv_before_one_backward() -> None:
    layer = SpectralConv2d(2, 3, 3).train()
    (layer(torch.rand(1, 2, 5, 5)).sum() - layer(torch.rand(1, 2, 5, 5)).sum()).backward()
    assert layer.weight.grad is not None and layer.weight.grad.isfinite().all()


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (16, 16)])
def test_channels_last_gives_the_same(size: tuple[int, int]) -> None:
    x, hole = torch.rand(2, 3, *size), random_hole(2, 1, *size).float()
    last = x.contiguous(memory_format=torch.channels_last)
    partial, gated = PartialConv2d(3, 4, 3, padding=1), GatedConv2d(3, 4)
    torch.testing.assert_close(partial(last, hole), partial(x, hole))
    torch.testing.assert_close(gated(last), gated(x))
