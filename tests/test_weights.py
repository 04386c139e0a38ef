"""Our weights files there and back, and other people's in exactly their released layout."""

import importlib.util
import json
import pickle
import stat
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from mendpix import __version__, models
from mendpix.errors import WeightsError
from mendpix.networks import DISCRIMINATORS, NETWORKS, weights
from mendpix.networks.context_encoder import (
    ContextEncoder,
    ContextEncoderOptions,
    RandomContextEncoder,
    RandomContextEncoderOptions,
)
from mendpix.networks.discriminators import ContextDiscriminator, ContextDiscriminatorOptions
from mendpix.networks.pan import PANInpainting, PANInpaintingOptions, PANOptions, PANUNet
from mendpix.networks.partial_unet import PartialUNet, PartialUNetOptions
from mendpix.networks.patch_discriminators import (
    PatchGAN,
    PatchGANOptions,
    SNPatchGAN,
    SNPatchOptions,
)

SMALL: list[nn.Module] = [
    ContextEncoder(ContextEncoderOptions(4, 16, overlap=7, fill="white")),
    RandomContextEncoder(RandomContextEncoderOptions(64, 4, 16, channelwise=True)),
    PANUNet(PANOptions("port", width=4)),
    PANInpainting(PANInpaintingOptions(4, 16)),
    PartialUNet(PartialUNetOptions(3, 4, std=(0.5, 0.5, 0.5))),
    ContextDiscriminator(ContextDiscriminatorOptions("whole", 64, 4)),
    SNPatchGAN(SNPatchOptions(width=4)),
    PatchGAN(PatchGANOptions(2, 4)),
]


def kept(network: nn.Module, path: Path, **card: Any) -> Path:
    return weights.save(path / "w.safetensors", network, card)


@pytest.mark.parametrize("network", SMALL, ids=lambda network: type(network).__name__)
def test_there_and_back(network: nn.Module, tmp_path: Path) -> None:
    path = kept(network, tmp_path, recipe={"steps": 3}, data=[{"name": "x", "licence": "CC0"}])
    back, card = weights.load(path)
    assert type(back) is type(network)
    assert back.options == network.options
    assert not back.training
    for key, value in network.state_dict().items():
        torch.testing.assert_close(back.state_dict()[key], value, rtol=0, atol=0)
    assert card["recipe"] == {"steps": 3}
    assert card["data"][0]["licence"] == "CC0"
    assert card["mendpix"] == __version__
    assert models.card(path)["sha256"] == models.verify(path)


def test_every_network_has_one_options_dataclass_with_defaults() -> None:
    for made in [*NETWORKS.values(), *DISCRIMINATORS.values()]:
        kind = weights.options_type(made)
        assert kind() == weights.options_from(made, {}, "test")


def test_half_precision_and_whole_numbers_keep_their_bytes(tmp_path: Path) -> None:
    network = PANUNet(PANOptions(width=4)).to(torch.bfloat16)
    path = kept(network, tmp_path)
    assert models.verify(path)
    back, _ = weights.load(path)
    torch.testing.assert_close(back.last.weight, network.last.weight.float(), rtol=0, atol=0)


def test_a_run_folder_loads(tmp_path: Path) -> None:
    weights.save(tmp_path / "best.safetensors", SMALL[0])
    assert isinstance(weights.load(tmp_path)[0], ContextEncoder)


def test_nothing_is_half_written(tmp_path: Path) -> None:
    path = kept(SMALL[0], tmp_path)
    before = path.read_bytes()
    with pytest.raises(WeightsError, match="cannot be written as JSON"):
        weights.save(path, SMALL[0], {"recipe": object()})
    with pytest.raises(WeightsError, match="is in neither NETWORKS nor DISCRIMINATORS"):
        weights.save(path, nn.Linear(1, 1))
    (tmp_path / "taken").mkdir()
    with pytest.raises(WeightsError, match="cannot be written"):
        weights.save(tmp_path / "taken", SMALL[0])
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["taken", "w.safetensors"]
    assert path.stat().st_mode & stat.S_IRUSR


def card_with(path: Path, changes: dict[str, Any]) -> None:
    """Write the file at ``path`` again under a card with other entries."""
    from safetensors.torch import load_file

    card = models.card(path) | changes
    save_file(load_file(path), path, {models.CARD: json.dumps(card)})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "context-encodr"}, "did you mean 'context-encoder'"),
        ({"network": "zzz"}, "known are context-encoder"),
        ({"kind": "style"}, "known are network, discriminator"),
        ({"options": {"widht": 4}}, "has no option 'widht'; did you mean 'width'"),
        ({"options": {"width": "wide"}}, "option width is 'wide'"),
        ({"options": {"fill": "pink"}}, "option fill is 'pink'"),
        ({"options": {"width": 4, "bottleneck": 32}}, "misshapen: body.bottleneck.0.conv.weight"),
        ({"options": {"channelwise": True, "width": 4}}, "missing: body.bottleneck.linear"),
        ({"sha256": "0" * 64}, "but its card says 000000000000"),
    ],
)
def test_a_card_that_does_not_fit_is_named(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = kept(SMALL[0], tmp_path)
    card_with(path, changes)
    with pytest.raises(WeightsError, match=message) as caught:
        weights.load(path)
    assert "\n" not in str(caught.value)


def test_unknown_devices_are_one_line() -> None:
    assert weights.choose_device("auto").type in ("cpu", "cuda", "mps")
    for name in ("cuda:99", "gpu", "meta"):
        with pytest.raises(WeightsError, match="use auto"):
            weights.choose_device(name)


# Other people's formats.


def layout(network: str) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of small files in the released layouts, spelled out by hand."""
    if network == "netG":
        return _port([3, 4, 4, 8, 16, 32, 16], [16, 32, 16, 8, 4, 3])
    if network == "netD":
        return _port([3, 4, 8, 16, 32, 1], [])
    return _partial([3, 4, 8, 16])


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


@pytest.mark.parametrize("form", ["netG", "partial"])
def test_converted_files_give_the_same_fill(form: str, tmp_path: Path) -> None:
    torch.save({"state_dict": drawn(layout(form))}, tmp_path / "other.pth")
    path = weights.convert(tmp_path / "other.pth", tmp_path / "ours.safetensors", {"note": "x"})
    (before, _), (after, card) = weights.load(tmp_path / "other.pth"), weights.load(path)
    assert card["format"] in ("context_encoder_pytorch", "pytorch-inpainting-with-partial-conv")
    assert card["note"] == "x"
    photo, hole = torch.rand(1, 3, 128, 128), torch.zeros(1, 1, 128, 128)
    hole[..., 40:80, 40:80] = 1
    torch.testing.assert_close(before(photo, hole), after(photo, hole), rtol=0, atol=0)


@pytest.mark.parametrize(("form", "_kind"), FORMS)
def test_keys_that_do_not_match_are_listed(form: str, _kind: object, tmp_path: Path) -> None:
    tensors = drawn(layout(form))
    first, second, third = [key for key in tensors if key.endswith("weight")][1:4]
    if form == "partial":
        first, second, third = (f"dec_{n}.conv.input_conv.weight" for n in (1, 2, 3))
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


# Against the released implementations' outputs.


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
