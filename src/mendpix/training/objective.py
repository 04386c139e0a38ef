"""A recipe's network and objective as modules, and what each term weighs at a step."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import NoneType
from typing import Any, get_args

import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError
from torch import Tensor, nn

from mendpix.errors import RecipeError, TensorError, WeightsError, did_you_mean
from mendpix.losses import LOSSES
from mendpix.losses.adversarial import Adversarial
from mendpix.losses.base import Loss, LossInputs, TermDict
from mendpix.networks import DISCRIMINATORS, NETWORKS
from mendpix.networks.serialization import parse_options
from mendpix.training.recipe import (
    LARGEST_NUMBER,
    DiscriminatorSettings,
    NetworkSettings,
    Phase,
    Recipe,
    TermSettings,
)


class Objective(nn.Module):
    """Named losses that share one :class:`LossInputs` a step.

    Raises:
        RecipeError: two names that differ in dots and underscores only.
    """

    def __init__(self, terms: Mapping[str, Loss]) -> None:
        super().__init__()
        _check_names(terms)
        self.terms = TermDict({_escape(name): term for name, term in terms.items()})
        self.names = {_escape(name): name for name in terms}

    def active_terms(self, weights: Mapping[str, float]) -> Iterator[tuple[str, Loss, float]]:
        """The terms whose weight is not 0, with it."""
        for key, term in self.terms.items():
            weight = weights[self.names[key]]
            if weight and isinstance(term, Loss):
                yield self.names[key], term, weight

    def adversarial_terms(self, weights: Mapping[str, float]) -> Iterator[tuple[str, Adversarial]]:
        """The active terms that have a discriminator."""
        for name, term, _ in self.active_terms(weights):
            if isinstance(term, Adversarial):
                yield name, term

    def discriminators(self) -> list[nn.Module]:
        """Every discriminator once, also of terms that are not active."""
        owned = [t.discriminator for t in self.terms.values() if isinstance(t, Adversarial)]
        return list(dict.fromkeys(owned))

    def reads_part(self, part: str, weights: Mapping[str, float]) -> bool:
        """Whether an active term reads this part of the prediction."""
        return any(term.part == part for _, term, _ in self.active_terms(weights))

    def request_features(self, inputs: LossInputs, weights: Mapping[str, float]) -> None:
        """Tell the inputs which features all active terms read, so that one pass serves them.

        Once a step, before anything is computed from the inputs.
        """
        for _, term, _ in self.active_terms(weights):
            term.request_features(inputs)

    def compute_terms(self, inputs: LossInputs, weights: Mapping[str, float]) -> dict[str, Tensor]:
        """The weighted value of each active term: what the network learns from."""
        losses: dict[str, Tensor] = {}
        for name, term, weight in self.active_terms(weights):
            with name_term(name):
                losses[name] = weight * term.compute(inputs)
        return losses

    def compute_discriminator_losses(
        self, inputs: LossInputs, weights: Mapping[str, float]
    ) -> dict[str, Tensor]:
        """The discriminators' losses for the active terms; the prediction is detached."""
        losses: dict[str, Tensor] = {}
        for name, term in self.adversarial_terms(weights):
            with name_term(name):
                losses[name] = term.compute_discriminator_loss(inputs)
        return losses


@contextmanager
def name_term(name: str) -> Iterator[None]:
    """Say which term of the recipe it is that does not fit the network or discriminator."""
    try:
        yield
    except TensorError as problem:
        raise RecipeError(f"losses.{name}: {problem}") from None


def gradient_shares(inputs: LossInputs, losses: Mapping[str, Tensor]) -> dict[str, float]:
    """Each weighted term's share of the gradient at the network's output.

    The norm of its gradient at the predicted pictures, over the sum of all terms' norms.
    """
    pictures = [p for p in inputs.prediction[:3] if isinstance(p, Tensor) and p.requires_grad]
    norms = {name: _measure_gradient(value, pictures) for name, value in losses.items()}
    total = sum(norms.values())
    return {name: norm / total if total else 0.0 for name, norm in norms.items()}


def _measure_gradient(value: Tensor, pictures: list[Tensor]) -> float:
    if not value.requires_grad:  # it reads a part that the phase keeps from learning
        return 0.0
    # The graph is kept for the step's own backward pass; a term need not read every picture.
    slopes = torch.autograd.grad(value, pictures, retain_graph=True, allow_unused=True)
    squares = sum(float(s.float().square().sum()) for s in slopes if s is not None)
    norm: float = squares**0.5
    return norm


def _check_names(names: Iterable[str]) -> None:
    taken: dict[str, str] = {}
    for name in names:
        if (other := taken.setdefault(_escape(name), name)) != name:
            raise RecipeError(f"losses {other} and {name} would share a state; rename one of them")


def _escape(name: str) -> str:
    """The key of a term's module: a dot would separate modules in a state's keys."""
    return name.replace(".", "_")


def weights_at(recipe: Recipe, phase: Phase, step: int) -> dict[str, float]:
    """What each term weighs at a step of a phase."""
    return {
        name: phase.weights.get(name, term.weight_at(step)) for name, term in recipe.losses.items()
    }


def build_objective(recipe: Recipe) -> Objective:
    """The recipe's objective, discriminators included, with fresh weights.

    Raises:
        RecipeError: a loss, discriminator or option that is not known, or a value it cannot take.
    """
    return Objective({name: build_term(name, term, recipe) for name, term in recipe.losses.items()})


def build_term(name: str, settings: TermSettings, recipe: Recipe) -> Loss:
    kind = settings.kind or name
    loss = LOSSES.get(kind)
    if loss is None:
        raise RecipeError(f"losses.{name}: there is no loss {kind!r}; {did_you_mean(kind, LOSSES)}")
    options = dict(settings.options)
    if issubclass(loss, Adversarial):
        options["discriminator"] = _build_discriminator(name, settings.discriminator, recipe)
    elif settings.discriminator is not None:
        raise RecipeError(f"losses.{name}: {kind} takes no discriminator; leave it out")
    return _construct(loss, options, f"losses.{name}.options")


def _build_discriminator(
    name: str, settings: DiscriminatorSettings | None, recipe: Recipe
) -> nn.Module:
    if settings is None:
        raise RecipeError(
            f"losses.{name} needs a discriminator; known are {', '.join(DISCRIMINATORS)}"
        )
    return build_module(settings, DISCRIMINATORS, f"losses.{name}.discriminator", recipe.size)


def build_network(recipe: Recipe) -> nn.Module:
    """The recipe's network with fresh weights.

    Raises:
        RecipeError: a network or option that is not known, or a size it cannot take.
    """
    network = build_module(recipe.network, NETWORKS, "network", recipe.size)
    size, multiple = getattr(network, "size", None), getattr(network, "multiple", 1)
    if size is not None and size != recipe.size:
        raise RecipeError(
            f"size is {recipe.size} but {recipe.network.name} works at {size} only; set size={size}"
        )
    if recipe.size % multiple:
        larger = recipe.size + -recipe.size % multiple
        raise RecipeError(
            f"size is {recipe.size} but {recipe.network.name} needs multiples of {multiple}; "
            f"set size={larger}"
        )
    return network


def build_module(
    settings: NetworkSettings | DiscriminatorSettings,
    known: Mapping[str, type[nn.Module]],
    place: str,
    size: int,
) -> nn.Module:
    """A network or discriminator; its ``size`` option follows the recipe's where not given.

    Raises:
        RecipeError: a name or option that is not known, or a value that it cannot take.
    """
    name = settings.name
    if name not in known:
        raise RecipeError(f"{place}.name is {name!r}; {did_you_mean(name, known)}")
    build, given = known[name], dict(settings.options)
    try:
        options = parse_options(build, given, f"{place}.")
        if hasattr(options, "size") and "size" not in given:
            options = parse_options(build, {**given, "size": size}, f"{place}.")
    except WeightsError as problem:
        raise RecipeError(f"{problem} ({name})") from None
    try:
        return build(options)
    except (WeightsError, ValueError) as problem:
        raise RecipeError(f"{place}: {problem}") from None


def _construct(loss: Callable[..., Loss], options: dict[str, Any], place: str) -> Loss:
    parameters = inspect.signature(loss).parameters
    known = [name for name in parameters if name != "discriminator"]
    for option, value in options.items():
        if option == "discriminator":
            continue
        if option not in known:
            raise RecipeError(f"{place} has no {option!r}; {did_you_mean(option, known)}")
        options[option] = _convert(value, parameters[option].annotation, f"{place}.{option}")
    try:
        return loss(**options)
    except (ValueError, TypeError) as problem:
        raise RecipeError(f"{place}: {problem}") from None


def _convert(value: Any, annotation: Any, place: str) -> Any:
    """A value of a recipe as the type that a loss takes; TOML has no None, so "none" is one.

    Raises:
        RecipeError: it is of another type.
    """
    config = ConfigDict(arbitrary_types_allowed=True, allow_inf_nan=False, strict=True)
    adapter = TypeAdapter[Any](annotation, config=config)
    if isinstance(value, int | float) and abs(value) > LARGEST_NUMBER:
        raise RecipeError(f"{place} is {value:.3g} but must be at most {LARGEST_NUMBER:g}")
    try:
        return adapter.validate_python(value)
    except ValidationError as problem:
        if value == "none" and NoneType in get_args(annotation):
            return None
        first = problem.errors(include_url=False)[0]["msg"]
        raise RecipeError(f"{place} is {repr(value)[:60]}: {first[0].lower()}{first[1:]}") from None
