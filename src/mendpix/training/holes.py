"""The recipe's mixture of holes: one per sample index, the same whenever it is asked for."""

import numpy as np
from torch import nn

from .. import drawing
from ..errors import RecipeError
from .data import Draw, Hole, generator
from .recipe import Recipe, near

CENTRE = "centre"


def drawer(recipe: Recipe, network: nn.Module) -> Draw:
    """The function that draws a sample's hole.

    Raises:
        RecipeError: an unknown generator, or holes the network cannot take.
    """
    kinds = [holes.kind for holes in recipe.holes]
    for kind in kinds:
        if kind != CENTRE and kind not in drawing.GENERATORS:
            raise RecipeError(
                f"holes: there is no {kind!r}; {near(kind, [CENTRE, *drawing.GENERATORS])}"
            )
    if getattr(network, "hole_shape", None) == CENTRE and set(kinds) != {CENTRE}:
        raise RecipeError(
            f"{recipe.network.name} fills a centre square only but holes has "
            f"{', '.join(kinds)}; set holes to kind='centre'"
        )
    square = centre(recipe.size, int(getattr(network, "hole_side", recipe.size // 2)))
    shares = np.array([holes.share for holes in recipe.holes])
    bounds = np.cumsum(shares / shares.sum())[:-1]

    def draw(index: int) -> Hole:
        chance = generator(recipe.seed, index, purpose=3).random()
        kind = kinds[int(np.searchsorted(bounds, chance, side="right"))]
        return square if kind == CENTRE else drawing.draw(kind, recipe.size, recipe.seed, index)

    return draw


def centre(size: int, side: int) -> Hole:
    """A square of ``side`` pixels in the middle of ``size``."""
    hole = np.zeros((size, size), bool)
    start = (size - side) // 2
    hole[start : start + side, start : start + side] = True
    return hole
