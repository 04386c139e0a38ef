"""PAN's transformation networks against the layer tables and the contract."""

import pytest
import torch
from torch import Tensor, nn

from mendpix.errors import TensorError
from mendpix.networks.corruption import crop_centre
from mendpix.networks.pan import PANInpainting, PANInpaintingOptions, PANOptions, PANUNet


def pair(n: int, size: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    hole = torch.zeros(n, 1, size, size)
    hole[..., size // 4 : 3 * size // 4, size // 4 : 3 * size // 4] = 1
    return torch.rand(n, 3, size, size), hole


def channels(network: PANUNet) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    down = [(step.conv.in_channels, step.conv.out_channels) for step in network.down]  # type: ignore[union-attr]
    up = [(step.conv.in_channels, step.conv.out_channels) for step in network.up]  # type: ignore[union-attr]
    return down, [*up, (network.last.in_channels, network.last.out_channels)]


def test_channels_of_the_code_s_plan() -> None:
    down, up = channels(PANUNet())
    assert down == [(3, 64), (64, 128), (128, 256), (256, 512), (512, 512), (512, 512)]
    assert up == [(512, 512), (1024, 512), (1024, 256), (512, 128), (256, 64), (64, 3)]


def test_channels_of_the_port_s_plan() -> None:
    _, up = channels(PANUNet(PANOptions("port")))
    assert up == [(512, 512), (1024, 256), (768, 128), (384, 64), (192, 64), (64, 3)]


def test_channels_of_the_facades_plan() -> None:
    network = PANUNet(PANOptions("facades"))
    down, up = channels(network)
    assert [c for _, c in down] == [64, 128, 256, 512, 512, 512, 512, 512]
    assert [c for _, c in up] == [512, 512, 512, 512, 256, 128, 64, 3]
    assert [c for c, _ in up] == [512, 1024, 1024, 1024, 1024, 512, 256, 128]
    last = network.down[-1]
    assert last.norm is None and isinstance(last.act, nn.ReLU)
    assert network.multiple == 256


def test_dropout_follows_the_first_three_steps_up() -> None:
    network = PANUNet(PANOptions("facades", width=8, dropout=0.5))
    assert [step.dropout.p for step in network.up] == [0.5, 0.5, 0.5, 0, 0, 0, 0]  # type: ignore[union-attr]
    photo, hole = pair(1, 256)
    assert not torch.equal(network(photo, hole).image, network(photo, hole).image)
    network.eval()
    torch.testing.assert_close(network(photo, hole), network(photo, hole), rtol=0, atol=0)


def test_first_norm_is_an_option() -> None:
    assert isinstance(PANUNet(PANOptions(width=8)).down[0].norm, nn.BatchNorm2d)
    assert PANUNet(PANOptions(width=8, first_norm=False)).down[0].norm is None


def test_skips_carry_the_convolution_before_norm_and_activation() -> None:
    network = PANUNet(PANOptions(width=4)).eval()
    raw: list[Tensor] = []
    joined: list[Tensor] = []
    network.down[4].conv.register_forward_hook(lambda *args: raw.append(args[2]))  # type: ignore[union-attr]
    network.up[1].conv.register_forward_pre_hook(lambda _, args: joined.append(args[0]))  # type: ignore[union-attr]
    network(*pair(1, 64))
    width = raw[0].shape[1]
    torch.testing.assert_close(joined[0][:, -width:], raw[0].relu(), rtol=0, atol=0)
    assert (raw[0] < 0).any()


def test_first_convolution_starts_wider() -> None:
    torch.manual_seed(0)
    network = PANUNet()
    assert network.down[0].conv.weight.std().item() == pytest.approx(0.05, rel=0.1)
    assert network.down[1].conv.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert network.last.weight.std().item() == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize("size", [(64, 128), (192, 64)])
def test_unet_takes_any_multiple(size: tuple[int, int]) -> None:
    photo, hole = torch.rand(2, 3, *size), torch.zeros(2, 1, *size)
    image = PANUNet(PANOptions(width=4))(photo, hole).image
    assert image.shape == photo.shape
    assert image.min() >= 0 and image.max() <= 1


def test_inpainting_form_is_context_encoder_with_small_kernels() -> None:
    network = PANInpainting()
    convs = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert [c.kernel_size[0] for c in convs] == [3, 3, 3, 3, 3, 4]
    assert [c.out_channels for c in convs] == [64, 64, 128, 256, 512, 4000]
    ups = [m for m in network.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert [c.out_channels for c in ups] == [512, 256, 128, 64, 3]
    assert convs[0].weight.std().item() == pytest.approx(0.05, rel=0.1)


def test_inpainting_form_predicts_the_centre() -> None:
    photo, hole = pair(2, 128)
    image = PANInpainting(PANInpaintingOptions(8, 32))(photo, hole).image
    outside = torch.ones_like(hole)
    crop_centre(outside).zero_()
    torch.testing.assert_close(image * outside, photo * outside, rtol=0, atol=1e-6)
    assert not torch.allclose(crop_centre(image), crop_centre(photo), atol=0.1)


torch.manual_seed(0)
CASES: list[tuple[nn.Module, int]] = [
    (PANUNet(PANOptions(width=4)), 128),
    (PANUNet(PANOptions("facades", width=4)), 256),
    (PANInpainting(PANInpaintingOptions(8, 32)), 128),
]


@pytest.mark.parametrize(("network", "size"), CASES)
@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_is_finite(network: nn.Module, size: int, kind: torch.dtype) -> None:
    photo, hole = pair(2, size)
    network.train()
    with torch.autocast("cpu", kind):
        image = network(photo, hole).image
    image.float().square().mean().backward()
    assert image.isfinite().all()
    for parameter in network.parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all()


@pytest.mark.parametrize(("network", "size"), CASES)
def test_traces_whole_and_in_channels_last(network: nn.Module, size: int) -> None:
    photo, hole = pair(2, size)
    plain = network.eval()(photo, hole).image
    traced = torch.compile(network, fullgraph=True, backend="eager")
    torch.testing.assert_close(traced(photo, hole).image, plain)
    last = torch.channels_last
    swapped = network.to(memory_format=last)(photo.to(memory_format=last), hole)  # type: ignore[call-overload]
    torch.testing.assert_close(swapped.image, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("network", "size"), CASES)
@pytest.mark.parametrize("missing", ["all", "none", "one pixel"])
def test_every_hole_is_defined(network: nn.Module, size: int, missing: str) -> None:
    photo, hole = pair(1, size)
    hole.fill_(1.0 if missing == "all" else 0.0)
    if missing == "one pixel":
        hole[..., 33, 33] = 1
    hidden = torch.where(hole == 1, torch.rand_like(photo), photo)
    image = network.eval()(photo, hole).image
    assert image.isfinite().all()
    torch.testing.assert_close(network(hidden, hole).image, image, rtol=0, atol=0)


def test_errors_say_what_is_wrong() -> None:
    network = PANUNet(PANOptions(width=4))
    photo, hole = pair(1, 64)
    with pytest.raises(TensorError, match="multiples of 64; pad it to 128x128"):
        network(torch.rand(1, 3, 100, 65), torch.zeros(1, 1, 100, 65))
    with pytest.raises(TensorError, match="2 photos or more"):
        network(photo, hole)
    with pytest.raises(TensorError, match="works at 128x128 only"):
        PANInpainting(PANInpaintingOptions(8, 32))(photo, hole)
