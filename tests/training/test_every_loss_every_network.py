"""Any loss trains any network: each pair takes two steps from a recipe that differs in a line."""

from functools import cache
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor

from mendpix.losses import LOSSES
from mendpix.networks import NETWORKS, features
from mendpix.training import objective, parse
from mendpix.training.gan_step import Game, StepResult
from mendpix.training.hole_sampling import drawer
from mendpix.training.optimizers import optimiser
from mendpix.training.samples import Batch

NETWORK_OPTIONS: dict[str, tuple[dict[str, Any], int]] = {
    "context-encoder": ({"width": 4, "bottleneck": 8}, 128),
    "context-encoder-random": ({"width": 4, "bottleneck": 8}, 64),
    "pan": ({"width": 4}, 64),
    "pan-inpainting": ({"width": 4, "bottleneck": 8}, 128),
    "partial-unet": ({"levels": 4, "width": 4}, 64),
    "crfill": ({"width": 8}, 64),
    "mender": ({"width": 4}, 64),
}
FEATURES = {
    "perceptual": "vgg19-caffe",
    "texture": "vgg19-caffe",
    "content": "vgg19-caffe",
    "style": "vgg19-caffe",
    "partial-conv": "vgg16",
    "partial-conv-perceptual": "vgg16",
    "partial-conv-style": "vgg16",
    "lpips": "vgg16",
}
WEIGHTS = {"content": 1e-6, "texture": 1.0, "style": 1e-4}
"""Sums over whole feature maps are large; the others weigh 0.1."""


@cache
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def term(loss: str, network: str) -> dict[str, Any]:
    """The loss as a recipe's term; PAN's judge must tap as many layers as it has weights."""
    made: dict[str, Any] = {"weight": WEIGHTS.get(loss, 0.1)}
    if loss == "pan":
        made["discriminator"] = {"name": "pan", "options": {"width": 4, "part": "whole"}}
    if loss == "adversarial":
        made["discriminator"] = {"name": "patchgan", "options": {"width": 4}}
    if loss == "contextual" and network != "crfill":
        made["options"] = {"part": "image"}
    return made


def game(network: str, terms: dict[str, Any]) -> tuple[Game, Batch]:
    options, size = NETWORK_OPTIONS[network]
    recipe = parse(
        {
            "network": {"name": network, "options": options},
            "losses": terms,
            "holes": [{"kind": "centre"}],
            "size": size,
            "batch": 2,
            "steps": 2,
            "optimiser": {"lr": 1e-3},
        }
    )
    torch.manual_seed(1)
    net = objective.network(recipe)
    torch.manual_seed(2)
    goal = objective.build(recipe)
    torch.manual_seed(3)
    hole = torch.from_numpy(drawer(recipe, net)(0)).float().expand(2, 1, -1, -1)
    photo = torch.rand(2, 3, size, size)
    started = torch.where(hole > 0, torch.rand_like(photo), photo) if _mends(net) else None
    batch = Batch(photo, hole, ["a", "b"], started)
    judges = torch.nn.ModuleList(goal.judges())
    maker = optimiser(fabric(), net, recipe.optimiser)
    other = optimiser(fabric(), judges, recipe.discriminators) if len(judges) else None
    return Game(fabric(), net, goal, maker, other), batch


def _mends(net: torch.nn.Module) -> bool:
    """Whether it is shown a first fill; before it has learned anything it gives that back."""
    return bool(getattr(net, "start", ""))


def play(network: str, terms: dict[str, Any]) -> tuple[list[StepResult], dict[str, Tensor]]:
    """Two steps; what they came to, and the weights after them."""
    made, batch = game(network, terms)
    made.network.train()
    weights = {name: said["weight"] for name, said in terms.items()}
    turns = [made.step([batch], weights, look=True) for _ in range(2)]
    return turns, {k: v.clone() for k, v in made.network.named_parameters()}


@cache
def without(network: str) -> dict[str, Tensor]:
    """The weights after two steps of the pixel term alone."""
    return play(network, {"base": {"kind": "l1", "weight": 1.0}})[1]


def test_no_network_is_left_out() -> None:
    assert set(NETWORKS) == set(NETWORK_OPTIONS)


@pytest.mark.parametrize("loss", list(LOSSES))
@pytest.mark.parametrize("network", list(NETWORK_OPTIONS))
def test_two_steps(network: str, loss: str) -> None:
    """The term is not 0, its gradient reaches the network and its judge, and it makes a difference.

    ``base`` is a pixel term; the loss stands beside it.
    """
    if loss in FEATURES and features.find(FEATURES[loss]) is None:
        pytest.skip(f"{FEATURES[loss]} is not at hand")
    said = term(loss, network)
    turns, weights = play(
        network, {"base": {"kind": "l1", "weight": 1.0}, "term": {"kind": loss, **said}}
    )
    for turn in turns:
        assert turn.losses["term"] != 0
        assert turn.shares["term"] > 0
        assert sum(turn.shares.values()) == pytest.approx(1)
        assert all(torch.isfinite(norm) for norm in turn.norms.values())
    if "discriminator" in said:
        assert turns[0].norms["discriminators"] > 0
        assert turns[0].losses["term/discriminator"] != turns[1].losses["term/discriminator"]
    before = without(network)
    assert any(not torch.equal(before[name], weights[name]) for name in before)
