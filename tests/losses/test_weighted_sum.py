"""Weighted sums: names, values, shared passes, both players."""

import pytest
import torch
from thin import Counting
from torch import Tensor, nn

from mendpix.losses import (
    L1,
    L2,
    LOSSES,
    Adversarial,
    Content,
    ContextEncoderSum,
    CRFillSum,
    OverlapL2,
    PartialConvPerceptual,
    PartialConvStyle,
    PartialConvSum,
    Perceptual,
    Style,
    Texture,
    WeightedSum,
)
from mendpix.losses.base import LossInputs
from mendpix.networks.types import DiscriminatorOutput, Prediction


class Bright(nn.Module):
    """A discriminator that likes bright pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, photo: Tensor, hole: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(self.gain * photo.mean((1, 2, 3))[:, None])


def inputs(size: int = 48) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(5)
    prediction, target = torch.rand(2, 2, 3, size, size, generator=random)
    hole = torch.zeros(2, 1, size, size)
    hole[..., size // 4 : size // 2, size // 4 : size // 2] = 1
    return prediction, target, hole


def test_a_sum_is_its_terms() -> None:
    pictures = inputs()
    loss = WeightedSum({"l1": (2.0, L1()), "far": (0.5, L2(on="composite"))})
    wanted = {"l1": 2 * L1()(*pictures), "far": 0.5 * L2(on="composite")(*pictures)}
    torch.testing.assert_close(loss(*pictures), wanted["l1"] + wanted["far"])
    torch.testing.assert_close(loss.values, wanted)
    assert not any(value.requires_grad for value in loss.values.values())


def test_sums_of_sums_name_their_terms() -> None:
    pictures = inputs()
    inner = WeightedSum({"l1": (3.0, L1()), "l2": (1.0, L2())})
    outer = WeightedSum({"pixels": (0.5, inner), "l2": (1.0, L2())})
    total = outer(*pictures)
    assert set(outer.values) == {"pixels/l1", "pixels/l2", "l2"}
    torch.testing.assert_close(total, 1.5 * L1()(*pictures) + 1.5 * L2()(*pictures))


def test_terms_of_no_weight_are_not_computed() -> None:
    network = Counting()
    loss = WeightedSum({"l1": (1.0, L1()), "style": (0.0, Style(network))})
    loss(*inputs())
    assert network.passes == []
    assert set(loss.values) == {"l1"}
    assert WeightedSum({"l1": (0.0, L1())})(*inputs()) == 0


def test_the_six_terms_take_three_passes() -> None:
    """Output, composite and target once each; the target without gradient."""
    network = Counting("vgg16")
    prediction, target, hole = inputs()
    PartialConvSum(network)(prediction.requires_grad_(), target, hole).backward()
    assert sorted(network.passes) == [False, True, True]
    assert prediction.grad is not None


def test_all_terms_share_their_passes() -> None:
    """Content, style, perceptual and texture on the output: two passes, whatever layers they read;
    the numbers are those of each term alone."""
    network = Counting()
    terms = {
        "content": Content(network),
        "style": Style(network),
        "perceptual": Perceptual(network),
        "texture": Texture(network),
        "partial": PartialConvPerceptual(network, on="output"),
    }
    loss = WeightedSum({name: (1.0, term) for name, term in terms.items()})
    prediction, target, hole = inputs()
    loss(prediction.requires_grad_(), target, hole)
    assert sorted(network.passes) == [False, True]
    torch.testing.assert_close(
        loss.values, {name: term(prediction, target, hole).detach() for name, term in terms.items()}
    )


def test_passes_do_not_outlive_a_step() -> None:
    network = Counting()
    loss = WeightedSum({"style": (1.0, Style(network))})
    prediction, target, hole = inputs()
    first = loss(prediction, target, hole)
    prediction.mul_(0.5)
    second = loss(prediction, target, hole)
    assert len(network.passes) == 4
    assert first != second


def test_terms_that_come_late_are_served() -> None:
    """A scene whose terms were not announced computes what is missing."""
    network = Counting()
    pictures = inputs()
    shared = LossInputs(*pictures)
    torch.testing.assert_close(Style(network).compute(shared), Style(network)(*pictures))
    torch.testing.assert_close(Content(network).compute(shared), Content(network)(*pictures))


def test_the_partial_convolution_sum_by_hand() -> None:
    network = Counting("vgg16")
    pictures = inputs()
    loss = PartialConvSum(network, weights={"tv": 0.0})
    wanted = (
        L1("known")(*pictures)
        + 6 * L1("hole")(*pictures)
        + 0.05 * PartialConvPerceptual(network)(*pictures)
        + 120 * PartialConvStyle(network)(*pictures)
    )
    torch.testing.assert_close(loss(*pictures), wanted)
    with pytest.raises(ValueError, match="weights names 'style'; the terms are valid, hole"):
        PartialConvSum(network, weights={"style": 1.0})


@pytest.mark.parametrize("form", ["centre", "random"])
def test_context_encoders_objective(form: str) -> None:
    discriminator = Bright()
    loss = ContextEncoderSum(discriminator, form)  # type: ignore[arg-type]
    pictures = inputs()
    total = loss(*pictures)
    fooled = Adversarial(discriminator, "non-saturating", on="output")(*pictures)
    torch.testing.assert_close(loss.values["adversarial"], 0.001 * fooled.detach())
    torch.testing.assert_close(total, loss.values["l2"] + 0.001 * fooled)
    if form == "random":
        prediction, target, hole = pictures
        weight = hole + 10 * (1 - hole)
        error = (weight * (2 * prediction - 2 * target).square()).mean()
        torch.testing.assert_close(loss.values["l2"], 0.999 * error)
    else:
        framed = OverlapL2(4, 10)(*pictures)
        torch.testing.assert_close(loss.values["l2"], 0.999 * framed)
    with pytest.raises(ValueError, match=r"wtl2 is 1 but must lie in \(0, 1\)"):
        ContextEncoderSum(discriminator, wtl2=1.0)
    with pytest.raises(ValueError, match="form is 'square'"):
        ContextEncoderSum(discriminator, "square")  # type: ignore[arg-type]


def test_a_sum_has_a_discriminators_side() -> None:
    discriminator = Bright()
    pictures = inputs()
    inner = WeightedSum({"game": (0.1, Adversarial(discriminator))})
    loss = WeightedSum({"l1": (1.0, L1()), "inner": (2.0, inner)})
    paid = loss.discriminator_loss(*pictures)
    torch.testing.assert_close(paid, Adversarial(discriminator).discriminator_loss(*pictures))
    paid.backward()
    assert discriminator.gain.grad is not None
    assert WeightedSum({"l1": (1.0, L1())}).discriminator_loss(*pictures) == 0


def test_crfills_sum_has_two_judges() -> None:
    prediction, target, hole = inputs()
    both = Prediction(prediction, coarse=prediction / 2, aux=prediction / 3)
    loss = CRFillSum(Bright(), Bright())
    loss(both, target, hole)
    assert len(loss.values) == 5
    assert loss.discriminator_loss(both, target, hole).isfinite()


def test_feature_networks_are_no_part_of_a_checkpoint() -> None:
    loss = PartialConvSum(Counting("vgg16"))
    assert loss.state_dict() == {}
    assert list(loss.parameters()) == []


def test_names() -> None:
    with pytest.raises(ValueError, match="a sum needs one term"):
        WeightedSum({})
    with pytest.raises(ValueError, match=r"called 'l1.far'; use a name without a dot"):
        WeightedSum({"l1.far": (1.0, L1())})
    assert all(isinstance(name, str) for name in LOSSES)
