"""Other people's weights, in exactly their released layouts: known, loaded, filled with."""

import importlib.util
import json
import pickle
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from mendpix import models
from mendpix.errors import WeightsError
from mendpix.networks import foreign, weights
from mendpix.networks.context_encoder import ContextEncoder
from mendpix.networks.crfill import CRFill
from mendpix.networks.discriminators import ContextDiscriminator
from mendpix.networks.partial_unet import PartialUNet
from mendpix.networks.patch_discriminators import SNPatchGAN


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


def drawn(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    made = {}
    for key, shape in shapes.items():
        made[key] = torch.rand(shape) + 0.5 if key.endswith("var") else torch.randn(shape) * 0.1
        if "mask_conv" in key:
            made[key] = torch.ones(shape)
        if key.endswith("tracked"):
            made[key] = torch.zeros(shape, dtype=torch.int64)
    return made


FORMS: list[tuple[str, type[nn.Module]]] = [
    ("netG", ContextEncoder),
    ("netD", ContextDiscriminator),
    ("partial", PartialUNet),
    ("crfill", CRFill),
    ("two-stage", CRFill),
    ("crfill-d", SNPatchGAN),
]


@pytest.mark.parametrize(("form", "kind"), FORMS)
@pytest.mark.parametrize("wrapped", ["bare", "state_dict", "module", "safetensors"])
def test_foreign_files_are_known_by_their_keys(
    form: str, kind: type[nn.Module], wrapped: str, tmp_path: Path
) -> None:
    tensors = drawn(layout(form))
    path = tmp_path / "other.pth"
    if wrapped == "safetensors":
        path = tmp_path / "other.safetensors"
        save_file(tensors, path)
    elif wrapped == "state_dict":
        optimizer = {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1}]}
        torch.save({"epoch": 7, "optimizer": optimizer, "state_dict": tensors}, path)
    elif wrapped == "module":
        torch.save({f"module.{key}": value for key, value in tensors.items()}, path)
    else:
        torch.save(tensors, path)
    network, card = weights.load(path)
    assert type(network) is kind
    assert card["licence"] == "unknown: ask the source"
    assert card["source"].startswith("https://github.com/")
    assert card["file"] == path.name


@pytest.mark.parametrize("form", ["netG", "partial", "crfill", "two-stage"])
def test_converted_files_give_the_same_fill(form: str, tmp_path: Path) -> None:
    torch.save({"state_dict": drawn(layout(form))}, tmp_path / "other.pth")
    path = weights.convert(tmp_path / "other.pth", tmp_path / "ours.safetensors", {"note": "x"})
    (before, _), (after, card) = weights.load(tmp_path / "other.pth"), weights.load(path)
    assert card["format"] in foreign.ADAPTERS and card["format"] in models.card(path)["format"]
    assert card["note"] == "x"
    photo, hole = torch.rand(1, 3, 128, 128), torch.zeros(1, 1, 128, 128)
    hole[..., 40:80, 40:80] = 1
    torch.testing.assert_close(before(photo, hole), after(photo, hole), rtol=0, atol=0)


@pytest.mark.parametrize(("form", "_kind"), FORMS)
def test_keys_that_do_not_match_are_listed(form: str, _kind: object, tmp_path: Path) -> None:
    tensors = drawn(layout(form))
    ends = ("weight", "weight_orig")
    first, second, third = [k for k in tensors if k.endswith(ends) and "mask" not in k][1:4]
    tensors["extra.weight"] = torch.zeros(1)
    tensors["changed"] = tensors.pop(first)
    tensors[third] = torch.zeros(5, 5)
    torch.save(tensors, tmp_path / "other.pth")
    with pytest.raises(WeightsError) as caught:
        weights.load(tmp_path / "other.pth")
    said = str(caught.value)
    assert f"1 missing: {first}" in said
    assert "2 unexpected: extra.weight, changed" in said
    assert f"1 misshapen: {third} (5, 5) for" in said
    assert second not in said and "\n" not in said


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("evil"),))


def test_no_code_of_strangers_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": drawn(layout("netG")), "x": Evil()}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="nothing else is unpickled"):
        weights.load(tmp_path / "other.pth")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(WeightsError):
        weights.load(tmp_path / "plain.pt")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04broken"])
def test_damaged_files_are_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "other.pth").write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        weights.load(tmp_path / "other.pth")
    assert "\n" not in str(caught.value)


def test_unknown_formats_name_their_keys_and_ours(tmp_path: Path) -> None:
    torch.save({"a.b": torch.zeros(1), "c.d": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=r"its keys begin a\.b, c\.d; known are context_enc"):
        weights.load(tmp_path / "other.pth")
    torch.save({"epoch": 3}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="it holds no tensors"):
        weights.load(tmp_path / "other.pth")


def seedgen(reference: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("seedgen", reference / "seedgen.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def released(reference: Path, file: str) -> dict[str, Tensor]:
    said = json.loads((reference / file).read_text())
    made = seedgen(reference).state_dict_for(
        said["keys"], said.get("base_seed", 25), said.get("gain", 0.6)
    )
    return {key: torch.from_numpy(np.asarray(value)) for key, value in made.items()}


def test_partial_unet_agrees_with_the_released_one(reference: Path, tmp_path: Path) -> None:
    tensors = released(reference, "naoto_pconvunet_layer4.state.json")
    for key, value in tensors.items():  # as that implementation, which lacks sum(1), was loaded
        if key.endswith("input_conv.weight"):
            value.mul_(value[0].numel())
    torch.save({"n_iter": 1, "model": tensors}, tmp_path / "1000000.pth")
    network, card = weights.load(tmp_path / "1000000.pth")
    assert card["format"] == "pytorch-inpainting-with-partial-conv"
    assert isinstance(network, PartialUNet)
    numbers = np.load(reference / "naoto_pconvunet_layer4_64.npz")
    hole = 1 - torch.from_numpy(numbers["mask"])[:, :1]
    photo = torch.from_numpy(numbers["image"]) * network.std + network.mean
    made = (network(photo, hole).image - network.mean) / network.std
    torch.testing.assert_close(made, torch.from_numpy(numbers["out_eval"]), rtol=0, atol=2e-4)


def test_the_full_partial_unet_has_the_released_tensors(reference: Path, tmp_path: Path) -> None:
    torch.save(released(reference, "naoto_pconvunet.state.json"), tmp_path / "other.pth")
    network, _ = weights.load(tmp_path / "other.pth")
    assert network.options.levels == 7


@pytest.mark.parametrize("before", ["", "module.", "module.baseg.", "two-stage"])
def test_crfill_agrees_with_the_released_one(reference: Path, before: str, tmp_path: Path) -> None:
    tensors = released(reference, "crfill_baseconv.state.json")
    if before == "two-stage":
        others = json.loads((reference / "crfill_twostagend.state.json").read_text())["keys"]
        branch = {key: tuple(shape) for key, shape in others if not key.startswith("baseg.")}
        tensors = {f"baseg.{k}": v for k, v in tensors.items()} | drawn(branch)
        assert len(tensors) == 108
        before = ""
    torch.save({before + key: value for key, value in tensors.items()}, tmp_path / "9_net_G.pth")
    network, card = weights.load(tmp_path / "9_net_G.pth")
    assert (card["format"], card["values"]) == ("crfill", "[-1, 1]")
    numbers = {
        k: torch.from_numpy(v) for k, v in np.load(reference / "crfill_baseconv_rect.npz").items()
    }
    made = network((numbers["image"] + 1) / 2, numbers["mask"])
    for ours, theirs in ((made.image, "fine"), (made.coarse, "coarse")):
        torch.testing.assert_close(ours * 2 - 1, numbers[theirs], rtol=0, atol=2e-4)
