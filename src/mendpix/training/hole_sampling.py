"""The recipe's mixture of holes: one per sample index, the same whenever it is asked for."""

from collections.abc import Callable

import numpy as np
from torch import nn

from mendpix.errors import MaskError, RecipeError
from mendpix.masks import generate
from mendpix.training.initial_fills import InitialFills
from mendpix.training.recipe import Recipe
from mendpix.training.samples import HoleSampler, make_generator
from mendpix.types import Hole
from mendpix.weights import download

Shape = int | tuple[int, int]

CENTRE = "centre"


def make_hole_sampler(recipe: Recipe, network: nn.Module) -> HoleSampler:
    """The function that draws a sample's hole.

    Raises:
        RecipeError: an unknown generator or option, or holes the network cannot take.
    """
    square = centre_square(recipe.size, int(getattr(network, "hole_side", recipe.size // 2)))
    draw_from_mixture = _mix_generators(recipe, network)

    def draw(index: int) -> Hole:
        if recipe.one_hole:
            index -= index % recipe.batch  # of the batch's first sample
        return draw_from_mixture(recipe.size, index, square)

    return draw


def make_initial_fills(recipe: Recipe, network: nn.Module) -> InitialFills | None:
    """Initial fills of whole photos, for a network that refines one; None for all others.

    Raises:
        RecipeError: as for :func:`make_hole_sampler`, or no such filler or option of it.
    """
    filler = getattr(network, "start", "")
    if not filler:
        return None
    draw_from_mixture, data = _mix_generators(recipe, network), recipe.data
    return InitialFills(
        filler,
        lambda shape, index: draw_from_mixture(shape, index, None),
        recipe.seed,
        data.start_options,
        data.start_holes,
        download.cache_folder() / "first-fills" if data.cache == "disk" else None,
    )


def _mix_generators(
    recipe: Recipe, network: nn.Module
) -> Callable[[Shape, int, Hole | None], Hole]:
    """Draws from the recipe's mixture, at any size; given a square, kind 'centre' is that."""
    kinds = [holes.kind for holes in recipe.holes]
    _check(recipe, network, kinds)
    generators = [generate.choose(holes.kind, holes.options) for holes in recipe.holes]
    shares = np.array([holes.share for holes in recipe.holes])
    bounds = np.cumsum(shares / shares.sum())[:-1]

    def draw(shape: Shape, index: int, square: Hole | None) -> Hole:
        chance = make_generator(recipe.seed, index, purpose=3).random()
        number = int(np.searchsorted(bounds, chance, side="right"))
        if square is not None and kinds[number] == CENTRE and not recipe.holes[number].options:
            return square
        return generate.draw(generators[number], shape, recipe.seed, index)

    return draw


def _check(recipe: Recipe, network: nn.Module, kinds: list[str]) -> None:
    for number, holes in enumerate(recipe.holes):
        try:
            generate.draw(generate.choose(holes.kind, holes.options), recipe.size)
        except MaskError as problem:
            place = f"holes.{number}.options" if holes.options else f"holes.{number}"
            raise RecipeError(f"{place}: {problem}") from None
    if getattr(network, "hole_shape", None) == CENTRE and set(kinds) != {CENTRE}:
        raise RecipeError(
            f"{recipe.network.name or 'the network'} fills a centre square only but holes has "
            f"{', '.join(kinds)}; set holes to kind='centre'"
        )


def centre_square(size: int, side: int) -> Hole:
    """A square of ``side`` pixels in the middle of ``size``."""
    hole = np.zeros((size, size), bool)
    start = (size - side) // 2
    hole[start : start + side, start : start + side] = True
    return hole
