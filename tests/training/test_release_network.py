"""A release of the bundled network, and random states that are restored."""

import runpy
from pathlib import Path

import torch
from training_inputs import draw_pictures, refinement_recipe

import mendpix
from mendpix.training import checkpoint
from mendpix.weights import cards

ROOT = Path(__file__).parents[2]
release = runpy.run_path(str(ROOT / "tools" / "release_network.py"))["release"]


def test_a_release_adds_up_the_runs_behind_it(tmp_path: Path) -> None:
    """Two stretches on different pictures, the second begun from the first's released weights."""
    for name in ("one", "two"):
        draw_pictures(tmp_path / name, 6 if name == "one" else 8, (80, 96))
    recipe = refinement_recipe(ema=0.9, validate_count=2)
    mendpix.train(tmp_path / "one", tmp_path / "a", recipe)
    release(tmp_path / "a", tmp_path / "one", 0.25, out=tmp_path / "first")
    before = tmp_path / "first" / "mender.safetensors"
    mendpix.train(tmp_path / "two", tmp_path / "b", recipe, start_from=before)
    release(tmp_path / "b", tmp_path / "two", 0.5, before, tmp_path / "second")
    card = cards.read_card(tmp_path / "second" / "mender.safetensors")
    assert (card["steps"], card["hours"]) == (8, 0.75)
    assert [(s["steps"], s["hours"]) for s in card["stretches"]] == [(4, 0.25), (4, 0.5)]
    assert card["recipe"]["from_weights"] == "mender.safetensors"
    read = [cards.read_card(tmp_path / run / "last.safetensors")["data"]["files"] for run in "ab"]
    assert card["data"]["files"].keys() == read[0].keys() | read[1].keys()
    assert (tmp_path / "second" / "mender.onnx").stat().st_size < 200_000
    assert cards.read_card(tmp_path / "second" / "mender.onnx").items() >= card.items()


def test_random_numbers_go_on_from_one_processs_part_of_all_states() -> None:
    """torch 2.13 reads such a slice from the wrong place; runs of two processes ended there."""
    torch.manual_seed(12)
    torch.rand(3)
    both = torch.stack([torch.zeros_like(torch.get_rng_state()), torch.get_rng_state()])
    expected = torch.rand(5)
    checkpoint.set_random_state({"cpu": both[1]})
    assert torch.equal(torch.rand(5), expected)
