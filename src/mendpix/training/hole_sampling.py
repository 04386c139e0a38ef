"""The recipe's mixture of holes: one per sample index, the same whenever it is asked for."""

from collections.abc import Callable

import numpy as np
from torch import nn

from mendpix.errors import MaskError, RecipeError
from mendpix.masks import generate
from mendpix.training.initial_fills import Starts
from mendpix.training.recipe import Recipe
from mendpix.training.samples import Draw, generator
from mendpix.types import Hole
from mendpix.weights import download

Shape = int | tuple[int, int]

CENTRE = "centre"


def drawer(recipe: Recipe, network: nn.Module) -> Draw:
    """The function that draws a sample's hole.

    Raises:
        RecipeError: an unknown generator or option, or holes the network cannot take.
    """
    square = centre(recipe.size, int(getattr(network, "hole_side", recipe.size // 2)))
    draw_mixed = _mixture(recipe, network)

    def draw(index: int) -> Hole:
        if recipe.one_hole:
            index -= index % recipe.batch
        return draw_mixed(recipe.size, index, square)

    return draw


def first_fills(recipe: Recipe, network: nn.Module) -> Starts | None:
    """First fills of whole photos, for a network that mends one; None for all others.

    Raises:
        RecipeError: as for :func:`drawer`, or no such filler or option of it.
    """
    name = getattr(network, "start", "")
    if not name:
        return None
    mixed, data = _mixture(recipe, network), recipe.data
    return Starts(
        name,
        lambda shape, index: mixed(shape, index, None),
        recipe.seed,
        data.start_options,
        data.start_holes,
        download.home() / "first-fills" if data.cache == "disk" else None,
    )


def _mixture(recipe: Recipe, network: nn.Module) -> Callable[[Shape, int, Hole | None], Hole]:
    """Draws from the recipe's mixture, at any size; given a square, kind 'centre' is that."""
    kinds = [holes.kind for holes in recipe.holes]
    _check(recipe, network, kinds)
    made = [generate.chosen(holes.kind, holes.options) for holes in recipe.holes]
    shares = np.array([holes.share for holes in recipe.holes])
    bounds = np.cumsum(shares / shares.sum())[:-1]

    def draw(shape: Shape, index: int, square: Hole | None) -> Hole:
        chance = generator(recipe.seed, index, purpose=3).random()
        number = int(np.searchsorted(bounds, chance, side="right"))
        if square is not None and kinds[number] == CENTRE and not recipe.holes[number].options:
            return square
        return generate.draw(made[number], shape, recipe.seed, index)

    return draw


def _check(recipe: Recipe, network: nn.Module, kinds: list[str]) -> None:
    for holes in recipe.holes:
        try:
            generate.draw(generate.chosen(holes.kind, holes.options), recipe.size)
        except MaskError as problem:
            raise RecipeError(f"holes: {problem}") from None
    if getattr(network, "hole_shape", None) == CENTRE and set(kinds) != {CENTRE}:
        raise RecipeError(
            f"{recipe.network.name or 'the network'} fills a centre square only but holes has "
            f"{', '.join(kinds)}; set holes to kind='centre'"
        )


def centre(size: int, side: int) -> Hole:
    """A square of ``side`` pixels in the middle of ``size``."""
    hole = np.zeros((size, size), bool)
    start = (size - side) // 2
    hole[start : start + side, start : start + side] = True
    return hole
