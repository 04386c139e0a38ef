"""Values of recipes that nothing can take: one line, before any work."""

from typing import Any

import pytest
from training_inputs import refinement_recipe

from mendpix.errors import RecipeError
from mendpix.training.recipe_io import read_recipe


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"losses": {}}, "losses is"),
        ({"optimiser": {"betas": [1.0, 0.9]}}, "betas"),
        ({"optimiser": {"lr": float("nan")}}, "lr"),
        ({"data": {"scale": [0.0, 0.0]}}, "scale"),
        ({"data": {"scale": [2.0, 1.0]}}, "give the smaller factor first"),
        ({"data": {"short_side": 10**6}}, "short_side"),
        ({"size": 10**6}, "size"),
        ({"steps": int("9" * 400)}, "steps"),
        ({"seed": 10**30}, "seed"),
    ],
)
def test_values_out_of_range(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        refinement_recipe(**changes)
    assert "\n" not in str(caught.value)


def test_a_rate_that_is_no_number() -> None:
    with pytest.raises(RecipeError, match="lr is nan but must be > 0"):
        read_recipe("partial-conv-tiny", {"lr": float("nan")})
