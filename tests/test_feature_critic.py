"""The judge on frozen features: what it gives, what learns, and that it learns."""

import pytest
import torch
from torch import Tensor

from mendpix.features import FeatureNetwork
from mendpix.losses.adversarial import Adversarial
from mendpix.networks.feature_critic import FeatureCritic, FeatureCriticOptions
from thin import tensors


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
    judgement = critic(shrink=shrink)(photo, hole)
    side = 64 // shrink // 2  # conv2_2 comes after one pooling
    assert judgement.logits.shape == (4, 3, side, side)
    assert [f.shape[2] for f in judgement.features] == [side, side // 2, side // 4]
    deepest = judgement.logits[:, 2]
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
