"""Other people's weights, in exactly their released layouts: known, loaded, filled with."""

import importlib.util
import json
import pickle
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from layouts import draw_weights, layout
from safetensors.torch import save_file
from torch import Tensor, nn

from mendpix.errors import WeightsError
from mendpix.networks import released_files, released_formats, serialization
from mendpix.networks.context_encoder import ContextEncoder
from mendpix.networks.crfill import CRFill
from mendpix.networks.discriminators import ContextDiscriminator
from mendpix.networks.partial_unet import PartialUNet
from mendpix.networks.patch_discriminators import SNPatchGAN
from mendpix.weights import cards

FORMS: list[tuple[str, type[nn.Module]]] = [
    ("netG", ContextEncoder),
    ("netD", ContextDiscriminator),
    ("partial", PartialUNet),
    ("crfill", CRFill),
    ("two-stage", CRFill),
    ("crfill-d", SNPatchGAN),
]


@pytest.mark.parametrize(("form", "kind"), FORMS)
@pytest.mark.parametrize("wrapped", ["bare", "state_dict", "module", "safetensors", "old"])
def test_foreign_files_are_known_by_their_keys(
    form: str, kind: type[nn.Module], wrapped: str, tmp_path: Path
) -> None:
    tensors = draw_weights(layout(form))
    path = tmp_path / "other.pth"
    if wrapped == "safetensors":
        path = tmp_path / "other.safetensors"
        save_file(tensors, path)
    elif wrapped == "state_dict":
        optimizer = {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1}]}
        torch.save({"epoch": 7, "optimizer": optimizer, "state_dict": tensors}, path)
    elif wrapped == "module":
        torch.save({f"module.{key}": value for key, value in tensors.items()}, path)
    elif wrapped == "old":  # the form before PyTorch 1.6
        torch.save(tensors, path, _use_new_zipfile_serialization=False)
    else:
        torch.save(tensors, path)
    network, card = serialization.load(path)
    assert type(network) is kind
    assert card["licence"] == "unknown: ask the source"
    assert card["source"].startswith("https://github.com/")
    assert card["file"] == path.name


@pytest.mark.parametrize("form", ["netG", "partial", "crfill", "two-stage"])
def test_converted_files_give_the_same_fill(form: str, tmp_path: Path) -> None:
    torch.save({"state_dict": draw_weights(layout(form))}, tmp_path / "other.pth")
    path = serialization.convert(
        tmp_path / "other.pth", tmp_path / "ours.safetensors", {"note": "x"}
    )
    (before, _), (after, card) = (
        serialization.load(tmp_path / "other.pth"),
        serialization.load(path),
    )
    assert (
        card["format"] in released_formats.RELEASED_FORMATS
        and card["format"] in cards.read_card(path)["format"]
    )
    assert card["note"] == "x"
    photo, hole = torch.rand(1, 3, 128, 128), torch.zeros(1, 1, 128, 128)
    hole[..., 40:80, 40:80] = 1
    torch.testing.assert_close(before(photo, hole), after(photo, hole), rtol=0, atol=0)


@pytest.mark.parametrize(("form", "_kind"), FORMS)
def test_keys_that_do_not_match_are_listed(form: str, _kind: object, tmp_path: Path) -> None:
    tensors = draw_weights(layout(form))
    ends = ("weight", "weight_orig")
    first, second, third = [k for k in tensors if k.endswith(ends) and "mask" not in k][1:4]
    tensors["extra.weight"] = torch.zeros(1)
    tensors["changed"] = tensors.pop(first)
    tensors[third] = torch.zeros(5, 5)
    torch.save(tensors, tmp_path / "other.pth")
    with pytest.raises(WeightsError) as caught:
        serialization.load(tmp_path / "other.pth")
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
    torch.save({"state_dict": draw_weights(layout("netG")), "x": Evil()}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="nothing else is unpickled"):
        serialization.load(tmp_path / "other.pth")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(WeightsError):
        serialization.load(tmp_path / "plain.pt")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04broken"])
def test_damaged_files_are_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "other.pth").write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        serialization.load(tmp_path / "other.pth")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("prefix", ["module._orig_mod.", "net.", "model.", "generator."])
@pytest.mark.parametrize(("form", "kind"), FORMS)
def test_what_wrappers_put_before_all_keys_comes_off(
    form: str, kind: type[nn.Module], prefix: str
) -> None:
    tensors = draw_weights(layout(form))
    wrapped = {prefix + key: value for key, value in tensors.items()}
    network, _ = released_files.build_from_tensors(wrapped, "the file")
    bare, _ = released_files.build_from_tensors(tensors, "the file")
    assert type(network) is kind
    for value, other in zip(network.state_dict().values(), bare.state_dict().values(), strict=True):
        assert torch.equal(value, other)


def test_a_prefix_of_some_keys_stays() -> None:
    tensors = {"net.a": torch.zeros(1), "b": torch.zeros(1)}
    assert released_formats.strip_wrappers(tensors) == tensors
    assert released_formats.strip_wrappers({}) == {}


def test_the_old_place_of_the_formats_still_answers() -> None:
    with pytest.warns(DeprecationWarning, match=r"is now mendpix\.networks\.released_formats"):
        from mendpix.networks.adapters import ADAPTERS
    network = CRFill()
    names = released_formats.RELEASED_FORMATS["crfill"].map_names(network)
    assert ADAPTERS["crfill"].names(network) == names


@pytest.mark.parametrize("content", [b"root:x:0:0:root:/root:/bin/bash\n", b"\x80\x02.", b"PK"])
def test_text_and_empty_pickles_are_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=r"w\.pth is (damaged|no file)"):
        serialization.load(tmp_path / "w.pth")


def test_unknown_formats_name_their_keys_and_ours(tmp_path: Path) -> None:
    torch.save({"a.b": torch.zeros(1), "c.d": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=r"its keys begin a\.b, c\.d; known are context_enc"):
        serialization.load(tmp_path / "other.pth")
    torch.save({"epoch": 3}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="it holds no tensors"):
        serialization.load(tmp_path / "other.pth")


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
    network, card = serialization.load(tmp_path / "1000000.pth")
    assert card["format"] == "pytorch-inpainting-with-partial-conv"
    assert isinstance(network, PartialUNet)
    numbers = np.load(reference / "naoto_pconvunet_layer4_64.npz")
    hole = 1 - torch.from_numpy(numbers["mask"])[:, :1]
    photo = torch.from_numpy(numbers["image"]) * network.std + network.mean
    made = (network(photo, hole).image - network.mean) / network.std
    torch.testing.assert_close(made, torch.from_numpy(numbers["out_eval"]), rtol=0, atol=2e-4)


@pytest.mark.parametrize("before", ["", "module.", "module.baseg.", "two-stage"])
def test_crfill_agrees_with_the_released_one(reference: Path, before: str, tmp_path: Path) -> None:
    tensors = released(reference, "crfill_baseconv.state.json")
    if before == "two-stage":
        others = json.loads((reference / "crfill_twostagend.state.json").read_text())["keys"]
        branch = {key: tuple(shape) for key, shape in others if not key.startswith("baseg.")}
        tensors = {f"baseg.{k}": v for k, v in tensors.items()} | draw_weights(branch)
        assert len(tensors) == 108
        before = ""
    torch.save({before + key: value for key, value in tensors.items()}, tmp_path / "9_net_G.pth")
    network, card = serialization.load(tmp_path / "9_net_G.pth")
    assert (card["format"], card["values"]) == ("crfill", "[-1, 1]")
    numbers = {
        k: torch.from_numpy(v) for k, v in np.load(reference / "crfill_baseconv_rect.npz").items()
    }
    made = network((numbers["image"] + 1) / 2, numbers["mask"])
    for ours, theirs in ((made.image, "fine"), (made.coarse, "coarse")):
        torch.testing.assert_close(ours * 2 - 1, numbers[theirs], rtol=0, atol=2e-4)
