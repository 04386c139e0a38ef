"""What a run may choose, and what it does where weights, memory or a folder lack."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mendpix import cli, training
from mendpix.errors import MendError, RecipeError, TrainingError
from mendpix.networks import features, serialization
from mendpix.networks.features import weight_files
from mendpix.networks.types import Prediction
from mendpix.training import (
    checkpoint,
    gan_step,
    objective,
    out_of_memory,
    profiling,
    run_setup,
    schedule,
)
from mendpix.training import run_directory as folders
from mendpix.training.models import Models
from mendpix.training.photos import PhotoSet
from mendpix.training.recipe import Recipe
from mendpix.training.recipe_io import format_recipe
from mendpix.training.run_state import RunState
from mendpix.training.samples import Batch
from mendpix.weights import cards


def tables(**changes: Any) -> dict[str, Any]:
    return {
        "network": {"name": "partial-unet", "options": {"levels": 3, "width": 4}},
        "losses": {"l1": 1.0},
        "holes": [{"kind": "centre"}],
        "size": 64,
        "batch": 4,
        "steps": 4,
        "log_every": 1,
        **changes,
    }


def make_recipe(**changes: Any) -> Recipe:
    return training.parse_recipe(tables(**changes))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(12):
        coarse = np.random.default_rng(number).integers(0, 256, (4, 4, 3), np.uint8)
        smooth = cv2.resize(coarse, (80, 72), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"p{number:02d}.png"), smooth)
    return folder


def run(photos: Path, out: Path, recipe: Recipe, **options: Any) -> training.TrainingResult:
    return training.train(photos, out, recipe, accelerator="cpu", **options)


def read_lines(out: Path, key: str) -> list[dict[str, Any]]:
    found = (json.loads(line) for line in (out / "log.jsonl").read_text().splitlines())
    return [line for line in found if key in line]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A weights folder of the test's own, and nothing remembered from another."""
    monkeypatch.setenv("MENDPIX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    (tmp_path / "home").mkdir()
    remembered = (features._load_cached, weight_files.load_tensors)
    for cached in remembered:
        cached.cache_clear()
    yield tmp_path / "home"
    for cached in remembered:
        cached.cache_clear()


def write_random_alexnet(home: Path) -> None:
    """AlexNet's layers with random weights: feature weights are at hand."""
    torch.manual_seed(1)
    shapes = {
        0: (64, 3, 11),
        3: (192, 64, 5),
        6: (384, 192, 3),
        8: (256, 384, 3),
        10: (256, 256, 3),
    }
    tensors = {}
    for index, (c_out, c_in, kernel) in shapes.items():
        scale = (c_in * kernel * kernel) ** -0.5
        tensors[f"features.{index}.weight"] = scale * torch.randn(c_out, c_in, kernel, kernel)
        tensors[f"features.{index}.bias"] = torch.zeros(c_out)
    save_file(tensors, home / features.list_sources()["alexnet"].file)


@pytest.mark.parametrize("judged", ["lpips", "hole_l1"])
def test_best_goes_by_lpips_or_else_by_the_holes_error(
    photos: Path, tmp_path: Path, home: Path, judged: str
) -> None:
    if judged == "lpips":
        write_random_alexnet(home)
    messages: list[str] = []
    recipe = make_recipe(steps=8, validate_every=1, optimiser={"lr": 0.05}, data={"held_out": 0.3})
    out = run(photos, tmp_path / "run", recipe, watch=lambda event: messages.append(event.message))
    validations = {
        line["step"]: line["validation"] for line in read_lines(out.folder, "validation")
    }
    assert len(validations) == 8
    assert all(("lpips" in measured) == (judged == "lpips") for measured in validations.values())
    best = min(validations, key=lambda step: validations[step][judged])
    card = cards.read_card(out.folder / "best.safetensors")
    assert (card["steps"], card["validation"]) == (best, validations[best])
    assert sum("best goes by hole L1" in words for words in messages) == (judged == "hole_l1")


@pytest.mark.skipif(shutil.which("g++") is None, reason="no compiler")
@pytest.mark.filterwarnings("ignore")  # of torch's own compiler
def test_a_compiled_network_is_the_same_network(photos: Path, tmp_path: Path) -> None:
    changes = {
        "steps": 2,
        "network": {"name": "partial-unet", "options": {"levels": 2, "width": 4}},
        "optimiser": {"kind": "sgd", "lr": 0.1},
    }
    for name, compiled in (("plain", False), ("compiled", True)):
        run(photos, tmp_path / name, make_recipe(**changes, compile=compiled))
    plain, compiled_too = (
        load_file(tmp_path / n / "last.safetensors") for n in ("plain", "compiled")
    )
    assert plain.keys() == compiled_too.keys()
    for name in plain:
        torch.testing.assert_close(plain[name], compiled_too[name], rtol=1e-3, atol=1e-5)


def test_channels_last_is_a_layout_only(photos: Path, tmp_path: Path) -> None:
    seen = {}
    for last in (True, False):
        recipe = make_recipe(channels_last=last, optimiser={"kind": "sgd", "lr": 0.1})
        seen[last] = run(photos, tmp_path / str(last), recipe)
    one, two = (load_file(out.folder / "last.safetensors") for out in seen.values())
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-3, atol=1e-5)


def test_bf16_rounds_but_keeps_wide_weights(photos: Path, tmp_path: Path) -> None:
    """Mixed: another result than float32's, near it; weights and averages stay float32."""
    recipe = {"optimiser": {"kind": "sgd", "lr": 0.1}, "ema": 0.5}
    for precision in ("32", "bf16"):
        run(photos, tmp_path / precision, make_recipe(**recipe, precision=precision))
    one, two = (read_lines(tmp_path / precision, "losses") for precision in ("32", "bf16"))
    assert one[0]["losses"]["l1"] != two[0]["losses"]["l1"]
    assert two[-1]["losses"]["l1"] == pytest.approx(one[-1]["losses"]["l1"], rel=0.05)
    kept = checkpoint.load(tmp_path / "bf16" / "state")
    for name in ("network", "average"):
        values = (v for v in kept[name].values() if v.is_floating_point())
        assert {value.dtype for value in values} == {torch.float32}


class Hungry(nn.Module):
    """A network that lacks memory for more than ``fits`` pictures, as an accelerator would."""

    def __init__(self, fits: int, words: str = "") -> None:
        super().__init__()
        self.mix = nn.Conv2d(3, 3, 1)
        self.fits, self.words, self.tried = fits, words, []

    def forward(self, photo: Tensor, hole: Tensor) -> Prediction:
        self.tried.append(len(photo))
        if len(photo) > self.fits:
            if self.words:
                raise RuntimeError(self.words)
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate much")
        return Prediction(self.mix(photo))


@pytest.mark.parametrize(
    ("fits", "words", "expected"),
    [
        (
            3,
            "",
            "16 pictures at once do not fit .*(2 do, that was tried); try batch=2, or accumulate=8",
        ),
        (
            8,
            "MPS backend out of memory (allocated: 9 GB)",
            "(8 do, .* try batch=8, or accumulate=2",
        ),
        (0, "", "(not even one does); take a smaller size or network, or precision=bf16"),
    ],
)
def test_a_batch_that_does_not_fit_is_answered_with_one_that_was_tried(
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fits: int,
    words: str,
    expected: str,
) -> None:
    hungry = Hungry(fits, words)
    build = run_setup.build_state

    def build_with_hungry(
        fabric: Fabric, recipe: Recipe, photos: PhotoSet, models: Models
    ) -> RunState:
        return build(fabric, recipe, photos, models._replace(network=hungry))

    monkeypatch.setattr(run_setup, "build_state", build_with_hungry)
    with pytest.raises(TrainingError) as caught:
        run(photos, tmp_path / "run", make_recipe(batch=16))
    pattern = expected.replace("(", r"\(").replace(")", r"\)")
    assert str(caught.value).startswith("step 1: ")
    assert re.search(pattern, str(caught.value)), str(caught.value)
    assert hungry.tried[0] == 16


def test_other_errors_of_a_step_are_not_taken_for_lack_of_memory() -> None:
    assert not out_of_memory.is_out_of_memory(RuntimeError("shapes do not fit"))
    assert out_of_memory.is_out_of_memory(torch.OutOfMemoryError("of any kind"))


def test_parts_of_a_batch_keep_what_belongs_together() -> None:
    photo, hole = torch.rand(4, 3, 2, 2), torch.rand(4, 1, 2, 2)
    whole = Batch(photo, hole, list("abcd"), photo.flip(0))
    first, second = gan_step.split_batch(whole, 2)
    assert second.files == ["c", "d"]
    assert torch.equal(second.network_input, photo.flip(0)[2:])
    assert torch.equal(torch.cat([first.hole, second.hole]), hole)


def test_the_command_takes_what_is_common(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(format_recipe(make_recipe()))
    words = "--steps 2 --batch 2 --size 32 --lr 0.003 --seed 7 --precision bf16 --workers 1"
    done = command(
        "train", photos, "--out", tmp_path / "run", "--recipe", tmp_path / "mine.toml",
        *words.split(), "--device", "cpu", "--set", "losses.l1=60", "--set", "data.cache=none",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"{tmp_path / 'run'}: step 2, finished" in done.stdout
    recipe = training.read_recipe(tmp_path / "run" / "recipe.toml")
    assert (recipe.steps, recipe.batch, recipe.size, recipe.seed, recipe.precision) == (
        2,
        2,
        32,
        7,
        "bf16",
    )
    assert (recipe.optimiser.lr, recipe.losses["l1"].weight, recipe.data.cache) == (
        0.003,
        60,
        "none",
    )


def command(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mendpix", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
    )


def test_the_command_starts_its_own_processes(photos: Path, tmp_path: Path) -> None:
    """``--workers 2``: without torchrun, the same weights as one process within rounding."""
    recipe = tables(
        phases=[{"steps": 2, "still_norms": ["encoder", "decoder"]}],
        optimiser={"kind": "sgd", "lr": 0.05},
        steps=2,
        size=32,
    )
    path = tmp_path / "mine.toml"
    path.write_text(format_recipe(training.parse_recipe(recipe)))
    done = command("train", photos, "-o", tmp_path / "two", "-r", path, "--workers", "2",
                   "--device", "cpu")  # fmt: skip
    assert done.returncode == 0, done.stderr
    run(photos, tmp_path / "one", training.parse_recipe(recipe))
    one, two = (load_file(tmp_path / name / "last.safetensors") for name in ("one", "two"))
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-4, atol=1e-6)


def test_a_run_of_another_version_is_not_resumed(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(photos, tmp_path / "run", make_recipe(), max_minutes=0.0)
    monkeypatch.setattr(folders, "__version__", "9.9")
    with pytest.raises(TrainingError, match=r"made by mendpix .*, this is 9\.9; use that version"):
        run(tmp_path / "not read first", tmp_path / "run", make_recipe(), resume=True)


def test_a_field_that_an_older_recipe_lacks_has_its_default(photos: Path, tmp_path: Path) -> None:
    run(photos, tmp_path / "run", make_recipe(), max_minutes=0.0)
    kept = checkpoint.load(tmp_path / "run" / "state")
    del kept["recipe"]["data"]["cache"], kept["recipe"]["warmup"]
    checkpoint.save(tmp_path / "run" / "state", kept)
    assert run(photos, tmp_path / "run", make_recipe(), resume=True).finished


def test_resuming_needs_no_weights_to_start_from(photos: Path, tmp_path: Path) -> None:
    """What a run started from may be gone when it is resumed; its state has all."""
    run(photos, tmp_path / "first", make_recipe(steps=1))
    start = tmp_path / "first" / "last.safetensors"
    run(photos, tmp_path / "run", make_recipe(), start_from=start, max_minutes=0.0)
    whole = run(photos, tmp_path / "whole", make_recipe(), start_from=start)
    start.unlink()
    resumed = training.train(photos, tmp_path / "run", resume=True, accelerator="cpu")
    assert resumed.finished
    one, two = (load_file(out.folder / "last.safetensors") for out in (resumed, whole))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert serialization.load(resumed.folder)[1]["recipe"]["from_weights"] == str(start)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": {"name": "partial-unet", "options": {"levls": 3}}}, "did you mean 'levels'"),
        ({"losses": {"l11": 1.0}}, "there is no loss 'l11'; did you mean 'l1'"),
        ({"holes": [{"kind": "stroks"}]}, "no kind of holes 'stroks'"),
        ({"size": 100}, "needs multiples of 8; set size=104"),
        ({"phases": [{"steps": 1, "rest": ["encodr"]}]}, "did you mean 'encoder'"),
        ({"from_weights": "nowhere"}, "nowhere"),
    ],
)
def test_a_recipe_is_refused_before_any_picture_is_read(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    """The folder does not even exist: what is wrong with the recipe is said first."""
    with pytest.raises(MendError) as caught:
        run(tmp_path / "gone", tmp_path / "run", make_recipe(**changes))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, RecipeError | TrainingError | MendError)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder nobody may write")
def test_a_folder_that_nobody_can_write_is_named_first(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="/proc cannot be written; name another folder"):
        run(tmp_path / "gone", Path("/proc/run"), make_recipe())


def test_without_torch_training_names_the_extra(photos: Path, tmp_path: Path) -> None:
    for verb in (["train", str(photos), "-o", str(tmp_path / "run")], ["check", str(photos)]):
        code = (
            "import sys; sys.modules['torch'] = None\n"
            "from mendpix import cli\n"
            f"sys.argv = ['mendpix', *{verb!r}]\n"
            "cli.main()\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "pip install 'mendpix[train]'" in done.stderr


def test_the_command_lists_prints_and_compares_recipes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = []
    for words in ([], ["print", "crfill"], ["diff", "pan", "pan-tiny"]):
        monkeypatch.setattr(sys, "argv", ["mendpix", "recipes", *words])
        with pytest.raises(SystemExit) as left:
            cli.main()
            raise SystemExit(0)
        assert not left.value.code
        outputs.append(capsys.readouterr().out)
    assert [line.split()[0] for line in outputs[0].splitlines()] == training.list_recipes()
    assert outputs[1].rstrip("\n") == training.read_recipe_text("crfill").rstrip("\n")
    assert outputs[2].splitlines() == training.diff_recipes("pan", "pan-tiny")


@pytest.mark.parametrize(
    "name", [n for n in training.list_recipes() if n.endswith("-tiny") and "finetune" not in n]
)
def test_a_term_that_drowns_or_rules_is_named_in_its_recipe(name: str) -> None:
    """Below 0.1 % or above 95 % of the gradient at a run's first step.

    A phase with one term needs no words: that term has all of it.
    """
    recipe = training.read_recipe(name, {"batch": 2})
    reads = {"enhance-tiny": "vgg19-caffe", "partial-conv-tiny": "vgg16"}.get(name)
    if reads is not None and features.find(reads) is None:
        pytest.skip(f"{reads} is not at hand")
    comments = [
        line for line in training.read_recipe_text(name).splitlines() if "#" in line and "%" in line
    ]
    step, batch = profiling.prepare_profile(recipe, 2, Fabric(accelerator="cpu", devices=1))
    schedule.enter_phase(recipe.phase_plan[0], step.network)
    weights = objective.weights_at(recipe, recipe.phase_plan[0], 0)
    result = step.run([batch], weights, measure_shares=True)
    assert sum(result.shares.values()) == pytest.approx(1)
    for term, share in result.shares.items():
        if len(result.shares) > 1 and not 0.001 <= share <= 0.95:
            assert any(term in line for line in comments), f"{term} has {share:.2%}"
