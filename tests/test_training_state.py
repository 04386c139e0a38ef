"""A training's state carried in small files goes on where it stood."""

import runpy
from pathlib import Path

import pytest
import torch

import mendpix
from mendpix import models
from mendpix.training import state
from test_mender import recipe
from test_training_data import draw_pictures

ROOT = Path(__file__).parent.parent
carry = runpy.run_path(str(ROOT / "training_state" / "carry.py"))
release = runpy.run_path(str(ROOT / "training_state" / "release.py"))["release"]


def test_a_packed_run_goes_on(tmp_path: Path) -> None:
    draw_pictures(tmp_path / "photos", 8, (80, 96))
    judge = {"name": "patchgan", "options": {"layers": 1, "width": 4}}
    said = recipe(
        ema=0.9,
        save_every=2,
        validate_count=2,
        optimiser={"kind": "adamw"},
        losses={"pixel": {"kind": "l1"}, "adversarial": {"discriminator": judge}},
    )
    run, kept, again = tmp_path / "run", tmp_path / "kept", tmp_path / "again"
    mendpix.train(tmp_path / "photos", run, said, max_minutes=0)
    carry["pack"](run, kept)
    carry["unpack"](again, run / "last.safetensors", kept)
    before, after = state.load(run / "state"), state.load(again / "state")
    assert before["step"] == after["step"] == 1
    assert before["objective"].keys() == after["objective"].keys() > set()
    assert all(torch.equal(v, after["objective"][k]) for k, v in before["objective"].items())
    assert len(after["optimisers"]) == 2
    for name in before["network"]:
        assert torch.equal(before["network"][name], after["network"][name])
        averaged = before["average"][f"module.{name}"]
        torch.testing.assert_close(after["average"][f"module.{name}"], averaged)
    first = before["optimisers"][0]["state"], after["optimisers"][0]["state"]
    assert first[0].keys() == first[1].keys()
    for index, averages in first[0].items():
        assert float(first[1][index]["step"]) == 1
        torch.testing.assert_close(
            first[1][index]["exp_avg"], averages["exp_avg"], rtol=2**-7, atol=0
        )
    outcome = mendpix.train(tmp_path / "photos", again, said, resume=True)
    assert outcome.finished and outcome.step == 4
    carry["pack"](again, kept)
    carry["unpack"](tmp_path / "ended", again / "last.safetensors", kept)
    ended = state.load(tmp_path / "ended" / "state")
    assert [optimiser["state"] for optimiser in ended["optimisers"]] == [{}, {}]
    assert all(
        torch.equal(v, ended["network"][k])
        for k, v in state.load(again / "state")["network"].items()
    )


def test_a_release_adds_up_the_runs_behind_it(tmp_path: Path) -> None:
    """Two stretches on different pictures, the second begun from the first's released weights."""
    for name in ("one", "two"):
        draw_pictures(tmp_path / name, 6 if name == "one" else 8, (80, 96))
    said = recipe(ema=0.9, validate_count=2)
    mendpix.train(tmp_path / "one", tmp_path / "a", said)
    release(tmp_path / "a", tmp_path / "one", 0.25, out=tmp_path / "first")
    before = tmp_path / "first" / "mender.safetensors"
    mendpix.train(tmp_path / "two", tmp_path / "b", said, start_from=before)
    release(tmp_path / "b", tmp_path / "two", 0.5, before, tmp_path / "second")
    card = models.card(tmp_path / "second" / "mender.safetensors")
    assert (card["steps"], card["hours"]) == (8, 0.75)
    assert [(s["steps"], s["hours"]) for s in card["stretches"]] == [(4, 0.25), (4, 0.5)]
    assert card["recipe"]["from_weights"] == "mender.safetensors"
    read = [models.card(tmp_path / run / "last.safetensors")["data"]["files"] for run in "ab"]
    assert card["data"]["files"].keys() == read[0].keys() | read[1].keys()
    assert (tmp_path / "second" / "mender.onnx").is_file()


def test_random_numbers_go_on_from_one_processs_part_of_all_states() -> None:
    """torch 2.13 reads such a slice from the wrong place; runs of two processes ended there."""
    torch.manual_seed(12)
    torch.rand(3)
    both = torch.stack([torch.zeros_like(torch.get_rng_state()), torch.get_rng_state()])
    wanted = torch.rand(5)
    state.restore_random({"cpu": both[1]})
    assert torch.equal(torch.rand(5), wanted)


def test_parts_are_small_and_whole() -> None:
    tensors = {str(n): torch.zeros(1_000_000 * n) for n in range(1, 8)}
    found = carry["parts"](tensors)
    assert [name for part in found for name in part] == list(tensors)
    for part in found:
        assert len(part) == 1 or sum(t.nbytes for t in part.values()) <= 14_000_000


@pytest.mark.skipif(
    not (ROOT / "training_state" / "state.json").is_file(), reason="no state was left"
)
def test_the_state_left_here_can_be_unpacked(tmp_path: Path) -> None:
    released = ROOT / "src" / "mendpix" / "bundled" / "mender.safetensors"
    carry["unpack"](tmp_path, released)
    saved = state.load(tmp_path / "state")
    assert saved["step"] > 300
    assert saved["network"].keys() == {k[7:] for k in saved["average"] if k != "n_averaged"}
    files = list((ROOT / "training_state").glob("*"))
    assert max(f.stat().st_size for f in files) <= 15_000_000
    assert sum(f.stat().st_size for f in files if f.is_file()) <= 40_000_000
