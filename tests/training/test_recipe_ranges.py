"""Values of recipes that nothing can take: one line, before any work."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from training_inputs import refinement_recipe

from mendpix.errors import MendError, RecipeError
from mendpix.masks.generate import GENERATORS
from mendpix.networks import DISCRIMINATORS, NETWORKS
from mendpix.networks.serialization import find_options_type
from mendpix.training.models import build_models
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
        ({"batch": True}, "batch is True: a number is wanted"),
        ({"batch": 10**30}, "batch is"),
        ({"optimiser": {"betas": [True, 0.9]}}, "optimiser.betas.0 is True"),
        ({"optimiser": {"clip": float("inf")}}, "optimiser.clip is inf"),
        ({"losses": {"pixel": {"kind": "l1", "weight": float("nan")}}}, "losses.pixel.weight is"),
        ({"losses": {"l1": True}}, "losses.l1.weight is True"),
        ({"holes": [{"kind": "lama", "share": 1e300}]}, "holes.0.share is 1e"),
    ],
)
def test_values_out_of_range(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        refinement_recipe(**changes)
    assert "\n" not in str(caught.value)


def test_a_rate_that_is_no_number() -> None:
    with pytest.raises(RecipeError, match="lr is nan but must be > 0"):
        read_recipe("partial-conv-tiny", {"lr": float("nan")})


def list_options() -> Iterator[tuple[str, str, dict[str, Any], Any]]:
    """Every number among the options: its place, its name, its tables but for it, its default."""
    for name, network in NETWORKS.items():
        for field in dataclasses.fields(find_options_type(network)):
            yield "network", field.name, {"network": {"name": name}}, field.default
    for name, discriminator in DISCRIMINATORS.items():
        for field in dataclasses.fields(find_options_type(discriminator)):
            term = {"kind": "adversarial", "weight": 1.0, "discriminator": {"name": name}}
            place = "losses.game.discriminator"
            yield place, field.name, {"losses": {"game": term}}, field.default
    for name, holes in GENERATORS.items():
        for field in dataclasses.fields(holes):
            value = getattr(holes, field.name)
            yield "holes.0", field.name, {"holes": [{"kind": name}]}, value


def with_option(place: str, tables: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    """Tables with one option set."""
    first = next(iter(tables))
    if first == "network":
        return {"network": {**tables["network"], "options": {name: value}}}
    if first == "holes":
        return {"holes": [{**tables["holes"][0], "options": {name: value}}]}
    term = tables["losses"]["game"]
    discriminator = {**term["discriminator"], "options": {name: value}}
    return {"losses": {"game": {**term, "discriminator": discriminator}}}


@pytest.mark.parametrize("value", [-8, float("nan"), 10**30, "x", [1]], ids=str)
def test_numbers_that_no_option_can_take(value: Any) -> None:
    tried = 0
    for place, name, tables, default in list_options():
        if isinstance(default, bool) or not isinstance(default, int | float):
            continue
        with pytest.raises(RecipeError) as caught:
            build_models(refinement_recipe(**with_option(place, tables, name, value)))
        assert str(caught.value).startswith(f"{place}.options"), (place, name)
        assert name in str(caught.value) and "\n" not in str(caught.value)
        tried += 1
    assert tried > 60


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": {"name": "partial-unet", "options": {"levels": 0}}}, "network.options.levels"),
        ({"network": {"name": "partial-unet", "options": {"width": -8}}}, "network.options.width"),
        ({"network": {"name": "pan", "options": {"width": True}}}, "network.options.width is True"),
        ({"holes": [{"kind": "varied", "options": {"folder": 5}}]}, "holes.0.options: folder is 5"),
        ({"holes": [{"kind": "lama", "options": {"boxes": {"count": [5, 1]}}}]}, "smaller number"),
        ({"losses": {"l1": {"options": {"span": True}}}}, "losses.l1.options.span is True"),
        ({"losses": {"l1": {"options": {"span": 1e300}}}}, "losses.l1.options.span is 1e.300"),
    ],
)
def test_options_out_of_range(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(MendError, match=message) as caught:
        build_models(refinement_recipe(**changes))
    assert "\n" not in str(caught.value)
