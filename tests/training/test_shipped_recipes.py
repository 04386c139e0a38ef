"""Every shipped recipe can be built and trained; terms may have any name."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from mendpix import training
from mendpix.errors import RecipeError
from mendpix.losses import L1, L2, Adversarial, WeightedSum
from mendpix.losses.base import LossInputs
from mendpix.networks import serialization
from mendpix.networks.partial_unet import PartialUNet, PartialUNetOptions
from mendpix.networks.patch_discriminators import PatchGAN, PatchGANOptions
from mendpix.training import objective, recipe_files, recipe_io
from mendpix.training.objective import Objective

PHOTOS = Path(__file__).parents[2] / "examples" / "photos"

NARROW: dict[str, dict[str, Any]] = {
    "context-encoder": {"width": 8, "bottleneck": 16},
    "context-encoder-random": {"width": 8, "bottleneck": 16},
    "pan-inpainting": {"width": 8, "bottleneck": 16},
    "partial-unet": {"levels": 4, "width": 8},
    "crfill": {"width": 8},
}
"""Networks with fewer channels; their terms, discriminators and phases are the recipes' own."""

TAKEN = ["type", "float", "half", "train", "values", "keys", "items", "forward", "_modules", "pop"]
"""Names that attributes of nn.Module and nn.ModuleDict have."""


@pytest.mark.shared
@pytest.mark.parametrize("name", list(recipe_files.list_recipes()))
def test_two_steps(
    name: str, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two steps, or one of each phase, so that every term counts in one of them."""
    monkeypatch.setenv("MENDPIX_HOME", str(shared / "weights"))
    whole = recipe_io.read_recipe(name)
    size = 128 if whole.network.name in ("context-encoder", "pan-inpainting") else 64
    steps = max(2, len(whole.phases))
    sets = [f"size={size}", f"data.short_side={size}", f"steps={steps}", "data.held_out=0.1"]
    sets += ["batch=2", "validate_count=1", "log_every=1", 'data.cache="none"']
    for option, value in NARROW.get(whole.network.name, {}).items():
        sets.append(f"network.options.{option}={value}")
    recipe = recipe_io.read_recipe(name, sets=sets)
    assert recipe.losses == whole.losses
    run = training.train(
        PHOTOS, tmp_path / "run", recipe, start_from=choose_start(name, tmp_path), accelerator="cpu"
    )
    assert (run.step, run.finished) == (steps, True)
    lines = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    terms = [key for line in lines for key in line.get("losses", {}) if "/" not in key]
    assert set(terms) == {key for key, term in whole.losses.items() if term.weight}


def choose_start(name: str, folder: Path) -> Path | str | None:
    """Weights for a recipe that goes on from some."""
    if name == "mender-finetune":
        return "mender"
    if not name.startswith("finetune"):
        return None
    small = PartialUNet(PartialUNetOptions(levels=4, width=4))
    return serialization.save(folder / "start.safetensors", small)


def test_terms_may_have_the_names_of_attributes() -> None:
    made = training.parse_recipe(
        {
            "network": {"name": "partial-unet", "options": {"levels": 3, "width": 4}},
            "losses": {name: {"kind": "l1", "weight": 2.0} for name in [*TAKEN, "a.b"]},
            "holes": [{"kind": "centre"}],
            "steps": 1,
        }
    )
    terms = objective.build_objective(made)
    weights = dict.fromkeys(made.losses, 2.0)
    assert [name for name, _, _ in terms.active_terms(weights)] == [*TAKEN, "a.b"]
    photo, hole = torch.rand(1, 3, 8, 8), torch.ones(1, 1, 8, 8)
    inputs = LossInputs(photo, torch.zeros_like(photo), hole)
    values = terms.compute_terms(inputs, weights)
    assert {float(value) for value in values.values()} == {2 * float(photo.mean())}
    total = WeightedSum({name: (1.0, L1()) for name in TAKEN})
    assert float(total(photo, torch.zeros_like(photo), hole)) == pytest.approx(
        len(TAKEN) * float(photo.mean())
    )
    assert total.half().train().type(torch.float32) is total


def build_adversarial_terms() -> dict[str, Adversarial]:
    return {name: Adversarial(PatchGAN(PatchGANOptions(width=4))) for name in ("half", "game")}


def test_states_are_those_of_an_ordinary_module_dict() -> None:
    """So the states of runs before are loaded, and what is learned is all in them."""
    ordinary = nn.Module()
    ordinary.terms = nn.ModuleDict(
        {f"x{name}": term for name, term in build_adversarial_terms().items()}
    )
    before = {k.replace("terms.x", "terms."): v for k, v in ordinary.state_dict().items()}
    for terms in (
        Objective(build_adversarial_terms()),
        WeightedSum({n: (1.0, t) for n, t in build_adversarial_terms().items()}),
    ):
        assert list(terms.state_dict()) == list(before)
        terms.load_state_dict(before)
        for name, value in terms.state_dict().items():
            assert torch.equal(value, before[name])
        assert len(list(terms.parameters())) == len(list(ordinary.parameters()))


def test_names_that_would_share_a_state_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"a\.b and a_b .* rename one"):
        Objective({"a.b": L1(), "a_b": L2()})
