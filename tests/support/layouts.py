"""Keys and shapes of other people's weights files, spelled out by hand, and numbers for them."""

from itertools import pairwise

import torch
from torch import Tensor


def layout(network: str) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of small files in the released layouts, spelled out by hand."""
    if network == "netG":
        return _port([3, 4, 4, 8, 16, 32, 16], [16, 32, 16, 8, 4, 3])
    if network == "netD":
        return _port([3, 4, 8, 16, 32, 1], [])
    if network in ("crfill", "two-stage"):
        return _crfill(8, network == "two-stage")
    if network == "crfill-d":
        return _spectral([4, 4, 8, 16, 16, 16, 16])
    return _partial([3, 4, 8, 16])


def _crfill(width: int, two_stage: bool) -> dict[str, tuple[int, ...]]:
    """Layer: channels in and convolved, in halves of ``width``; kernel 5 where marked."""
    coarse = "conv1*:5,2 conv2_downsample:1,4 conv3:2,4 conv4_downsample:2,8 conv5:4,8 conv6:4,8"
    coarse += " conv7_atrous:4,8 conv8_atrous:4,8 conv9_atrous:4,8 conv10_atrous:4,8 conv11:4,8"
    coarse += " conv12:4,8 conv13_upsample_conv:4,4 conv14:2,4 conv15_upsample_conv:2,2 conv16:1,1"
    fine = "xconv1*:3,2 xconv2_downsample:1,2 xconv3:1,4 xconv4_downsample:2,4 xconv5:2,8"
    fine += " xconv6:4,8 xconv7_atrous:4,8 xconv8_atrous:4,8 xconv9_atrous:4,8 xconv10_atrous:4,8"
    fine += " pmconv1*:3,2 pmconv2_downsample:1,2 pmconv3:1,4 pmconv4_downsample:2,8 pmconv5:4,8"
    fine += " pmconv6:4,8 pmconv9:4,8 pmconv10:4,8 allconv11:8,8 allconv12:4,8 allconv14:2,4"
    fine += " allconv13_upsample_conv:4,4 allconv15_upsample_conv:2,2 allconv16:1,1"
    branch = "sconv1*:4,8 sconv2:4,8 bconv1*:3,2 bconv2_downsample:1,4 bconv3:2,4"
    branch += " bconv4_downsample:2,8 conv13_upsample_conv:4,4 conv14:4,4 conv15_upsample_conv:2,2"
    branch += " conv16:2,2 conv16_2:1,2"
    before = "baseg." if two_stage else ""
    shapes = _gated(f"{coarse} {fine}", width // 2, before)
    shapes |= _gated("conv17:0.5,3. allconv17:0.5,3.", width // 2, before)
    if two_stage:
        shapes |= _gated(f"{branch} conv17:1,3.", width // 2, "")
    return shapes


def _gated(layers: str, half: int, before: str) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in layers.split():
        name, sizes = layer.split(":")
        into, out = sizes.split(",")
        wide = 3 if out == "3." else int(float(out) * half)
        narrow = int(into) if name.endswith("*") and into in "35" else int(float(into) * half)
        kernel = 5 if name.endswith("*") else 3
        name = before + name.rstrip("*")
        shapes |= {f"{name}.weight": (wide, narrow, kernel, kernel), f"{name}.bias": (wide,)}
    return shapes


def _spectral(widths: list[int]) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for step, (a, b) in enumerate(pairwise(widths), start=1):
        shapes |= {f"conv{step}.weight_orig": (b, a, 5, 5), f"conv{step}.bias": (b,)}
        shapes |= {f"conv{step}.weight_u": (b,), f"conv{step}.weight_v": (a * 25,)}
    return shapes


def _port(down: list[int], up: list[int]) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    convs = [(b, a, 4, 4) for a, b in pairwise(down)]
    convs += [(a, b, 4, 4) for a, b in pairwise(up)]
    place = 0
    for step, shape in enumerate(convs):
        shapes[f"main.{place}.weight"] = shape
        place += 1
        out = shape[1] if step >= len(down) - 1 else shape[0]
        if 0 < step < len(convs) - 1:
            shapes |= _norm(f"main.{place}", out)
            place += 1
        place += 1
    return shapes


def _norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    leaves = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{leaf}": (width,) for leaf in leaves} | {f"{name}.num_batches_tracked": ()}


def _partial(widths: list[int]) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    kernels = {1: 7, 2: 5, 3: 5}
    for step in range(1, len(widths)):
        shape = (widths[step], widths[step - 1], kernels[step], kernels[step])
        shapes |= {f"enc_{step}.conv.{kind}_conv.weight": shape for kind in ("input", "mask")}
        shapes |= _norm(f"enc_{step}.bn", widths[step]) if step > 1 else {}
        wide = (widths[step - 1], widths[step] + widths[step - 1], 3, 3)
        shapes |= {f"dec_{step}.conv.{kind}_conv.weight": wide for kind in ("input", "mask")}
        shapes |= _norm(f"dec_{step}.bn", widths[step - 1]) if step > 1 else {}
    return shapes | {"dec_1.conv.input_conv.bias": (3,)}


def draw_weights(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    weights = {}
    for key, shape in shapes.items():
        weights[key] = torch.rand(shape) + 0.5 if key.endswith("var") else torch.randn(shape) * 0.1
        if "mask_conv" in key:
            weights[key] = torch.ones(shape)
        if key.endswith("tracked"):
            weights[key] = torch.zeros(shape, dtype=torch.int64)
    return weights
