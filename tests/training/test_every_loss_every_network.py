"""Any loss trains any network: each pair takes two steps from a recipe that differs in a line.

The term has no weight of its own: what a recipe then gives it must train on photographs.
"""

from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor

from mendpix.losses import LOSSES
from mendpix.networks import NETWORKS, features
from mendpix.training import objective, parse_recipe
from mendpix.training.default_weights import resolve_weights
from mendpix.training.gan_step import AdversarialStep, StepResult
from mendpix.training.hole_sampling import make_hole_sampler
from mendpix.training.models import Models, prepare_step
from mendpix.training.samples import Batch

EXAMPLES = Path(__file__).parents[2] / "examples/photos"
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


@cache
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def make_term(loss: str, network: str) -> dict[str, Any]:
    """The loss without a weight; PAN's judge must tap as many layers as it has weights."""
    table: dict[str, Any] = {}
    if loss == "pan":
        table["discriminator"] = {"name": "pan", "options": {"width": 4, "part": "whole"}}
    if loss == "adversarial":
        table["discriminator"] = {"name": "patchgan", "options": {"width": 4}}
    if loss == "contextual" and network != "crfill":
        table["options"] = {"part": "image"}
    return table


@cache
def load_photos(size: int) -> Tensor:
    """Two photographs of the examples, ``(2, 3, size, size)``."""
    pictures = [cv2.imread(str(path)) for path in sorted(EXAMPLES.glob("*.webp"))[:2]]
    squares = [cv2.resize(picture[:256, :256, ::-1], (size, size)) for picture in pictures]
    return torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).float() / 255


def build_step(
    network: str, terms: dict[str, Any]
) -> tuple[AdversarialStep, Batch, dict[str, float]]:
    options, size = NETWORK_OPTIONS[network]
    recipe = parse_recipe(
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
    recipe, _ = resolve_weights(recipe)
    torch.manual_seed(1)
    net = objective.build_network(recipe)
    torch.manual_seed(2)
    goal = objective.build_objective(recipe)
    torch.manual_seed(3)
    sample_hole = make_hole_sampler(recipe, net)
    hole = torch.from_numpy(sample_hole(0)).float().expand(2, 1, -1, -1)
    photo = load_photos(size)
    fill = torch.where(hole > 0, torch.rand_like(photo), photo) if _refines(net) else None
    batch = Batch(photo, hole, ["a", "b"], fill)
    weights = objective.weights_at(recipe, recipe.phase_plan[0], 0)
    return prepare_step(recipe, Models(net, goal, sample_hole), fabric()), batch, weights


def _refines(net: torch.nn.Module) -> bool:
    """Whether it is shown an initial fill; untrained it gives that back."""
    return bool(getattr(net, "start", ""))


def train_two_steps(
    network: str, terms: dict[str, Any]
) -> tuple[list[StepResult], dict[str, Tensor]]:
    """Two steps; what they came to, and the weights after them."""
    gan_step, batch, weights = build_step(network, terms)
    gan_step.network.train()
    results = [gan_step.run([batch], weights, measure_shares=True) for _ in range(2)]
    return results, {k: v.clone() for k, v in gan_step.network.named_parameters()}


@cache
def train_without(network: str) -> dict[str, Tensor]:
    """The weights after two steps of the pixel term alone."""
    return train_two_steps(network, {"base": {"kind": "l1", "weight": 1.0}})[1]


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
    table = make_term(loss, network)
    results, weights = train_two_steps(
        network, {"base": {"kind": "l1", "weight": 1.0}, "term": {"kind": loss, **table}}
    )
    for result in results:
        assert result.losses["term"] != 0
        assert abs(result.losses["term"]) < 1e3
        assert result.shares["term"] > 0.01  # l1 does not drown it
        assert sum(result.shares.values()) == pytest.approx(1)
        assert all(torch.isfinite(norm) for norm in result.norms.values())
    if "discriminator" in table:
        assert results[0].norms["discriminators"] > 0
        assert results[0].losses["term/discriminator"] != results[1].losses["term/discriminator"]
    before = train_without(network)
    assert any(not torch.equal(before[name], weights[name]) for name in before)


@pytest.mark.parametrize("loss", ["content", "style", "texture", "perceptual"])
def test_a_term_alone_without_a_weight_learns(loss: str) -> None:
    if features.find("vgg19-caffe") is None:
        pytest.skip("vgg19-caffe is not at hand")
    gan_step, batch, weights = build_step("partial-unet", {"term": {"kind": loss}})
    gan_step.network.train()
    values = [gan_step.run([batch], weights).losses["term"] for _ in range(12)]
    assert values[-1] < 0.8 * values[0]
