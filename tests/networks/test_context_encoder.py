"""Context Encoders against the released port's numbers, the tables and the contract."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mendpix.errors import TensorError
from mendpix.networks import released_files, released_formats
from mendpix.networks.context_encoder import (
    ContextEncoder,
    ContextEncoderOptions,
    RandomContextEncoder,
    RandomContextEncoderOptions,
)
from mendpix.networks.corruption import Corruption, Fill, crop_centre

SMALL = ContextEncoderOptions(width=8, bottleneck=32)


def seedgen(reference: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("seedgen", reference / "seedgen.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def released(reference: Path) -> ContextEncoder:
    """The released network with the reference's weights."""
    keys = json.loads((reference / "ce_small.state.json").read_text())["netG"]
    made = seedgen(reference).state_dict_for(keys["keys"], keys["base_seed"], keys["gain"])
    tensors = {key: torch.from_numpy(np.asarray(value)) for key, value in made.items()}
    network = released_files.build_from_tensors(tensors, "reference")[0]
    assert isinstance(network, ContextEncoder)
    return network


def pair(n: int = 2, size: int = 128) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    hole = torch.zeros(n, 1, size, size)
    hole[..., size // 4 + 4 : 3 * size // 4 - 4, size // 4 + 4 : 3 * size // 4 - 4] = 1
    return torch.rand(n, 3, size, size), hole


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_agrees_with_the_released_port(reference: Path, mode: str) -> None:
    numbers = np.load(reference / "ce_small.npz")
    network = released(reference).train(mode == "train")
    photo = (torch.from_numpy(numbers["image"]) + 1) / 2
    hole = torch.zeros(4, 1, 128, 128)
    hole[..., 36:92, 36:92] = 1
    torch.testing.assert_close(
        network.corruption(photo, hole), torch.from_numpy(numbers["input"]), rtol=0, atol=1e-6
    )
    square = crop_centre(network(photo, hole).image) * 2 - 1
    wanted = torch.from_numpy(numbers[f"fake_{mode}"])
    torch.testing.assert_close(square, wanted, rtol=0, atol=2e-4)


def test_full_size_has_the_released_tensors(reference: Path) -> None:
    keys = json.loads((reference / "ce_full.state.json").read_text())["netG"]["keys"]
    network = ContextEncoder()
    names = released_formats.RELEASED_FORMATS["context_encoder_pytorch"].map_names(network)
    state = network.state_dict()
    assert {names[key]: list(value.shape) for key, value in state.items()} == dict(keys)


def test_parameters_are_as_many_as_released() -> None:
    assert sum(p.numel() for p in ContextEncoder().parameters()) == 71_124_544


def test_no_convolution_has_a_bias() -> None:
    for module in ContextEncoder(SMALL).modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            assert module.bias is None


def test_weights_start_as_released() -> None:
    torch.manual_seed(0)
    network = ContextEncoder(ContextEncoderOptions(bottleneck=200))
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.1)
            assert abs(module.weight.mean().item()) < 0.005
        if isinstance(module, nn.BatchNorm2d):
            assert module.weight.mean().item() == pytest.approx(1, abs=0.02)
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.5)
            assert not module.bias.any()


def test_hole_takes_the_constants_in_the_code_s_order() -> None:
    photo, hole = pair(1)
    seen = Corruption("constants")(photo, hole)
    wanted = torch.tensor([-0.08235, -0.18431, -0.03529])
    torch.testing.assert_close(seen[0, :, 64, 64], wanted, rtol=0, atol=1e-5)
    known = hole.expand_as(photo) == 0
    torch.testing.assert_close(seen[known], (photo * 2 - 1)[known])


@pytest.mark.parametrize(("fill", "colour"), [("zero", 0.0), ("white", 1.0)])
def test_hole_takes_the_colour_asked_for(fill: Fill, colour: float) -> None:
    photo, hole = pair(1)
    seen = Corruption(fill)(photo, hole)
    assert bool((seen[hole.expand_as(photo) == 1] == colour).all())


def test_noise_is_still_in_eval_mode_and_new_in_training() -> None:
    photo, hole = pair(1, 200)
    corruption = Corruption("noise")
    inside = hole.expand_as(photo) == 1
    first, second = (corruption(photo, hole)[inside] for _ in range(2))
    assert not torch.equal(first, second)
    assert first.min() >= -1 and first.max() <= 1
    assert first.mean().abs() < 0.05 and first.std().item() == pytest.approx(3**-0.5, rel=0.05)
    corruption.eval()
    torch.testing.assert_close(corruption(photo, hole), corruption(photo, hole), rtol=0, atol=0)


@pytest.mark.parametrize("fill", ["constants", "zero", "white", "noise"])
def test_what_is_hidden_does_not_matter(fill: Fill) -> None:
    photo, hole = pair()
    network = ContextEncoder(ContextEncoderOptions(8, 32, fill=fill)).eval()
    other = torch.where(hole == 1, torch.rand_like(photo), photo)
    torch.testing.assert_close(network(photo, hole), network(other, hole), rtol=0, atol=0)


def test_only_the_centre_is_predicted() -> None:
    photo, hole = pair()
    image = ContextEncoder(SMALL)(photo, hole).image
    outside = torch.ones_like(hole)
    crop_centre(outside).zero_()
    torch.testing.assert_close(image * outside, photo * outside, rtol=0, atol=1e-6)
    frame = crop_centre((1 - hole).expand_as(photo)) == 1
    assert not torch.allclose(crop_centre(image)[frame], crop_centre(photo)[frame], atol=0.05)


@pytest.mark.parametrize("size", [128, 64])
def test_random_region_form_predicts_everything(size: int) -> None:
    photo, hole = pair(2, size)
    network = RandomContextEncoder(RandomContextEncoderOptions(size, 8, 32))
    image = network(photo, hole).image
    assert image.shape == photo.shape
    assert image.min() >= 0 and image.max() <= 1
    assert network.size == network.multiple == size


def test_random_region_form_has_one_step_more_at_128() -> None:
    long = RandomContextEncoder(RandomContextEncoderOptions(128, 8, 32)).body
    short = RandomContextEncoder(RandomContextEncoderOptions(64, 8, 32)).body
    assert len(long.encoder) == len(short.encoder) + 1
    assert len(long.decoder) == len(short.decoder) + 1


def test_channelwise_bottleneck_mixes_places_then_channels() -> None:
    photo, hole = pair(1)
    network = ContextEncoder(ContextEncoderOptions(width=8, channelwise=True))
    assert network(photo, hole).image.shape == photo.shape  # a batch of 1 trains here
    linear = network.body.bottleneck[0]
    assert sum(p.numel() for p in linear.parameters()) == 64 * 16 * 16 + 64 * 16


torch.manual_seed(0)
NETWORKS: list[nn.Module] = [
    ContextEncoder(SMALL),
    ContextEncoder(ContextEncoderOptions(width=8, channelwise=True, fill="noise")),
    RandomContextEncoder(RandomContextEncoderOptions(64, 8, 32)),
]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_is_finite(network: nn.Module, kind: torch.dtype) -> None:
    photo, hole = pair(2, network.size)  # type: ignore[arg-type]
    network.train()
    with torch.autocast("cpu", kind):
        image = network(photo, hole).image
    image.float().square().mean().backward()
    assert image.isfinite().all()
    for parameter in network.parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all()


@pytest.mark.parametrize("network", NETWORKS)
def test_traces_whole_and_in_channels_last(network: nn.Module) -> None:
    photo, hole = pair(2, network.size)  # type: ignore[arg-type]
    network.eval()
    plain = network(photo, hole).image
    traced = torch.compile(network, fullgraph=True, backend="eager")
    torch.testing.assert_close(traced(photo, hole).image, plain)
    last = torch.channels_last
    swapped = network.to(memory_format=last)(photo.to(memory_format=last), hole)  # type: ignore[call-overload]
    torch.testing.assert_close(swapped.image, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("missing", ["all", "none", "one pixel"])
def test_every_hole_is_defined(network: nn.Module, missing: str) -> None:
    photo, hole = pair(1, network.size)  # type: ignore[arg-type]
    hole.fill_(1.0 if missing == "all" else 0.0)
    if missing == "one pixel":
        hole[..., 33, 33] = 1
    assert network.eval()(photo, hole).image.isfinite().all()


def test_errors_say_what_is_wrong() -> None:
    photo, hole = pair()
    network = ContextEncoder(SMALL)
    wrong = [
        (photo[..., :100], hole[..., :100], "works at 128x128 only"),
        (photo * 255, hole, "divide by 255"),
        (photo, hole * 0.5, "other than 0 and 1"),
        (photo / 0 * 0, hole, "NaN"),
        (photo, hole.to("meta"), "move one of them"),
        (photo.to("meta"), hole.to("meta"), "ContextEncoder is on cpu"),
        (photo[:, :1], hole, r"must be \(N, 3, H, W\)"),
        (photo, hole[:1], "give the hole the shape"),
        (photo[:1], hole[:1], "2 photos or more"),
    ]
    for bad_photo, bad_hole, message in wrong:
        with pytest.raises(TensorError, match=message) as caught:
            network(bad_photo, bad_hole)
        assert "\n" not in str(caught.value)


def test_unknown_size_is_refused() -> None:
    with pytest.raises(TensorError, match="size is 96 but"):
        RandomContextEncoder(RandomContextEncoderOptions(size=96))
