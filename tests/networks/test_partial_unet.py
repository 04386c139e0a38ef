"""The partial U-Net against its layer table, eq. 1-2 spelled out, and its contract."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mendpix.errors import TensorError
from mendpix.networks.layers import PartialConv2d
from mendpix.networks.partial_unet import PartialBlock, PartialUNet, PartialUNetOptions


def small(levels: int = 4, width: int = 4) -> PartialUNet:
    torch.manual_seed(0)
    return PartialUNet(PartialUNetOptions(levels, width))


def pair(n: int, height: int, width: int, share: float = 0.5) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    hole = F.interpolate(
        (torch.rand(n, 1, height // 4, width // 4) < share).float(), scale_factor=4
    )
    return torch.rand(n, 3, height, width), hole


def partial(x: Tensor, valid: Tensor, conv: nn.Conv2d) -> tuple[Tensor, Tensor]:
    """Eq. 1-2 with a count over every channel, as the released layer takes it."""
    ones = torch.ones(1, *conv.weight.shape[1:], dtype=x.dtype)
    count = F.conv2d(valid, ones, None, conv.stride, conv.padding)
    raw = F.conv2d(x * valid, conv.weight, None, conv.stride, conv.padding)
    out = raw * ones.numel() / count.clamp(min=1)
    if conv.bias is not None:
        out = out + conv.bias[:, None, None]
    known = (count > 0).to(x)
    return out * known, known.expand_as(out)


def by_definition(network: PartialUNet, photo: Tensor, hole: Tensor) -> Tensor:
    """The network with a valid map for every channel, each tensor masked by its own."""

    def apply(block: PartialBlock, x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        x, valid = partial(x, valid, block.conv)
        x = x if block.norm is None else block.norm(x)
        return (x if block.act is None else block.act(x)), valid

    skips = [(photo, (1 - hole).expand_as(photo))]
    for block in network.encoder:
        skips.append(apply(block, *skips[-1]))  # type: ignore[arg-type]
    x, valid = skips.pop()
    for block in (*network.decoder, network.last):
        twice = (F.interpolate(part, scale_factor=2) for part in (x, valid))
        joined = [torch.cat(both, dim=1) for both in zip(twice, skips.pop(), strict=True)]
        x, valid = apply(block, *joined)  # type: ignore[arg-type]
    return x


@pytest.mark.parametrize("share", [0.0, 0.3, 0.95, 1.0])
@pytest.mark.parametrize("train", [False, True])
def test_agrees_with_its_definition(share: float, train: bool) -> None:
    network = small().double().train(train)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.0
            nn.init.normal_(module.bias, 0.1)
    photo, hole = (part.double() for part in pair(2, 64, 96, share))
    ours = network(photo, hole).image
    wanted = by_definition(network, photo, hole)
    if train:  # the norm's statistics take in what is missing as 0, on both sides alike
        torch.testing.assert_close(ours, wanted, rtol=1e-5, atol=1e-5)
    else:
        torch.testing.assert_close(ours, wanted, rtol=1e-6, atol=1e-6)


def test_layers_are_the_paper_s() -> None:
    network = PartialUNet()
    down = [
        (b.conv.in_channels, b.conv.out_channels, b.conv.kernel_size[0]) for b in network.encoder
    ]  # type: ignore[union-attr]
    assert down == [
        *[(3, 64, 7), (64, 128, 5), (128, 256, 5), (256, 512, 3)],
        *[(512, 512, 3)] * 4,
    ]
    up = [(b.conv.in_channels, b.conv.out_channels) for b in network.decoder]  # type: ignore[union-attr]
    assert up == [*[(1024, 512)] * 4, (768, 256), (384, 128), (192, 64)]
    assert (network.last.conv.in_channels, network.last.conv.out_channels) == (67, 3)
    convs = [m for m in network.modules() if isinstance(m, PartialConv2d)]
    assert [conv.bias is not None for conv in convs] == [False] * 15 + [True]
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 7 + 7
    assert network.multiple == 256


def test_seven_levels_have_as_many_weights_as_the_port() -> None:
    network = PartialUNet(PartialUNetOptions(levels=7))
    learned = sum(p.numel() for p in network.parameters())
    assert learned == pytest.approx(25.78e6, rel=1e-3)


def test_what_hides_in_the_hole_does_not_matter() -> None:
    network = small().eval()
    photo, hole = pair(2, 64, 64)
    other = torch.where(hole == 1, torch.rand_like(photo), photo)
    torch.testing.assert_close(network(photo, hole), network(other, hole), rtol=0, atol=0)


def test_all_missing_is_the_mean_without_a_bias() -> None:
    options = PartialUNetOptions(3, 4, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    network = PartialUNet(options).eval()
    image = network(torch.rand(1, 3, 16, 24), torch.ones(1, 1, 16, 24)).image
    wanted = torch.tensor(options.mean).view(1, 3, 1, 1).expand_as(image)
    torch.testing.assert_close(image, wanted)


def test_its_own_values_are_normalised_and_back() -> None:
    plain, shifted = small(), PartialUNet(PartialUNetOptions(4, 4, (0.3,) * 3, (0.25,) * 3))
    shifted.load_state_dict(plain.state_dict())
    photo, hole = pair(1, 32, 32)
    inner = (photo - 0.3) / 0.25
    low, high = inner.aminmax()
    image = plain.eval()((inner - low) / (high - low), hole * 0).image
    assert image.isfinite().all()
    with torch.no_grad():
        wanted = by_definition(shifted.eval(), inner, hole) * 0.25 + 0.3
    torch.testing.assert_close(shifted(photo, hole).image, wanted, rtol=1e-4, atol=1e-4)


def test_frozen_norms_stay_in_the_encoder_and_move_in_the_decoder() -> None:
    network = small()
    network.freeze_encoder_norm()
    network.train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network(*pair(2, 32, 32)).image.sum().backward()
    after = network.state_dict()
    moved = {key for key in before if not torch.equal(before[key], after[key])}
    assert moved and all(key.startswith("decoder.") for key in moved)
    assert all(
        (parameter.grad is None) == (key.startswith("encoder.") and ".norm." in key)
        for key, parameter in network.named_parameters()
    )
    network.freeze_encoder_norm(False)
    network(*pair(2, 32, 32)).image.sum().backward()
    assert not torch.equal(
        before["encoder.1.norm.running_mean"], network.state_dict()["encoder.1.norm.running_mean"]
    )


def test_one_photo_at_the_deepest_place_cannot_train_and_frozen_it_can() -> None:
    network = small()
    with pytest.raises(TensorError, match="give 2 photos or 32x32") as caught:
        network(*pair(1, 16, 16))
    assert "\n" not in str(caught.value)
    network.freeze_encoder_norm()
    assert network(*pair(1, 16, 16)).image.isfinite().all()


def test_any_number_of_levels() -> None:
    for levels, following in pairwise(range(1, 7)):
        network = PartialUNet(PartialUNetOptions(levels, 2))
        assert network.multiple * 2 == 2**following
        side = 2 * network.multiple
        assert network(*pair(2, max(side, 8), max(side, 8))).image.shape[2] == max(side, 8)


def test_gradients_reach_every_weight() -> None:
    network = small().double()
    photo, hole = (part.double() for part in pair(2, 64, 64))
    network(photo, hole).image.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())
