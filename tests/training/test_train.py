"""Training runs: they learn, stop and resume exactly, and say in one line what went wrong."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from torch import nn

from mendpix import training
from mendpix.errors import MendError, RecipeError, TrainingError
from mendpix.networks import serialization
from mendpix.networks.types import Prediction
from mendpix.training import (
    checkpoint,
    memory_estimate,
    objective,
    schedule,
    tensorboard,
    validation,
)
from mendpix.training.hole_sampling import make_hole_sampler
from mendpix.training.photos import read_photos
from mendpix.training.recipe import Recipe
from mendpix.training.samples import iterate_held_out
from mendpix.training.tensorboard import EventFile
from mendpix.weights import cards

JUDGE = {"name": "patchgan", "options": {"width": 4}}


def tables(**changes: Any) -> dict[str, Any]:
    """A recipe with everything that has a state: two players, averages, batch norm, phases."""
    return {
        "network": {"name": "partial-unet", "options": {"levels": 4, "width": 4}},
        "losses": {
            "l2": 1.0,
            "game": {
                "kind": "adversarial",
                "weight": 0.01,
                "discriminator": JUDGE,
                "options": {"game": "non-saturating", "r1": 0.1, "r1_every": 3},
            },
        },
        "holes": [{"kind": "centre"}],
        "size": 32,
        "batch": 4,
        "phases": [{"steps": 8}, {"steps": 4, "lr": 1e-3, "still_norms": ["encoder"]}],
        "optimiser": {"lr": 2e-3, "clip": 5.0},
        "schedule": "cosine",
        "ema": 0.9,
        "log_every": 1,
        "validate_every": 5,
        "sheet_every": 6,
        "save_every": 4,
        **changes,
    }


def make_recipe(**changes: Any) -> Recipe:
    return training.parse_recipe(tables(**changes))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Smooth pictures of two colours."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(16):
        random = np.random.default_rng(number)
        coarse = random.integers(0, 256, (3, 3, 3), np.uint8)
        smooth = cv2.resize(coarse, (48, 40), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"p{number:02d}.png"), smooth)
    rows = "".join(f"p{number:02d}.png,CC0\n" for number in range(8))
    (folder / "manifest.csv").write_text("file,licence\n" + rows)
    return folder


def enlarge(photos: Path, folder: Path) -> Path:
    """The same pictures at twice the size."""
    folder.mkdir()
    for path in photos.glob("*.png"):
        picture = cv2.imread(str(path))
        assert picture is not None
        cv2.imwrite(str(folder / path.name), cv2.resize(picture, (96, 80)))
    return folder


def run(
    photos: Path, out: Path, recipe: Recipe | None = None, **options: Any
) -> training.TrainingResult:
    return training.train(photos, out, recipe or make_recipe(), accelerator="cpu", **options)


def read_lines(out: Path, key: str) -> list[dict[str, Any]]:
    found = (json.loads(line) for line in (out / "log.jsonl").read_text().splitlines())
    return [line for line in found if key in line]


def assert_same_state(one: Path, two: Path) -> None:
    """Both runs stand exactly where the other does: state, weights, logged losses."""
    first, second = checkpoint.load(one / "state"), checkpoint.load(two / "state")
    assert_equal(first, second)
    for name in ("last", "best"):
        ours, theirs = (load_file(out / f"{name}.safetensors") for out in (one, two))
        assert_equal(ours, theirs)
    assert [line["losses"] for line in read_lines(one, "losses")] == [
        line["losses"] for line in read_lines(two, "losses")
    ]


def assert_equal(one: Any, two: Any) -> None:
    """Equal in every bit."""
    assert type(one) is type(two)
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, two)
    elif isinstance(one, dict):
        assert one.keys() == two.keys()
        for key in one:
            assert_equal(one[key], two[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(two)
        for a, b in zip(one, two, strict=True):
            assert_equal(a, b)
    else:
        assert one == two


@pytest.fixture(scope="module")
def whole(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never stopped."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    assert run(photos, out).finished
    return out


def test_a_run_folder_holds_everything(whole: Path, photos: Path) -> None:
    assert {p.name for p in whole.iterdir()} == {
        "recipe.toml",
        "log.jsonl",
        "sheets",
        "state",
        *(["tensorboard"] if find_spec("tensorboard") else []),
        "best.safetensors",
        "last.safetensors",
    }
    assert training.read_recipe(whole / "recipe.toml") == make_recipe()
    assert [line["step"] for line in read_lines(whole, "losses")] == list(range(1, 13))
    assert [line["step"] for line in read_lines(whole, "validation")] == [5, 10, 12]
    assert sorted(p.name for p in (whole / "sheets").iterdir()) == ["0000006.png", "0000012.png"]
    sheet = cv2.imread(str(whole / "sheets" / "0000012.png"))
    assert sheet is not None
    assert sheet.shape[1] == 4 * 32


def test_the_card_names_every_file_with_its_licence(whole: Path) -> None:
    card = cards.read_card(whole / "last.safetensors")
    files = card["data"]["files"]
    assert files.get("p01.png", {"licence": "CC0"})["licence"] == "CC0"
    assert {entry["licence"] for entry in files.values()} == {"CC0", "not stated"}
    assert sum(card["data"]["licences"].values()) == len(files)
    assert all(len(entry["sha256"]) == 64 for entry in files.values())
    assert len(files) + card["data"]["held_out"] == 16
    assert card["steps"] == 12
    assert card["recipe"]["size"] == 32
    assert cards.verify(whole / "last.safetensors")


def test_shares_of_the_gradient_are_logged_at_each_phases_first_step(whole: Path) -> None:
    first, second = read_lines(whole, "gradient_shares")
    assert (first["step"], second["step"]) == (1, 9)
    for line in (first, second):
        assert set(line["gradient_shares"]) == {"l2", "game"}
        assert sum(line["gradient_shares"].values()) == pytest.approx(1)
        assert min(line["gradient_shares"].values()) > 0


def test_the_weights_open_as_a_network(whole: Path) -> None:
    network, _ = serialization.load(whole)
    hole = torch.zeros(1, 1, 32, 32)
    assert network(torch.rand(1, 3, 32, 32), hole).image.isfinite().all()


@pytest.mark.parametrize("at", [3, 8])
def test_stopped_and_resumed_equals_never_stopped(
    photos: Path, whole: Path, tmp_path: Path, at: int
) -> None:
    """Ctrl-C between any two steps (8 is the border of the phases), then resume."""

    def interrupt(event: training.TrainingEvent) -> None:
        if event.step == at and event.losses:
            signal.raise_signal(signal.SIGINT)

    stopped = run(photos, tmp_path / "run", watch=interrupt)
    assert (stopped.finished, stopped.reason, stopped.step) == (False, "interrupted", at)
    resumed = run(photos, tmp_path / "run", resume=True)
    assert resumed.finished
    assert_same_state(tmp_path / "run", whole)


CHILD = """
import json, sys
from pathlib import Path
from mendpix import training

def watch(event):
    if event.losses:
        print(event.step, flush=True)

photos, out, tables = sys.argv[1:]
made = training.parse_recipe(json.loads(tables))
training.train(photos, out, made, accelerator="cpu", watch=watch)
"""


def test_killed_and_resumed_equals_never_stopped(photos: Path, whole: Path, tmp_path: Path) -> None:
    """``kill -9`` after step 6: the state of step 4 is there, and the log is cut back to it."""
    words = [sys.executable, "-c", CHILD, str(photos), str(tmp_path / "run"), json.dumps(tables())]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.strip() == "6":
                child.kill()
                break
    assert child.returncode == -signal.SIGKILL
    assert checkpoint.load(tmp_path / "run" / "state")["step"] >= 4
    assert run(photos, tmp_path / "run", resume=True).finished
    assert_same_state(tmp_path / "run", whole)


def test_a_torn_state_falls_back_to_the_one_before(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, {"step": 1})
    checkpoint.save(tmp_path, {"step": 2})
    assert checkpoint.load(tmp_path)["step"] == 2
    (tmp_path / checkpoint.CURRENT).write_bytes((tmp_path / checkpoint.CURRENT).read_bytes()[:50])
    assert checkpoint.load(tmp_path)["step"] == 1
    (tmp_path / checkpoint.PREVIOUS).unlink()
    with pytest.raises(TrainingError, match="no state to resume from"):
        checkpoint.load(tmp_path)


def test_the_same_recipe_twice_is_the_same_run(photos: Path, whole: Path, tmp_path: Path) -> None:
    run(photos, tmp_path / "again")
    assert_same_state(tmp_path / "again", whole)


def test_max_minutes_stops_with_the_state_saved(photos: Path, whole: Path, tmp_path: Path) -> None:
    stopped = run(photos, tmp_path / "run", max_minutes=0.0)
    assert (stopped.reason, stopped.step) == ("time is up", 1)
    assert run(photos, tmp_path / "run", resume=True).finished
    assert_same_state(tmp_path / "run", whole)


def test_training_learns(tmp_path: Path) -> None:
    """Pictures that fade between four colours: the hole's error on others of their kind falls
    below half of what the mean colour makes of it."""
    for number in range(60):
        corners = np.random.default_rng(number).integers(0, 256, (2, 2, 3), np.uint8)
        smooth = cv2.resize(corners, (40, 40), interpolation=cv2.INTER_LINEAR)
        (tmp_path / "photos").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "photos" / f"f{number}.png"), smooth)
    recipe = make_recipe(
        network={"name": "partial-unet", "options": {"levels": 4, "width": 8}},
        losses={"l1": 1.0},
        phases=[],
        steps=400,
        batch=8,
        optimiser={"lr": 5e-3},
        data={"held_out": 0.2},
        validate_every=400,
        log_every=50,
        ema=0.0,
    )
    measured = run(tmp_path / "photos", tmp_path / "run", recipe).validation
    assert measured["hole_l1"] < 0.5 * measured["mean_colour_l1"]


def test_accumulation_is_the_same_step(photos: Path, tmp_path: Path) -> None:
    """Without batch norm and with sgd: two parts of a batch come to the whole batch's step."""
    plain = {
        "network": {"name": "partial-unet", "options": {"levels": 4, "width": 4}},
        "losses": {"l2": 1.0},
        "phases": [{"steps": 3, "still_norms": ["encoder", "decoder"]}],
        "optimiser": {"kind": "sgd", "lr": 0.1},
        "ema": 0.0,
    }
    for parts in (1, 2):
        run(photos, tmp_path / str(parts), make_recipe(**plain, accumulate=parts))
    one, two = (load_file(tmp_path / f"{parts}" / "last.safetensors") for parts in (1, 2))
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-4, atol=1e-6)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def test_two_processes_are_one_with_the_whole_batch(photos: Path, tmp_path: Path) -> None:
    """Without moving batch norms, two gloo processes come to the weights of one, and resume."""
    recipe = tables(phases=[{"steps": 6, "still_norms": ["encoder", "decoder"]}], ema=0.0)
    recipe["optimiser"] = {"kind": "sgd", "lr": 0.003}
    recipe["discriminators"] = {"kind": "sgd", "lr": 0.003}
    recipe["losses"]["game"]["discriminator"] = {"name": "sn-patchgan", "options": {"width": 4}}
    script = tmp_path / "child.py"
    script.write_text(CHILD.replace('accelerator="cpu"', 'accelerator="cpu", devices=2'))
    # The launcher's default way to meet counts heartbeats, which a busy machine may miss; here
    # the processes simply wait for each other at a port of this machine.
    words = ["-m", "torch.distributed.run", "--nproc-per-node=2", "--rdzv-backend=static"]
    words += ["--master-addr=127.0.0.1", f"--master-port={free_port()}", str(script)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, *words, str(photos), str(tmp_path / "two"), json.dumps(recipe)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    run(photos, tmp_path / "one", training.parse_recipe(recipe))
    one, two = (load_file(tmp_path / name / "last.safetensors") for name in ("one", "two"))
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-4, atol=1e-6)
    for ours, theirs in zip(
        *(read_lines(tmp_path / n, "losses") for n in ("one", "two")), strict=True
    ):
        assert ours["losses"] == pytest.approx(theirs["losses"], rel=1e-4)
    judges = [checkpoint.load(tmp_path / name / "state")["objective"] for name in ("one", "two")]
    for name in judges[0]:
        torch.testing.assert_close(judges[0][name], judges[1][name], rtol=1e-4, atol=1e-6)
    with pytest.raises(TrainingError, match=r"2 process.* this one has 1; use as many --workers"):
        run(photos, tmp_path / "two", training.parse_recipe(recipe), resume=True)


def test_frozen_parts_stay_and_the_average_follows(photos: Path, tmp_path: Path) -> None:
    first = make_recipe(phases=[{"steps": 2}], save_every=2, ema=0.0)
    run(photos, tmp_path / "first", first)
    before, _ = serialization.load(tmp_path / "first" / "last.safetensors")
    second = make_recipe(phases=[{"steps": 3, "rest": ["encoder"]}], ema=0.0)
    run(photos, tmp_path / "second", second, start_from=tmp_path / "first" / "last.safetensors")
    after, card = serialization.load(tmp_path / "second" / "last.safetensors")
    moved = {
        name: not torch.equal(a, b)
        for (name, a), b in zip(before.named_parameters(), after.parameters(), strict=True)
    }
    assert not any(moved[name] for name in moved if name.startswith("encoder"))
    assert all(moved[name] for name in moved if name.startswith("decoder"))
    assert card["recipe"]["from_weights"].endswith("last.safetensors")


def test_averaged_weights_are_released(whole: Path) -> None:
    kept, released = checkpoint.load(whole / "state"), load_file(whole / "last.safetensors")
    raw, mean = kept["network"], kept["average"]
    name = next(name for name in released if name.endswith("weight") and released[name].ndim == 4)
    assert torch.equal(released[name], mean[f"module.{name}"])
    assert not torch.equal(released[name], raw[name])


@pytest.mark.parametrize("precision", ["bf16", "32"])
def test_precisions_train(photos: Path, tmp_path: Path, precision: str) -> None:
    out = run(photos, tmp_path / "run", make_recipe(precision=precision, phases=[{"steps": 3}]))
    assert out.finished
    assert all(
        np.isfinite(v) for line in read_lines(out.folder, "losses") for v in line["losses"].values()
    )
    network, _ = serialization.load(out.folder)
    assert {p.dtype for p in network.parameters()} == {torch.float32}


def test_a_term_that_explodes_is_told_a_weight(photos: Path, tmp_path: Path) -> None:
    """Summed over a picture, times 1e12: the weight that is named brings it to 1."""
    term = {"kind": "l2", "weight": 1e12, "options": {"reduction": "sum"}}
    with pytest.raises(TrainingError, match=r"its weight is 1e\+12") as caught:
        run(photos, tmp_path / "run", make_recipe(losses={"sum": term}, phases=[], steps=2))
    words = str(caught.value).split()
    value = float(words[words.index("to") + 1])
    weight = float(words[words.index("would") - 1])
    assert weight * value / 1e12 == pytest.approx(1, rel=0.06)


def test_a_loss_that_is_not_finite_stops_the_run(photos: Path, tmp_path: Path) -> None:
    """The message names the step, the term and the files; the state before is kept."""
    recipe = make_recipe(
        losses={"l2": 1.0}, phases=[], steps=60, save_every=1, optimiser={"kind": "sgd", "lr": 1e9}
    )
    with pytest.raises(TrainingError) as caught:
        run(photos, tmp_path / "run", recipe)
    message = str(caught.value)
    assert message.startswith("step ")
    assert "l2 came to" in message
    assert ".png" in message
    assert "the state before it is kept; try a lower lr" in message
    step = int(message.split()[1].rstrip(":"))
    assert checkpoint.load(tmp_path / "run" / "state")["step"] == step - 1


def test_any_loss_trains_any_network(photos: Path, tmp_path: Path) -> None:
    """Changing the network's line of a recipe is enough; every term reaches the network."""
    networks = {
        "partial-unet": ({"levels": 4, "width": 4}, 32),
        "context-encoder-random": ({"width": 4, "bottleneck": 8}, 64),
    }
    folder = enlarge(photos, tmp_path / "photos")
    for name, (options, size) in networks.items():
        recipe = make_recipe(
            network={"name": name, "options": options},
            losses={
                "l2": 1.0,
                "l1": 0.5,
                "adversarial": {"weight": 0.1, "discriminator": JUDGE},
            },
            size=size,
            phases=[{"steps": 2}],
        )
        out = run(folder, tmp_path / name, recipe)
        (line,) = read_lines(out.folder, "gradient_shares")
        assert set(line["gradient_shares"]) == {"l2", "l1", "adversarial"}
        assert min(line["gradient_shares"].values()) > 0


def test_resuming_something_else_is_refused(photos: Path, whole: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="batch = 4 but this one has 8; resume without"):
        run(photos, whole, make_recipe(batch=8), resume=True)
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((40, 40, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "b.png"), np.zeros((40, 40, 3), np.uint8))
    with pytest.raises(TrainingError, match="the pictures changed since: 2 added, 16 gone"):
        run(tmp_path, whole, resume=True)
    with pytest.raises(TrainingError, match="no state to resume from"):
        run(photos, tmp_path / "nothing", resume=True)
    with pytest.raises(TrainingError, match="holds a run already; go on with it by --resume"):
        run(photos, whole)


def test_mistakes_cost_no_time(photos: Path, whole: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    (tmp_path / "file").write_text("")
    cases: list[tuple[type[MendError], str, dict[str, Any]]] = [
        (TrainingError, "is a file; name a folder", {"out": tmp_path / "file"}),
        (TrainingError, "is no folder", {"photos": tmp_path / "gone"}),
        (RecipeError, "there is no recipe", {"recipe": "partail"}),
        (TrainingError, "precision=16 needs a CUDA GPU", {"recipe": make_recipe(precision="16")}),
        (TrainingError, "cannot be shared by 3 processes", {"devices": 3}),
        (RecipeError, "network.name is 'unet'", {"recipe": make_recipe(network={"name": "unet"})}),
        (TrainingError, "smaller than the training size 64", {"recipe": make_recipe(size=64)}),
    ]
    for kind, message, changes in cases:
        given = {"photos": photos, "out": tmp_path / "run", "recipe": make_recipe(), **changes}
        with pytest.raises(kind) as caught:
            training.train(**given, accelerator="cpu")
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "run").exists()
    assert time.monotonic() - began < 30


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_is_named(photos: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(TrainingError, match="cannot be written; name another folder"):
        run(photos, tmp_path / "run")


def test_starting_from_other_networks_is_refused(photos: Path, whole: Path, tmp_path: Path) -> None:
    other = make_recipe(network={"name": "partial-unet", "options": {"levels": 4, "width": 6}})
    with pytest.raises(TrainingError, match="made with other options"):
        run(photos, tmp_path / "run", other, start_from=whole)
    network = {"name": "context-encoder-random", "options": {"width": 4, "bottleneck": 8}}
    bigger = enlarge(photos, tmp_path / "bigger")
    with pytest.raises(TrainingError, match="holds a PartialUNet but the recipe trains a"):
        run(bigger, tmp_path / "run", make_recipe(network=network, size=64), start_from=whole)


def test_corrupt_pictures_are_logged(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for path in photos.glob("*.png"):
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "torn.png").write_bytes(b"\x89PNG")
    events: list[training.TrainingEvent] = []
    out = run(folder, tmp_path / "run", make_recipe(phases=[{"steps": 1}]), watch=events.append)
    assert "1 left out (log.jsonl says why)" in events[0].message
    (line,) = read_lines(out.folder, "skipped")
    assert line["skipped"] == "torn.png"


def test_evaluation_mode_is_left_as_it_was(photos: Path) -> None:
    """Measuring between steps must not move batch norms, nor set still ones free."""
    recipe = make_recipe()
    network = objective.build_network(recipe)
    schedule.enter_phase(recipe.phase_plan[1], network)
    modes = {name: module.training for name, module in network.named_modules()}
    assert set(modes.values()) == {True, False}
    before = {name: value.clone() for name, value in network.state_dict().items()}
    batches = iterate_held_out(
        read_photos(photos, recipe), recipe, make_hole_sampler(recipe, network)
    )
    validation.measure(network, batches, torch.device("cpu"))
    assert modes == {name: module.training for name, module in network.named_modules()}
    assert_equal(before, dict(network.state_dict()))


def test_a_batch_that_cannot_fit_is_refused_with_one_that_does() -> None:
    recipe = make_recipe(batch=400)
    torch.manual_seed(0)
    network, terms = objective.build_network(recipe), objective.build_objective(recipe)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    random = torch.get_rng_state()
    fixed, each = memory_estimate.estimate_memory(recipe, network, terms)
    assert_equal(before, dict(network.state_dict()))
    assert torch.equal(random, torch.get_rng_state())
    free = int((fixed + 100 * each) * memory_estimate.OVERHEAD)
    with pytest.raises(TrainingError, match=r"a batch of 400 needs about .* use batch=(99|100),"):
        memory_estimate.check(recipe, network, terms, free=free)
    with pytest.raises(TrainingError, match="no batch fits"):
        memory_estimate.check(recipe, network, terms, free=fixed)
    memory_estimate.check(make_recipe(batch=50), network, terms, free=free)


def test_the_estimate_is_of_the_right_size() -> None:
    """Of a plain pair of convolutions what is kept is known: the input, and what lies between."""
    recipe = make_recipe(losses={"l2": 1.0}, size=128, batch=2)
    network = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Tanh(), nn.Conv2d(8, 3, 1))

    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = network

        def forward(self, photo: torch.Tensor, hole: torch.Tensor) -> Prediction:
            return Prediction(self.body(photo))

    fixed, each = memory_estimate.estimate_memory(
        recipe, Plain(), objective.build_objective(recipe)
    )
    numbers = 128 * 128 * 4
    assert fixed == (3 * 8 + 8 + 8 * 3 + 3) * 4 * 5
    assert each == pytest.approx((3 + 8 + 3) * numbers, rel=0.5)


def test_tensorboard_reads_what_was_logged(whole: Path) -> None:
    """By its own reader: every number of the log, as float32, and the sheets at their steps."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(whole / "tensorboard"))
    events.Reload()
    for table in ("losses", "gradients", "validation"):
        for line in read_lines(whole, table):
            for name, value in line[table].items():
                numbers = {e.step: e.value for e in events.Scalars(f"{table}/{name}")}
                assert numbers[line["step"]] == np.float32(value)
    assert [event.step for event in events.Images("sheet")] == [6, 12]
    sheet = cv2.imdecode(np.frombuffer(events.Images("sheet")[1].encoded_image_string, np.uint8), 1)
    saved = cv2.imread(str(whole / "sheets" / "0000012.png"))
    assert sheet is not None and saved is not None
    np.testing.assert_array_equal(sheet, saved)


def test_a_resumed_run_hides_what_tensorboard_had_beyond_its_state(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    killed, resumed = EventFile(tmp_path), EventFile(tmp_path, step=4)
    for step in (3, 4, 5, 6):
        killed.add_numbers(step, {"loss": 1.0})
    resumed.add_numbers(5, {"loss": 2.0})
    for file in (killed, resumed):
        file.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(3, 1), (4, 1), (5, 2)]


def test_without_tensorboard_a_run_goes_without(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensorboard, "find_spec", lambda name: None)
    short = make_recipe(phases=[{"steps": 1}])
    assert not (run(photos, tmp_path / "run", short).folder / "tensorboard").exists()
    with pytest.raises(TrainingError, match=r"pip install 'mendpix\[tensorboard\]'"):
        run(tmp_path / "gone", tmp_path / "other", short, tensorboard=True)


def test_event_files_can_be_left_out(photos: Path, tmp_path: Path) -> None:
    out = run(photos, tmp_path / "run", make_recipe(phases=[{"steps": 1}]), tensorboard=False)
    assert not (out.folder / "tensorboard").exists()


def test_finetuning_takes_the_network_of_the_weights(
    photos: Path, whole: Path, tmp_path: Path
) -> None:
    folder = enlarge(photos, tmp_path / "photos")
    sets = ["data.short_side=64", "size=64", "batch=4", "validate_every=2"]
    given: dict[str, Any] = {"overrides": {"steps": 2}, "sets": sets, "accelerator": "cpu"}
    with pytest.raises(RecipeError, match="needs weights to go on from; add --from"):
        training.train(folder, tmp_path / "run", "finetune-tiny", **given)
    out = training.train(folder, tmp_path / "run", "finetune-tiny", start_from=whole, **given)
    network, card = serialization.load(out.folder)
    assert card["recipe"]["network"] == {
        "name": "partial-unet",
        "options": {
            "levels": 4,
            "width": 4,
            "mean": [0.0, 0.0, 0.0],
            "std": [1.0, 1.0, 1.0],
        },
    }
    before, _ = serialization.load(whole)
    norms = [name for name in network.state_dict() if "running_" in name]
    assert norms
    for name in norms:
        assert torch.equal(network.state_dict()[name], before.state_dict()[name])


def test_a_run_is_resumed_with_its_own_recipe(photos: Path, whole: Path, tmp_path: Path) -> None:
    run(photos, tmp_path / "run", max_minutes=0.0)
    resumed = training.train(photos, tmp_path / "run", resume=True, accelerator="cpu")
    assert resumed.finished
    assert_same_state(tmp_path / "run", whole)
    with pytest.raises(TrainingError, match=r"no run to resume: it has no recipe\.toml"):
        training.train(photos, tmp_path / "none", resume=True)
    with pytest.raises(RecipeError, match="say which --recipe: a TOML file, or one of context-enc"):
        training.train(photos, tmp_path / "none")


def test_the_card_lists_what_was_read_only(photos: Path, tmp_path: Path) -> None:
    out = run(photos, tmp_path / "run", make_recipe(phases=[{"steps": 2}]))
    assert len(cards.read_card(out.folder / "last.safetensors")["data"]["files"]) == 8


def test_the_display_shows_the_run(photos: Path, tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=160)
    with training.ProgressDisplay(console) as watch:
        run(photos, tmp_path / "run", make_recipe(phases=[{"steps": 6}]), watch=watch)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    for words in ("pictures to train on", "hole_l1", "psnr", "steps/s", "loss ", "6/6"):
        assert words in shown


def test_stages_that_learn_in_turn(photos: Path, tmp_path: Path) -> None:
    """CR-Fill's four stages: a term of a part that stands still has no share of the gradient."""
    small = {"name": "crfill", "options": {"width": 4}}
    sets = ["size=32", "data.short_side=40", "batch=2", "network.options.width=4", "warmup=0"]
    judge = 'discriminator={name="patchgan", options={width=4, layers=2}}'
    sets += [f"losses.{name}.{judge}" for name in ("adversarial", "contextual-adversarial")]
    out = training.train(
        photos,
        tmp_path / "run",
        "crfill-tiny",
        overrides={"steps": 4},
        sets=sets,
        accelerator="cpu",
    )
    assert cards.read_card(out.folder / "last.safetensors")["recipe"]["network"] == small
    shares = [line["gradient_shares"] for line in read_lines(out.folder, "gradient_shares")]
    assert [set(line) for line in shares[:2]] == [{"coarse"}, {"coarse", "fine", "adversarial"}]
    assert shares[1]["coarse"] == 0
    assert min(shares[3].values()) > 0
    assert len(shares[3]) == 5
