"""Our weights files, there and back, and what is wrong with those that do not fit."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mendpix import __version__
from mendpix.errors import WeightsError
from mendpix.networks import DISCRIMINATORS, NETWORKS, serialization
from mendpix.networks.context_encoder import (
    ContextEncoder,
    ContextEncoderOptions,
    RandomContextEncoder,
    RandomContextEncoderOptions,
)
from mendpix.networks.crfill import CRFill, CRFillOptions
from mendpix.networks.discriminators import ContextDiscriminator, ContextDiscriminatorOptions
from mendpix.networks.pan import PANInpainting, PANInpaintingOptions, PANOptions, PANUNet
from mendpix.networks.partial_unet import PartialUNet, PartialUNetOptions
from mendpix.networks.patch_discriminators import (
    PatchGAN,
    PatchGANOptions,
    SNPatchGAN,
    SNPatchOptions,
)
from mendpix.weights import cards

torch.manual_seed(0)
SMALL: list[nn.Module] = [
    ContextEncoder(ContextEncoderOptions(4, 16, overlap=7, fill="white")),
    RandomContextEncoder(RandomContextEncoderOptions(64, 4, 16, channelwise=True)),
    PANUNet(PANOptions("port", width=4)),
    PANInpainting(PANInpaintingOptions(4, 16)),
    PartialUNet(PartialUNetOptions(3, 4, std=(0.5, 0.5, 0.5))),
    CRFill(CRFillOptions(width=8)),
    ContextDiscriminator(ContextDiscriminatorOptions("whole", 64, 4)),
    SNPatchGAN(SNPatchOptions(width=4)),
    PatchGAN(PatchGANOptions(2, 4)),
]


def kept(network: nn.Module, path: Path, **card: Any) -> Path:
    return serialization.save(path / "w.safetensors", network, card)


@pytest.mark.parametrize("network", SMALL, ids=lambda network: type(network).__name__)
def test_there_and_back(network: nn.Module, tmp_path: Path) -> None:
    path = kept(network, tmp_path, recipe={"steps": 3}, data=[{"name": "x", "licence": "CC0"}])
    back, card = serialization.load(path)
    assert type(back) is type(network)
    assert back.options == network.options
    assert not back.training
    for key, value in network.state_dict().items():
        torch.testing.assert_close(back.state_dict()[key], value, rtol=0, atol=0)
    assert card["recipe"] == {"steps": 3}
    assert card["data"][0]["licence"] == "CC0"
    assert card["mendpix"] == __version__
    assert cards.read_card(path)["sha256"] == cards.verify(path)


def test_every_network_has_one_options_dataclass_with_defaults() -> None:
    for made in [*NETWORKS.values(), *DISCRIMINATORS.values()]:
        kind = serialization.find_options_type(made)
        assert kind() == serialization.parse_options(made, {}, "test")


def test_half_precision_and_whole_numbers_keep_their_bytes(tmp_path: Path) -> None:
    network = PANUNet(PANOptions(width=4)).to(torch.bfloat16)
    path = kept(network, tmp_path)
    assert cards.verify(path)
    back, _ = serialization.load(path)
    torch.testing.assert_close(back.last.weight, network.last.weight.float(), rtol=0, atol=0)


def test_files_say_what_their_networks_are(tmp_path: Path) -> None:
    said = serialization.describe(kept(SMALL[0], tmp_path, recipe={"steps": 3}))
    assert (said["network"], said["options"]["overlap"]) == ("context-encoder", 7)
    assert said["recipe"] == {"steps": 3}
    assert (said["multiple"], said["size"], said["hole"]) == (128, 128, "centre")
    assert said["parameters"] == sum(p.numel() for p in SMALL[0].parameters())
    said = serialization.describe(kept(SMALL[5], tmp_path))
    assert (said["multiple"], said["size"], said["hole"]) == (4, None, "any")


def test_a_run_folder_loads(tmp_path: Path) -> None:
    serialization.save(tmp_path / "best.safetensors", SMALL[0])
    assert isinstance(serialization.load(tmp_path)[0], ContextEncoder)


def test_nothing_is_half_written(tmp_path: Path) -> None:
    path = kept(SMALL[0], tmp_path)
    before = path.read_bytes()
    with pytest.raises(WeightsError, match="cannot be written as JSON"):
        serialization.save(path, SMALL[0], {"recipe": object()})
    with pytest.raises(WeightsError, match="is in neither NETWORKS nor DISCRIMINATORS"):
        serialization.save(path, nn.Linear(1, 1))
    (tmp_path / "taken.safetensors").mkdir()
    with pytest.raises(WeightsError, match="cannot be written"):
        serialization.save(tmp_path / "taken.safetensors", SMALL[0])
    with pytest.raises(WeightsError, match=r"w\.pth is not; use w\.safetensors"):
        serialization.save(tmp_path / "w.pth", SMALL[0])
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["taken.safetensors", "w.safetensors"]
    assert path.stat().st_mode & stat.S_IRUSR


def card_with(path: Path, changes: dict[str, Any]) -> None:
    """Write the file at ``path`` again under a card with other entries."""
    from safetensors.torch import load_file

    card = cards.read_card(path) | changes
    save_file(load_file(path), path, {cards.CARD: json.dumps(card)})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "context-encodr"}, "did you mean 'context-encoder'"),
        ({"network": "zzz"}, "known are context-encoder"),
        ({"kind": "style"}, "known are network, discriminator"),
        ({"options": {"widht": 4}}, "has no option 'widht'; did you mean 'width'"),
        ({"options": {"width": "wide"}}, "options.width is 'wide'"),
        ({"options": {"fill": "pink"}}, "options.fill is 'pink'"),
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
        serialization.load(path)
    assert "\n" not in str(caught.value)


def test_unknown_devices_are_one_line() -> None:
    assert serialization.choose_device("auto").type in ("cpu", "cuda", "mps")
    for name in ("cuda:99", "gpu", "meta"):
        with pytest.raises(WeightsError, match="use auto"):
            serialization.choose_device(name)
