"""Weights of terms that a recipe names without one: scaled so that they train beside any other.

Some losses are sums over thousands of features (Gatys' content and style), others means: weight 1
of one is 1e9 times that of another. A term without a weight gets the weight with which its gradient
at the predicted picture is as strong as that of ``l1``, measured once on a made pair of pictures at
the recipe's size. It depends on the term's options and the size alone, so that the same recipe has
the same weights on any photographs. A weight that a recipe gives is taken as it is.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from mendpix.losses import L1
from mendpix.losses.adversarial import Adversarial
from mendpix.losses.base import Loss, LossInputs
from mendpix.losses.pixel_losses import TotalVariation
from mendpix.networks.types import Prediction
from mendpix.training.objective import build_term
from mendpix.training.recipe import Recipe

ADVERSARIAL = 0.1
"""Weight of a term with a discriminator: its gradient changes as the discriminator learns."""
SMOOTHING = 0.1
"""Strength of total variation beside ``l1``: as strong as ``l1`` it would flatten the fill."""


def resolve_weights(recipe: Recipe) -> tuple[Recipe, list[str]]:
    """The recipe with a weight for every term, and one line for each that had none.

    Raises:
        RecipeError: a loss or option that is not known.
    """
    losses, messages = dict(recipe.losses), []
    for name, settings in recipe.losses.items():
        if settings.weight is None:
            weight = choose_weight(build_term(name, settings, recipe), recipe.size)
            losses[name] = settings.model_copy(update={"weight": weight})
            messages.append(f"losses.{name} has no weight: {weight:g} is taken")
    return recipe.model_copy(update={"losses": losses}), messages


def choose_weight(term: Loss, size: int) -> float:
    """The default weight of a term for pictures of this side, with two digits.

    :data:`ADVERSARIAL` for a term with a discriminator; for others that with which it is as strong
    as ``l1`` on :func:`make_pair` (total variation: :data:`SMOOTHING` of it).
    """
    if isinstance(term, Adversarial):
        return ADVERSARIAL
    inputs, pictures = make_pair(size)
    strength = _measure_gradient(term, inputs, pictures)
    if not strength:
        return 1.0
    share = SMOOTHING if isinstance(term, TotalVariation) else 1.0
    return float(f"{share * _measure_gradient(L1(), *make_pair(size)) / strength:.1e}")


def make_pair(size: int) -> tuple[LossInputs, Sequence[Tensor]]:
    """A made target with detail at every scale, a blurred and noisy prediction, a square hole.

    Returns: inputs whose prediction has every part, and the parts, which require gradients.
    """
    rng = torch.Generator().manual_seed(0)
    target = torch.full((1, 3, size, size), 0.5)
    side = 2
    while side <= size:  # halving amplitude with every octave, as photographs have it
        detail = torch.randn(1, 3, side, side, generator=rng)
        target = target + 0.4 / side**0.5 * F.interpolate(detail, (size, size), mode="bilinear")
        side *= 2
    target = target.clamp(0, 1)
    hole = torch.zeros(1, 1, size, size)
    hole[..., size // 4 : -(size // 4), size // 4 : -(size // 4)] = 1
    noise = 0.05 * torch.randn(target.shape, generator=rng)
    blurred = F.interpolate(F.avg_pool2d(target, 8), (size, size), mode="bilinear")
    fill = (hole * blurred + (1 - hole) * target + noise).clamp(0, 1)
    image, coarse, aux = (fill.clone().requires_grad_() for _ in range(3))
    return LossInputs(Prediction(image, coarse, aux), target, hole), [image, coarse, aux]


def _measure_gradient(term: Loss, inputs: LossInputs, pictures: Sequence[Tensor]) -> float:
    """The norm of a term's gradient at the predicted pictures."""
    term.request_features(inputs)
    value = term.compute(inputs)
    slopes = torch.autograd.grad(value, pictures, allow_unused=True)
    return float(sum(float(slope.square().sum()) for slope in slopes if slope is not None) ** 0.5)
