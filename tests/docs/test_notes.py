"""The page on the notes: each line has an entry, what it names exists, its numbers are right."""

import importlib
import importlib.util
import inspect
import math
import os
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mendpix.losses import (
    GAN_OBJECTIVES,
    L2,
    Adversarial,
    Content,
    OverlapL2,
    Perceptual,
    PerceptualAdversarial,
    Style,
    Texture,
)
from mendpix.networks.features import LAYOUTS, FeatureNetwork
from mendpix.networks.layers import PartialConv2d
from mendpix.networks.types import DiscriminatorOutput

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "notes.md").read_text(encoding="utf-8")
ENTRIES = re.findall(r"^>(.*)\n\n((?:(?!>).+\n?)+)", PAGE, re.MULTILINE)


def test_every_line_of_the_notes_has_an_entry() -> None:
    quoted = re.findall(r"^>(.*)$", PAGE, re.MULTILINE)
    assert len(quoted) == len(ENTRIES) == 56
    for line, entry in ENTRIES:
        assert "Tests: " in entry and "Recipe: " in entry, line
    folder = os.environ.get("MENDPIX_SHARED")
    notes = Path(folder or "") / "spec" / "notes.md"
    if folder and notes.is_file():
        written = notes.read_text(encoding="utf-8").splitlines()
        assert [line.removeprefix(" ") for line in quoted] == written


@pytest.mark.parametrize(("line", "entry"), ENTRIES)
def test_what_an_entry_names_is_there(line: str, entry: str) -> None:
    for name in re.findall(r"`(mendpix\.[\w.]+)`", entry):
        _resolve(name)
    tests = re.search(r"Tests: (.*)\. Recipe: ", entry)
    assert tests
    groups = re.findall(
        r"((?:`test_\w+`(?:, | and )?)+) in `(tests/\w+/test_\w+\.py)`", tests.group(1)
    )
    assert groups
    for names, file in groups:
        text = (ROOT / file).read_text(encoding="utf-8")
        for name in re.findall(r"`(test_\w+)`", names):
            assert f"def {name}(" in text, f"{name} is not in {file}"


def test_one_search_finds_the_class_of_each_equation() -> None:
    equations = {
        line.strip().removeprefix("- ")
        for line, _ in ENTRIES
        if "$" in line and re.search(r"=|\\min", line)
    }
    listed = re.findall(r"^- `(mendpix[\w.]+)` in `(src/[\w/]+\.py)`: (.*)$", PAGE, re.MULTILINE)
    assert {equation for _, _, equation in listed} == equations and len(equations) == 16
    for name, file, equation in listed:
        found = [line for line in PAGE.splitlines() if equation in line and f"`{name}`" in line]
        assert len(found) == 1
        assert inspect.getsourcefile(_resolve(name)) == str(ROOT / file)
        assert any(f"`{name}`" in entry for line, entry in ENTRIES if equation in line)


def test_recipes_that_entries_name_are_there() -> None:
    folder = ROOT / "src" / "mendpix" / "training" / "recipes"
    for _, entry in ENTRIES:
        recipe = entry.split("Recipe: ")[1].splitlines()[0]
        for name in re.findall(r"`([\w-]+)`", recipe):
            assert (folder / f"{name}.toml").is_file(), name


def _resolve(name: str) -> Any:
    """Import the longest module in a dotted name and look the rest up."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part)
        return found
    raise AssertionError(name)


class Same(FeatureNetwork):
    """Every convolution passes its input on: features of a picture >= 0 are the picture."""

    def __init__(self) -> None:
        tap = torch.zeros(3, 3, 3, 3)
        tap[range(3), range(3), 1, 1] = 1
        indices = [step.index for step in LAYOUTS["vgg19"] if step.index >= 0]
        weights = {f"features.{index}.weight": tap for index in indices}
        biases = {f"features.{index}.bias": torch.zeros(3) for index in indices}
        super().__init__("vgg19", {**weights, **biases}, normalise=False)


class Says(nn.Module):
    """D(x) is 3/4 for bright pictures and 1/4 for dark ones; taps the picture, and twice it."""

    def forward(self, photo: Tensor, hole: Tensor) -> DiscriminatorOutput:
        bright = photo.mean((1, 2, 3)) > 0.4
        logits = torch.where(bright, math.log(3), -math.log(3))
        return DiscriminatorOutput(logits[:, None], (photo, 2 * photo))


def flat(size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Estimate 1/4, truth 1/2, everything missing."""
    whole = torch.ones(1, 3, size, size)
    return 0.25 * whole, 0.5 * whole, whole[:, :1]


def check(loss: Tensor, number: float) -> None:
    assert loss.item() == pytest.approx(number, rel=1e-6)


POOLS = {"pool2": 1.0, "pool5": 1.0}


def test_pixel_loss() -> None:
    """12 values that differ by 1/4: 12/16; their mean 1/16."""
    check(L2(reduction="sum")(*flat(2)), 0.75)
    check(L2()(*flat(2)), 0.0625)


def test_perceptual_loss() -> None:
    """pool2 of 32x32 is 8x8, pool5 1x1, three channels: (192 + 3)/16."""
    literal = Perceptual(Same(), POOLS, normalize="none", reduction="sum")
    check(literal(*flat(32)), 195 / 16)


def test_texture_loss() -> None:
    """Gram entries n (1/4)^2 and n (1/2)^2, n = 64 and 1: 9 (12^2 + (3/16)^2)."""
    literal = Texture(Same(), POOLS, patch_size=None, normalize="none", reduction="sum")
    check(literal(*flat(32)), 9 * (144 + 9 / 256))


def test_adversarial_loss() -> None:
    """G pays -log 1/4; D pays -log 3/4 - log(1 - 1/4)."""
    game = Adversarial(Says(), "non-saturating", on="output")
    check(game(*flat(2)), math.log(4))
    check(game.discriminator_loss(*flat(2)), -2 * math.log(0.75))


def test_content_loss() -> None:
    """Half of 12/16; the course's: 12/16 over 4 * 12."""
    check(Content(Same(), {"conv4_2": 1.0})(*flat(16)), 0.5 * 12 / 16)
    check(Content(Same(), {"conv1_1": 1.0}, "course")(*flat(2)), 1 / 64)


def test_style_loss() -> None:
    """n_H n_W n_C = 12; Gram entries 4/4 (S) and 4/16 (G): 9 * 3/4 over 24^2, or squared; two
    layers weighted 1/4 and 1/2."""
    layers = {"conv1_1": 0.25, "conv1_2": 0.5}
    check(Style(Same(), layers, squared=False)(*flat(2)), 0.75 * 9 * 0.75 / 24**2)
    check(Style(Same(), layers)(*flat(2)), 0.75 * 9 * 0.75**2 / 24**2)


def test_pan_loss() -> None:
    """Layers that differ by 1/4 and 1/2, lambda 2 and 3: 2/4 + 3/2. Called, G's -log(1 - D)
    joins; a sum norm is the mean times 12 values."""
    estimate, truth, hole = flat(2)
    discriminator = Says()
    term = PerceptualAdversarial(discriminator, (2.0, 3.0))
    literal = term.match(discriminator(estimate, hole), discriminator(truth, hole))
    check(literal, 2.0)
    check(term(estimate, truth, hole), 2.0 + math.log(0.75))
    summed = PerceptualAdversarial(discriminator, (24.0, 36.0))
    check(summed.match(discriminator(estimate, hole), discriminator(truth, hole)), 24.0)


def test_gan_value() -> None:
    """V = log 3/4 + log(1 - 1/4); G's share of it is log(1 - 1/4)."""
    game = Adversarial(Says(), "minimax", on="output")
    check(-game.discriminator_loss(*flat(2)), 2 * math.log(0.75))
    check(game(*flat(2)), math.log(0.75))


def test_context_encoder_weights() -> None:
    """A 2x2 hole, a frame of one: 4 pixels of weight 1 and 12 of weight 10, errors (2/4)^2."""
    estimate, truth, _ = flat(8)
    hole = torch.zeros(1, 1, 8, 8)
    hole[..., 3:5, 3:5] = 1
    check(OverlapL2(overlap=1)(estimate, truth, hole), 0.25 * (4 + 120) / 16)
    check(L2(known_weight=10, span=2)(estimate, truth, hole), 0.25 * (4 + 600) / 64)


def test_crfill_discriminator() -> None:
    """Logits log 3 and -log 3: as noted relu(1 - log 3) + relu(1 + log 3); as done, 1 + D of the
    fake: relu(1 - log 3) twice."""
    estimate, truth, hole = flat(2)
    discriminator = Says()
    real, fake = discriminator(truth, hole).logits, discriminator(estimate, hole).logits
    noted = (
        GAN_OBJECTIVES["hinge"].real(real, 1).mean() + GAN_OBJECTIVES["hinge"].real(fake, 1).mean()
    )
    check(noted, 1 + math.log(3))
    check(Adversarial(discriminator, "hinge").discriminator_loss(estimate, truth, hole), 0.0)


def test_partial_convolution() -> None:
    """One window of 3x3x1 with 3 known values of 2, weights 1, bias 5: noted 6/3 + 5, the paper's
    6 * 9/3 + 5; nothing known: 0."""
    x = torch.full((1, 1, 3, 3), 2.0)
    hole = torch.ones(1, 1, 3, 3)
    hole[..., 1, :] = 0
    layer = PartialConv2d(1, 1, 3)
    with torch.no_grad():
        layer.weight.fill_(1.0)
        assert layer.bias is not None
        layer.bias.fill_(5.0)
        check(layer(x, hole)[0], 23.0)
        check(layer(x, torch.ones_like(hole))[0], 0.0)
        layer.weight.div_(9)
        check(layer(x, hole)[0], 7.0)


def _example() -> ModuleType:
    path = ROOT / "examples" / "style_transfer.py"
    spec = importlib.util.spec_from_file_location("style_transfer", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_paints(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few steps bring the picture nearer to the style and keep it the content's."""
    monkeypatch.setenv("MENDPIX_HOME", str(shared / "weights"))
    torch.manual_seed(0)
    content, style = torch.rand(2, 1, 3, 32, 32)
    painting = _example().paint(content, style, steps=4)
    everywhere = torch.ones(1, 1, 32, 32)
    nearness = Style()
    assert nearness(painting, style, everywhere) < 0.5 * nearness(content, style, everywhere)
    assert (painting - content).abs().mean() < (style - content).abs().mean()
