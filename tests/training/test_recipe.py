"""Recipes: every shipped one reads and builds, every mistake is one line that says the way out."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w
import torch
from hypothesis import given
from hypothesis import strategies as st

from mendpix.errors import RecipeError
from mendpix.losses import LossInputs, Style, Texture
from mendpix.networks import features, serialization
from mendpix.networks.types import Prediction
from mendpix.training import initialization, objective, recipe_files, recipe_io, schedule
from mendpix.training.default_weights import resolve_weights
from mendpix.training.hole_sampling import make_hole_sampler
from mendpix.training.recipe import Recipe
from mendpix.training.recipe_io import format_recipe
from mendpix.weights import cards

FEATURES = {"partial-conv-style": "vgg16", "perceptual": "vgg19-caffe"}
"""Losses of shipped recipes that read a feature network."""


SUMMED = {"kind": "l2", "options": {"reduction": "sum"}}


def tables(**changes: Any) -> dict[str, Any]:
    """A small recipe as tables."""
    return {
        "network": {"name": "context-encoder-random", "options": {"width": 4, "bottleneck": 8}},
        "losses": {"l2": {"weight": 2.0}},
        "holes": [{"kind": "centre"}],
        "size": 64,
        "steps": 10,
        **changes,
    }


def file(folder: Path, **changes: Any) -> Path:
    """A small recipe as a file."""
    path = folder / "mine.toml"
    path.write_text(tomli_w.dumps(tables(**changes)))
    return path


@pytest.mark.parametrize("name", recipe_files.list_recipes())
def test_shipped_recipes_read_and_write_themselves(name: str) -> None:
    recipe = recipe_io.read_recipe(name)
    again = recipe_io.parse_recipe(tomllib.loads(format_recipe(recipe)))
    assert again == recipe


PAPERS = ("context-encoder", "context-encoder-random", "crfill", "pan", "partial-conv")


def test_every_paper_has_its_recipe_and_a_small_one() -> None:
    names = {*PAPERS, "enhance", "finetune"}
    assert set(recipe_files.list_recipes()) == {"mender", "mender-finetune"} | names | {
        f"{name}-tiny" for name in names
    }
    described = map(recipe_files.describe_recipe, recipe_files.list_recipes())
    assert all(10 < len(words) < 100 for words in described)


@pytest.mark.parametrize(
    "name",
    [name for name in recipe_files.list_recipes() if name.endswith("-tiny") and "fine" not in name],
)
def test_tiny_recipes_build(name: str) -> None:
    recipe = recipe_io.read_recipe(name)
    for kind, network in FEATURES.items():
        if features.find(network) is None and kind in {
            t.kind or n for n, t in recipe.losses.items()
        }:
            pytest.skip(f"{network} is not at hand")
    network, terms = objective.build_network(recipe), objective.build_objective(recipe)
    for phase in recipe.phase_plan:
        schedule.enter_phase(phase, network)
        assert any(p.requires_grad for p in network.parameters())
    assert set(terms.names.values()) == set(recipe.losses)
    assert make_hole_sampler(recipe, network)(3).shape == (recipe.size, recipe.size)


def test_the_papers_numbers() -> None:
    """What the sources say, field by field."""
    centre, partial, crfill = (
        recipe_io.read_recipe(n) for n in ("context-encoder", "partial-conv", "crfill")
    )
    assert (centre.optimiser.lr, centre.discriminators.lr) == (2e-3, 2e-4)
    assert [centre.losses[n].weight for n in ("reconstruction", "adversarial")] == [0.999, 0.001]
    assert [t.weight for t in partial.losses.values()] == [1, 6, 0.05, 120, 0.1]
    assert [p.lr for p in partial.phase_plan] == [2e-4, 5e-5]
    assert partial.phase_plan[1].still_norms == ("encoder",)
    assert (crfill.optimiser.lr, crfill.discriminators.lr) == (1e-4, 4e-4)
    active = [
        [name for name, w in objective.weights_at(crfill, phase, 0).items() if w]
        for phase in crfill.phase_plan
    ]
    assert active == [
        ["coarse"],
        ["coarse", "fine", "adversarial"],
        ["coarse", "fine", "adversarial"],
        ["coarse", "fine", "adversarial", "contextual", "contextual-adversarial"],
    ]
    assert recipe_io.read_recipe("pan").losses["pan"].options["margin"] == 3


def test_recipes_differ_by_field() -> None:
    lines = recipe_io.diff_recipes("partial-conv", "partial-conv-tiny")
    assert "size: 512 -> 64" in lines
    assert "network.options.levels: 8 -> 6" in lines
    assert recipe_io.diff_recipes("crfill", "crfill") == []


def test_every_field_is_described() -> None:
    rows = recipe_io.list_fields()
    assert len(rows) > 50
    assert all(description for _, _, description in rows)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"btach": 3}, "unknown key 'btach'; did you mean 'batch'"),
        ({"data": {"crpo": "random"}}, "unknown key 'data.crpo'; did you mean 'crop'"),
        (
            {"losses": {"l2": {"wieght": 1}}},
            "unknown key 'losses.l2.wieght'; did you mean 'weight'",
        ),
        ({"phases": [{"stepps": 3}]}, "unknown key 'phases.0.stepps'; did you mean 'steps'"),
        ({"optimiser": {"betas": [0.5]}}, "optimiser.betas"),
        ({"batch": "many"}, "batch is 'many'"),
        ({"batch": 0}, "batch is 0"),
        ({"precision": "8"}, "precision is '8'"),
        ({"steps": 0}, "neither steps nor phases"),
        ({"batch": 5, "accumulate": 2}, "cannot be cut into 2 equal parts"),
        (
            {"phases": [{"steps": 2, "weights": {"l22": 0}}]},
            "a phase weighs 'l22'; did you mean 'l2'",
        ),
        ({"holes": []}, "holes"),
    ],
)
def test_mistakes_are_one_line_with_the_way_out(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe_io.parse_recipe(tables(**changes))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_keys_are_named() -> None:
    with pytest.raises(RecipeError, match="'network' is missing"):
        recipe_io.parse_recipe({"losses": {}, "holes": [{"kind": "centre"}], "steps": 1})


def test_unknown_recipes_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no recipe 'partial-convv'"):
        recipe_io.read_recipe("partial-convv")
    with pytest.raises(RecipeError, match="cannot be read"):
        recipe_io.read_recipe(tmp_path / "gone.toml")
    (tmp_path / "broken.toml").write_text("size = = 3")
    with pytest.raises(RecipeError, match="no valid TOML"):
        recipe_io.read_recipe(tmp_path / "broken.toml")


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ({"l3": 1.0}, "there is no loss 'l3'"),
        (
            {"l2": {"options": {"onn": "output"}}},
            "losses.l2.options has no 'onn'; did you mean 'on'",
        ),
        ({"l2": {"options": {"on": "paper"}}}, "losses.l2.options.on is 'paper'"),
        ({"texture": {"options": {"patch_size": "all"}}}, "options.patch_size is 'all'"),
        ({"style": {"options": {"layers": ["conv1_1", "cov2_1"]}}}, "no layer 'cov2_1'"),
        ({"adversarial": 1.0}, "losses.adversarial needs a discriminator"),
        ({"l2": {"discriminator": {"name": "patchgan"}}}, "l2 takes no discriminator"),
        (
            {"adversarial": {"discriminator": {"name": "patchgam"}}},
            "name is 'patchgam'; did you mean 'patchgan'",
        ),
    ],
)
def test_losses_that_do_not_exist(losses: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        objective.build_objective(recipe_io.parse_recipe(tables(losses=losses)))
    assert message in str(caught.value)


def test_none_and_lists_of_layers_can_be_said_in_toml() -> None:
    if features.find("vgg19-caffe") is None:
        pytest.skip("vgg19-caffe is not at hand")
    losses = {
        "texture": {"options": {"patch_size": "none"}},
        "style": {"options": {"layers": ["conv1_1", "conv2_1"]}},
    }
    goal = objective.build_objective(recipe_io.parse_recipe(tables(losses=losses)))
    texture, style = goal.terms["texture"], goal.terms["style"]
    assert isinstance(texture, Texture)
    assert texture.patch_size is None
    assert isinstance(style, Style)
    assert style.layers == {"conv1_1": 0.5, "conv2_1": 0.5}


def test_what_a_term_misses_names_the_term() -> None:
    losses = {"rebuilt": {"kind": "contextual"}}
    recipe = recipe_io.parse_recipe(tables(losses=losses))
    picture, hole = torch.zeros(1, 3, 8, 8), torch.ones(1, 1, 8, 8)
    goal = objective.build_objective(recipe)
    with pytest.raises(RecipeError, match=r"losses\.rebuilt: the prediction has no 'aux'"):
        goal.compute_terms(LossInputs(Prediction(picture), picture, hole), {"rebuilt": 1.0})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": {"name": "unet"}}, "network.name is 'unet'"),
        ({"network": {"name": "context-encoder"}}, "works at 128 only; set size=128"),
        (
            {"network": {"name": "partial-unet"}, "size": 100},
            "needs multiples of 256; set size=256",
        ),
        ({"network": {"name": "partial-unet", "options": {"levls": 3}}}, "'levels'"),
    ],
)
def test_networks_that_do_not_fit(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        objective.build_network(recipe_io.parse_recipe(tables(**changes)))
    assert message in str(caught.value)


def test_set_changes_any_field(tmp_path: Path) -> None:
    path = file(tmp_path, phases=[{"steps": 4}, {"steps": 6, "lr": 0.1}])
    recipe = recipe_io.read_recipe(
        path,
        {"batch": 4, "seed": None},
        [
            "losses.l2=60",
            "losses.tv.weight=0.5",
            "phases.1.lr=0.25",
            "network.options.width=6",
            "data.crop=centre",
            "precision=bf16",
            "optimiser.betas=[0.1, 0.2]",
        ],
    )
    assert recipe.losses["l2"].weight == 60
    assert recipe.losses["tv"].weight == 0.5
    assert recipe.phases[1].lr == 0.25
    assert recipe.network.options == {"width": 6, "bottleneck": 8}
    assert recipe.data.crop == "centre"
    assert recipe.precision == "bf16"
    assert recipe.optimiser.betas == (0.1, 0.2)
    assert (recipe.batch, recipe.seed) == (4, 0)


def test_a_weight_alone_keeps_the_terms_options(tmp_path: Path) -> None:
    path = file(
        tmp_path, losses={"far": {"kind": "l2", "weight": 1, "options": {"on": "composite"}}}
    )
    far = recipe_io.read_recipe(path, sets=["losses.far=3"]).losses["far"]
    assert (far.weight, far.kind, far.options) == (3, "l2", {"on": "composite"})


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("losses.l2", "must look like losses.style=60"),
        ("batch.size=3", "unknown key|it has no fields|batch"),
        ("holes.7.kind=centre", "7 is not a place from 0 to 0"),
        ("sice=64", "did you mean 'size'"),
    ],
)
def test_set_mistakes(tmp_path: Path, item: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        recipe_io.read_recipe(file(tmp_path), sets=[item])


def test_a_learning_rate_scales_all_of_them(tmp_path: Path) -> None:
    path = file(
        tmp_path,
        optimiser={"lr": 0.002},
        discriminators={"lr": 0.0002},
        phases=[{"steps": 1}, {"steps": 1, "lr": 0.001}],
    )
    recipe = recipe_io.read_recipe(path, {"lr": 0.004})
    assert schedule.learning_rates(recipe, 0) == pytest.approx((0.004, 0.0004))
    assert schedule.learning_rates(recipe, 5) == pytest.approx((0.002, 0.0004))


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=5),
    st.integers(5, 400),
)
def test_phases_fill_the_steps(lengths: list[int], steps: int) -> None:
    recipe = recipe_io.parse_recipe(tables(steps=steps, phases=[{"steps": n} for n in lengths]))
    assert recipe.total == steps
    assert all(phase.steps >= 1 for phase in recipe.phase_plan)
    starts = [schedule.find_phase(recipe, step)[0] for step in range(steps)]
    assert starts == sorted(starts)
    assert set(starts) == set(range(len(lengths)))


def test_rates_follow_the_schedule() -> None:
    recipe = recipe_io.parse_recipe(
        tables(steps=100, warmup=10, schedule="cosine", optimiser={"lr": 1.0})
    )
    courses = [schedule.learning_rates(recipe, step)[0] for step in range(100)]
    assert courses[0] == pytest.approx(0.1)
    assert max(courses) == courses[9] == pytest.approx(1, abs=0.03)
    assert courses[50] == pytest.approx(0.5)
    assert courses[99] < 0.001


def test_weights_rise_and_phases_change_them() -> None:
    recipe: Recipe = recipe_io.parse_recipe(
        tables(
            losses={"l2": {"weight": 8, "start": 2, "ramp": 4}, "l1": 1},
            phases=[{"steps": 8}, {"steps": 2, "weights": {"l2": 5, "l1": 0}}],
        )
    )
    first, second = recipe.phase_plan
    rising = [objective.weights_at(recipe, first, step)["l2"] for step in range(8)]
    assert rising == [0, 0, 2, 4, 6, 8, 8, 8]
    assert objective.weights_at(recipe, second, 8) == {"l2": 5, "l1": 0}


def test_a_phase_says_who_learns() -> None:
    recipe = recipe_io.parse_recipe(
        tables(phases=[{"steps": 1, "train": ["body.enc"], "still_norms": ["body.encoder.1"]}])
    )
    network = objective.build_network(recipe)
    schedule.enter_phase(recipe.phase_plan[0], network)
    learning = {name for name, p in network.named_parameters() if p.requires_grad}
    assert learning
    assert all(name.startswith("body.encoder") for name in learning)
    assert "body.encoder.1.norm.weight" not in learning
    still = {name for name, m in network.named_modules() if name and not m.training}
    assert still == {"body.encoder.1.norm"}
    wrong = recipe_io.parse_recipe(tables(phases=[{"steps": 1, "rest": ["bdoy"]}])).phase_plan[0]
    with pytest.raises(RecipeError, match="'bdoy' that the network lacks; did you mean 'body'"):
        schedule.enter_phase(wrong, network)


def test_the_page_on_recipes_holds_every_field_and_name() -> None:
    page = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert "\n".join(recipe_io.format_field_table()) in page
    for name in recipe_files.list_recipes():
        assert f"- `{name}`: {recipe_files.describe_recipe(name)}\n" in page


def test_the_bundled_network_can_be_gone_on_from_by_its_name() -> None:
    recipe = recipe_io.read_recipe("mender-finetune").model_copy(update={"from_weights": "mender"})
    network = objective.build_network(recipe)
    initialization.copy_weights(network, recipe)
    wanted, _ = serialization.load(cards.BUNDLED / "mender.safetensors")
    for name, value in wanted.state_dict().items():
        assert torch.equal(network.state_dict()[name], value.float())


def test_a_term_without_a_weight_gets_one_that_a_recipe_can_hold() -> None:
    losses = {"l1": {}, "tv": {}, "l2": {"weight": 5.0}, "reduced": SUMMED}
    recipe, messages = resolve_weights(recipe_io.parse_recipe(tables(losses=losses)))
    weights = {name: term.weight for name, term in recipe.losses.items()}
    assert weights["l1"] == 1
    assert weights["l2"] == 5
    assert weights["tv"] is not None
    assert 0 < weights["tv"] < 1
    assert len(messages) == 3
    assert recipe_io.parse_recipe(tomllib.loads(format_recipe(recipe))) == recipe
    assert resolve_weights(recipe) == (recipe, [])


def test_a_sum_weighs_as_much_less_as_it_has_more_values_than_a_mean() -> None:
    mean = {"kind": "l2"}
    recipe, _ = resolve_weights(recipe_io.parse_recipe(tables(losses={"a": mean, "b": SUMMED})))
    ratio = (recipe.losses["a"].weight or 0) / (recipe.losses["b"].weight or 1)
    assert ratio == pytest.approx(3 * 64 * 64, rel=0.02)
