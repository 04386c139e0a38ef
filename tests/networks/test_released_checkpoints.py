"""Released layouts through files, against plain forms of what their own code computes.

The plain forms read the foreign keys themselves, so nothing of the adapters or of our networks
stands on both sides. The full key lists lie in the shared folder; small files of the same layouts
are spelled out in ``layouts.py``.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from layouts import draw_weights, layout
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from mendpix.inpainting.torch import load_filler
from mendpix.networks import serialization
from mendpix.networks.released_formats import IMAGENET_MEAN, IMAGENET_STD

Tensors = dict[str, Tensor]


def norm(x: Tensor, tensors: Tensors, name: str) -> Tensor:
    leaves = ("running_mean", "running_var", "weight", "bias")
    return F.batch_norm(x, *(tensors[f"{name}.{leaf}"] for leaf in leaves))


def port(x: Tensor, tensors: Tensors) -> Tensor:
    """``netG`` of the Context Encoder port: centre squares (N, 3, 64, 64) in [-1, 1]."""
    for place in sorted(int(k.split(".")[1]) for k, v in tensors.items() if v.ndim == 4):
        convolve = F.conv2d if place <= 14 else F.conv_transpose2d
        stride, padding = (1, 0) if place in (14, 17) else (2, 1)
        x = convolve(x, tensors[f"main.{place}.weight"], None, stride, padding)
        if f"main.{place + 1}.weight" in tensors:
            x = norm(x, tensors, f"main.{place + 1}")
        x = F.leaky_relu(x, 0.2) if place <= 14 else x.tanh() if place == 29 else x.relu()
    return x


def partial(x: Tensor, valid: Tensor, tensors: Tensors, name: str, stride: int) -> Any:
    """One partial convolution of the port: the count of known values, without the window's size.

    ``valid`` has as many channels as ``x`` and is convolved with ones, as there.
    """
    weight = tensors[f"{name}.conv.input_conv.weight"]
    padding = weight.shape[-1] // 2
    out = F.conv2d(x * valid, weight, None, stride, padding)
    count = F.conv2d(valid, tensors[f"{name}.conv.mask_conv.weight"], None, stride, padding)
    bias = tensors.get(f"{name}.conv.input_conv.bias", torch.zeros(len(weight)))[:, None, None]
    out = torch.where(count > 0, out / count.clamp(min=1) + bias, torch.zeros(()))
    if f"{name}.bn.weight" in tensors:
        out = norm(out, tensors, f"{name}.bn")
    return out, (count > 0).to(x)


def unet(x: Tensor, valid: Tensor, tensors: Tensors) -> Tensor:
    """The partial U-Net of the port, on pictures (N, 3, H, W) in ImageNet's normalisation."""
    levels = sum(key.startswith("enc") and "input" in key for key in tensors)
    passed = [(x, valid)]
    for level in range(1, levels + 1):
        x, valid = partial(*passed[-1], tensors, f"enc_{level}", 2)
        passed.append((x.relu(), valid))
    x, valid = passed.pop()
    for level in range(levels, 0, -1):
        skip, known = passed.pop()
        x = torch.cat([F.interpolate(x, scale_factor=2), skip], dim=1)
        valid = torch.cat([F.interpolate(valid, scale_factor=2), known], dim=1)
        x, valid = partial(x, valid, tensors, f"dec_{level}", 1)
        x = F.leaky_relu(x, 0.2) if level > 1 else x
    return x


def listed(reference: Path, file: str, entry: str | None = None) -> dict[str, tuple[int, ...]]:
    said = json.loads((reference / file).read_text())
    keys = (said[entry] if entry else said)["keys"]
    return {key: tuple(shape) for key, shape in keys}


def check_port(shapes: dict[str, tuple[int, ...]], folder: Path) -> None:
    tensors = draw_weights(shapes)
    torch.save({"epoch": 200, "state_dict": tensors}, folder / "netG.pth")
    network, card = serialization.load(folder / "netG.pth")
    assert (card["format"], card["values"]) == ("context_encoder_pytorch", "[-1, 1]")
    photo, hole = torch.rand(2, 3, 128, 128), torch.zeros(2, 1, 128, 128)
    hole[..., 36:92, 36:92] = 1
    seen = photo * 2 - 1
    for channel, value in enumerate((117, 104, 123)):
        seen[:, channel, 36:92, 36:92] = 2 * value / 255 - 1
    with torch.no_grad():
        made = network(photo, hole).image[..., 32:96, 32:96] * 2 - 1
        torch.testing.assert_close(made, port(seen, tensors), rtol=0, atol=2e-4)


def check_unet(shapes: dict[str, tuple[int, ...]], folder: Path) -> None:
    tensors = draw_weights(shapes)
    torch.save({"n_iter": 9, "model": tensors}, folder / "1000000.pth")
    network, card = serialization.load(folder / "1000000.pth")
    assert card["values"] == "ImageNet mean 0 and deviation 1"
    mean, std = (torch.tensor(v)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))
    size = network.multiple
    photo, hole = torch.rand(1, 3, size, size), (torch.rand(1, 1, size, size) > 0.6).float()
    hole[..., : size // 2, : size // 3] = 1
    with torch.no_grad():
        made = (network(photo, hole).image - mean) / std
        wanted = unet((photo - mean) / std, (1 - hole).expand_as(photo), tensors)
    torch.testing.assert_close(made, wanted, rtol=1e-4, atol=2e-4)


def test_context_encoder_computes_what_the_port_does(tmp_path: Path) -> None:
    check_port(layout("netG"), tmp_path)


def test_partial_unet_computes_what_the_port_does(tmp_path: Path) -> None:
    check_unet(layout("partial"), tmp_path)


def test_full_context_encoder(reference: Path, tmp_path: Path) -> None:
    check_port(listed(reference, "ce_full.state.json", "netG"), tmp_path)


def test_full_partial_unet(reference: Path, tmp_path: Path) -> None:
    check_unet(listed(reference, "naoto_pconvunet.state.json"), tmp_path)


@pytest.fixture(scope="module")
def photograph(shared: Path) -> NDArray[np.float32]:
    """An odd-sized part of a real photograph (257, 301, 3)."""
    source = sorted((shared / "photos" / "facades_spb").glob("*.webp"))[0]
    whole = np.asarray(Image.open(source).convert("RGB"), dtype=np.float32) / 255
    return whole[:257, :301]


@pytest.mark.parametrize(
    ("file", "entry", "entries"),
    [
        ("ce_full", "netG", "state_dict"),
        ("crfill_baseconv", None, None),
        ("crfill_twostagend", None, None),
        ("naoto_pconvunet", None, "model"),
    ],
)
def test_released_layouts_fill_a_photograph(
    reference: Path,
    photograph: NDArray[np.float32],
    tmp_path: Path,
    file: str,
    entry: str | None,
    entries: str | None,
) -> None:
    tensors: Any = draw_weights(listed(reference, f"{file}.state.json", entry))
    torch.save({entries: tensors} if entries else tensors, tmp_path / "other.pth")
    hole = np.zeros(photograph.shape[:2], bool)
    hole[40:110, 90:150] = hole[200:257, 290:301] = hole[150, 20] = True
    filler = load_filler(tmp_path / "other.pth", "cpu")
    filled = filler(photograph, hole)
    np.testing.assert_array_equal(filled[~hole], photograph[~hole])
    assert np.isfinite(filled).all() and filled.min() >= 0 and filled.max() <= 1
    assert filled[40:110, 90:150].std() > 0
