"""The recipe's terms as losses, and what each weighs at a step."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mendpix.errors import RecipeError, WeightsError
from mendpix.losses import LOSSES
from mendpix.losses.adversarial import Adversarial
from mendpix.losses.base import Loss, LossInputs, Terms
from mendpix.networks import DISCRIMINATORS, NETWORKS
from mendpix.networks.serialization import options_from
from mendpix.networks.types import Prediction
from mendpix.training.recipe import Judge, Network, Phase, Recipe, Term, near


class Objective(nn.Module):
    """Named terms; each step's pictures are looked at once for all of them.

    Raises:
        RecipeError: two names that differ in dots and underscores only.
    """

    def __init__(self, terms: Mapping[str, Loss]) -> None:
        super().__init__()
        _check_names(terms)
        self.terms = Terms({_safe(name): term for name, term in terms.items()})
        self.names = {_safe(name): name for name in terms}

    def named(self, weights: Mapping[str, float]) -> Iterator[tuple[str, Loss, float]]:
        """The terms that count, with their weights."""
        for key, term in self.terms.items():
            weight = weights[self.names[key]]
            if weight and isinstance(term, Loss):
                yield self.names[key], term, weight

    def judges(self) -> list[nn.Module]:
        """Every discriminator, once."""
        owned = [t.discriminator for t in self.terms.values() if isinstance(t, Adversarial)]
        return list(dict.fromkeys(owned))

    def reads(self, part: str, weights: Mapping[str, float]) -> bool:
        """Whether a term that counts judges this part of the prediction."""
        return any(term.part == part for _, term, _ in self.named(weights))

    def judge(self, scene: LossInputs, weights: Mapping[str, float]) -> dict[str, Tensor]:
        """Each term's weighted value: the network's side of the objective."""
        self.announce(scene, weights)
        return {name: weight * term.judge(scene) for name, term, weight in self.named(weights)}

    def announce(self, scene: LossInputs, weights: Mapping[str, float]) -> None:
        """Tell the scene what all terms that count will read, before the first of them reads."""
        for _, term, _ in self.named(weights):
            term.announce(scene)

    def players(self, weights: Mapping[str, float]) -> Iterator[tuple[str, Adversarial]]:
        """The adversarial terms that count."""
        for name, term, _ in self.named(weights):
            if isinstance(term, Adversarial):
                yield name, term

    def discriminate(self, scene: LossInputs, weights: Mapping[str, float]) -> dict[str, Tensor]:
        """The discriminators' prices for their mistakes, for the adversarial terms that count."""
        return {name: term.discriminate(scene) for name, term in self.players(weights)}


def shares(scene: LossInputs, losses: Mapping[str, Tensor]) -> dict[str, float]:
    """Each weighted term's share of the gradient at the network's output.

    The norm of its gradient at the predicted pictures, over the sum of all terms' norms.
    """
    made = [p for p in scene.prediction[:3] if isinstance(p, Tensor) and p.requires_grad]
    norms = {}
    for name, value in losses.items():
        if not value.requires_grad:  # it judges a part that a phase keeps from learning
            norms[name] = 0.0
            continue
        slopes = torch.autograd.grad(value, made, retain_graph=True, allow_unused=True)
        norms[name] = sum(float(s.float().square().sum()) for s in slopes if s is not None) ** 0.5
    total = sum(norms.values())
    return {name: norm / total if total else 0.0 for name, norm in norms.items()}


def _check_names(names: Iterable[str]) -> None:
    taken: dict[str, str] = {}
    for name in names:
        if (other := taken.setdefault(_safe(name), name)) != name:
            raise RecipeError(f"losses {other} and {name} would share a state; rename one of them")


def _safe(name: str) -> str:
    return name.replace(".", "_")


def weights_at(recipe: Recipe, phase: Phase, step: int) -> dict[str, float]:
    """What each term weighs at a step of a phase."""
    return {
        name: phase.weights.get(name, term.weight_at(step)) for name, term in recipe.losses.items()
    }


def build(recipe: Recipe) -> Objective:
    """The recipe's objective, discriminators included, with fresh weights.

    Raises:
        RecipeError: a loss, discriminator or option that is not known, or a value it cannot take.
    """
    return Objective({name: _term(name, term, recipe) for name, term in recipe.losses.items()})


def _term(name: str, term: Term, recipe: Recipe) -> Loss:
    kind = term.kind or name
    made = LOSSES.get(kind)
    if made is None:
        raise RecipeError(f"losses.{name}: there is no loss {kind!r}; {near(kind, LOSSES)}")
    options = dict(term.options)
    if issubclass(made, Adversarial):
        options["discriminator"] = _judge(name, term.discriminator, recipe)
    elif term.discriminator is not None:
        raise RecipeError(f"losses.{name}: {kind} takes no discriminator; leave it out")
    return _constructed(made, options, f"losses.{name}.options")


def _judge(name: str, judge: Judge | None, recipe: Recipe) -> nn.Module:
    if judge is None:
        raise RecipeError(
            f"losses.{name} needs a discriminator; known are {', '.join(DISCRIMINATORS)}"
        )
    return module(judge, DISCRIMINATORS, f"losses.{name}.discriminator", recipe.size)


def network(recipe: Recipe) -> nn.Module:
    """The recipe's network with fresh weights.

    Raises:
        RecipeError: a network or option that is not known, or a size it cannot take.
    """
    made = module(recipe.network, NETWORKS, "network", recipe.size)
    size, multiple = getattr(made, "size", None), getattr(made, "multiple", 1)
    if size is not None and size != recipe.size:
        raise RecipeError(
            f"size is {recipe.size} but {recipe.network.name} works at {size} only; set size={size}"
        )
    if recipe.size % multiple:
        up = recipe.size + -recipe.size % multiple
        raise RecipeError(
            f"size is {recipe.size} but {recipe.network.name} needs multiples of {multiple}; "
            f"set size={up}"
        )
    return made


def module(
    said: Network | Judge, known: Mapping[str, type[nn.Module]], place: str, size: int
) -> nn.Module:
    """A network or discriminator as a recipe says it; a ``size`` option follows the recipe's."""
    if said.name not in known:
        raise RecipeError(f"{place}.name is {said.name!r}; {near(said.name, known)}")
    made = known[said.name]
    try:
        options = options_from(made, dict(said.options), f"{place} {said.name}")
        if hasattr(options, "size") and "size" not in said.options:
            options = options_from(made, {**said.options, "size": size}, f"{place} {said.name}")
        return made(options)
    except (WeightsError, ValueError) as problem:
        raise RecipeError(f"{place}: {problem}") from None


def _constructed(made: Callable[..., Loss], options: dict[str, Any], place: str) -> Loss:
    known = [name for name in inspect.signature(made).parameters if name != "discriminator"]
    for option in options:
        if option not in known and option != "discriminator":
            raise RecipeError(f"{place} has no {option!r}; {near(option, known)}")
    try:
        return made(**options)
    except (ValueError, TypeError) as problem:
        raise RecipeError(f"{place}: {problem}") from None


def scene(prediction: Prediction, target: Tensor, hole: Tensor) -> LossInputs:
    """The pictures of one step, for all terms."""
    return LossInputs(prediction, target, hole)
