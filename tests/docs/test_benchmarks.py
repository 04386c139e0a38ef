"""The plain side of the training benchmark computes what ours does: an independent writing."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mendpix.losses.adversarial import Adversarial
from mendpix.networks.crfill import CRFill, CRFillOptions
from mendpix.networks.layers import PartialConv2d
from mendpix.networks.partial_unet import PartialUNet, PartialUNetOptions
from mendpix.networks.patch_discriminators import SNPatchGAN, SNPatchOptions
from mendpix.training.samples import Batch

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(FOLDER)
    import plain_training

    yield plain_training
    sys.modules.pop("plain_training")


def pictures(size: int = 64) -> tuple[Tensor, Tensor]:
    torch.manual_seed(4)
    hole = torch.zeros(2, 1, size, size)
    hole[0, :, 20:50, 16:40] = 1
    hole[1, :, 5:30, 30:60] = 1
    return torch.rand(2, 3, size, size), hole


def test_crfill_is_the_same_network(plain: ModuleType) -> None:
    ours, theirs = CRFill(CRFillOptions(width=8)).train(), plain.CRFill(8)
    with torch.no_grad():
        for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            other.copy_(mine)
    photo, hole = pictures()
    made, (coarse, fine, aux) = ours(photo, hole), theirs(photo * 2 - 1, hole)
    for mine, other in ((made.coarse, coarse), (made.image, fine), (made.aux, aux)):
        torch.testing.assert_close(mine * 2 - 1, other, rtol=1e-5, atol=1e-6)
    (made.image.mean() + made.aux.square().mean()).backward()
    ((fine.mean() + 1) / 2 + ((aux + 1) / 2).square().mean()).backward()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        if mine.grad is None:
            assert other.grad is None
            continue
        assert other.grad is not None
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-3, atol=1e-7)


def test_the_partial_unet_is_the_same_network(plain: ModuleType) -> None:
    ours, theirs = PartialUNet(PartialUNetOptions(levels=4, width=4)), plain.PartialUNet(4, 4)
    convs = (m for m in theirs.modules() if isinstance(m, plain.PartialConv))
    with torch.no_grad():
        for mine, other in zip(
            (m for m in ours.modules() if isinstance(m, PartialConv2d)), convs, strict=True
        ):
            other.conv.weight.copy_(mine.weight)
            if mine.bias is not None:
                other.bias.copy_(mine.bias[:, None, None])
    photo, hole = pictures()
    torch.testing.assert_close(
        ours.train()(photo, hole).image, theirs(photo, hole), rtol=1e-4, atol=1e-5
    )


def test_the_judge_and_its_game_are_the_same(plain: ModuleType) -> None:
    """In eval mode, where neither side's power iteration moves: spectrally normed, hinge."""
    ours = SNPatchGAN(SNPatchOptions(plane="ones", slope=0.01, padding="symmetric", width=4))
    theirs = plain.Judge(4)
    with torch.no_grad():
        for mine, other in zip(ours.convs, list(theirs)[::2], strict=True):
            other.parametrizations.weight.original.copy_(mine.weight)
            other.bias.copy_(mine.bias)
            other.parametrizations.weight[0]._u.copy_(mine.u)
            other.parametrizations.weight[0]._v.copy_(mine.v)
    ours.eval(), theirs.eval()
    photo, hole = pictures()
    other = photo.flip(0)
    torch.testing.assert_close(ours(photo, hole).logits, theirs(photo * 2 - 1))
    price = F.relu(1 - theirs(other * 2 - 1)).mean() + F.relu(1 + theirs(photo * 2 - 1)).mean()
    game = Adversarial(ours, on="output")
    torch.testing.assert_close(game.discriminator_loss(photo, other, hole), price)


def test_a_plain_step_learns(plain: ModuleType) -> None:
    step = plain.partial_conv(Batch(*pictures(), ["a", "b"]), 3)
    losses = [step() for _ in range(6)]
    assert losses[-1] < 0.9 * losses[0]
