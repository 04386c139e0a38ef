"""The discriminator on frozen features: what it gives, what learns, and that it learns."""

import pytest
import torch
from thin import Counting, tensors
from torch import Tensor

from mendpix.losses import LearnedPerceptual
from mendpix.losses.adversarial import Adversarial
from mendpix.losses.base import LossInputs
from mendpix.networks.feature_critic import FeatureCritic, FeatureCriticOptions
from mendpix.networks.features import FeatureNetwork
from mendpix.training.objective import Objective


def critic(**said: object) -> FeatureCritic:
    torch.manual_seed(0)
    network = FeatureNetwork("vgg16", tensors("vgg16", width=8))
    return FeatureCritic(FeatureCriticOptions(width=8, **said), network)  # type: ignore[arg-type]


def scene(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Fills that are smooth where the photos are rough, the photos, and the holes."""
    random = torch.Generator().manual_seed(seed)
    photo = torch.rand(4, 3, 64, 64, generator=random)
    hole = torch.zeros(4, 1, 64, 64)
    hole[..., 16:48, 16:48] = 1
    smooth = photo * (1 - hole) + 0.5 * hole
    return smooth, photo, hole


@pytest.mark.parametrize("shrink", [1, 2])
def test_one_verdict_a_layer_and_place(shrink: int) -> None:
    _, photo, hole = scene(0)
    output = critic(shrink=shrink)(photo, hole)
    side = 64 // shrink // 2  # conv2_2 comes after one pooling
    assert output.logits.shape == (4, 3, side, side)
    assert [f.shape[2] for f in output.features] == [side, side // 2, side // 4]
    deepest = output.logits[:, 2]
    torch.testing.assert_close(deepest[:, ::4, ::4], deepest[:, 3::4, 3::4])


def test_only_the_heads_learn_and_are_kept() -> None:
    made = critic()
    assert {name.split(".")[0] for name, _ in made.named_parameters()} == {"heads"}
    assert {name.split(".")[0] for name in made.state_dict()} == {"heads"}
    with pytest.raises(ValueError, match="has no layer 'conv9_9'"):
        critic(layers=("conv9_9",))


@pytest.mark.parametrize("labels", [{"only_hole_is_fake": True}, {"only_hole": True}])
def test_it_learns_where_the_fill_is(labels: dict[str, bool]) -> None:
    term = Adversarial(critic(), game="hinge", **labels)
    adam = torch.optim.Adam(term.discriminator.parameters(), lr=1e-2)
    for step in range(80):
        adam.zero_grad()
        term.discriminator_loss(*scene(step)).backward()
        adam.step()
    smooth, _, hole = scene(99)
    with torch.no_grad():
        logits = term.discriminator(smooth, hole).logits[:, 0]
        real = term.discriminator(scene(99)[1], hole).logits[:, 0]
    inside = hole[:, 0, ::2, ::2] > 0
    if "only_hole" not in labels:  # it says nothing of places outside
        assert logits[inside].mean() < logits[~inside].mean() - 0.5
    assert logits[inside].mean() < real[inside].mean() - 0.5


def test_a_shared_look_changes_no_verdict_and_no_gradient() -> None:
    """Judged through maps that another term looks at anyway, or through its own pass: the same."""
    terms = [Adversarial(critic(), only_hole=True, matching=0.5) for _ in range(2)]
    terms[1].shared_maps = None
    found = []
    for term in terms:
        smooth, photo, hole = scene(1)
        smooth.requires_grad_()
        price = term.discriminator_loss(smooth, photo, hole)
        price.backward()
        learned = [p.grad for p in term.discriminator.parameters()]
        assert smooth.grad is None
        cost = term(smooth, photo, hole)
        cost.backward()
        found.append([price, cost, smooth.grad, *learned])
    torch.testing.assert_close(found[0], found[1])


def test_one_pass_serves_both_players_and_the_learned_distance() -> None:
    network = Counting("vgg16", width=8)
    loss = LearnedPerceptual(network, divide="hole")
    loss.heads = {name: head[:8] for name, head in loss.heads.items()}
    discriminator = FeatureCritic(FeatureCriticOptions(width=8), network)
    terms = Objective({"lpips": loss, "adversarial": Adversarial(discriminator, only_hole=True)})
    smooth, photo, hole = scene(2)
    looked = LossInputs(smooth.requires_grad_(), photo, hole)
    weights = {"lpips": 1.0, "adversarial": 0.1}
    terms.request_features(looked, weights)
    terms.compute_discriminator_losses(looked, weights)["adversarial"].backward()
    sum(terms.compute_terms(looked, weights).values()).backward()  # type: ignore[union-attr]
    assert sorted(network.passes) == [False, True]  # the photos, and their fills
    assert smooth.grad is not None
    assert smooth.grad.abs().sum() > 0
