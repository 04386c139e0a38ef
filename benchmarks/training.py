"""Training speed: ours against a straightforward loop, as a ratio in one run.

    python benchmarks/training.py [--size 256] [--batch 2] [--rounds 3] [--photos FOLDER]

partial-conv: the plain side is a U-Net whose partial convolutions count known entries with a
second full convolution, as public ports do, and an objective whose terms each send their pictures
through VGG-16. crfill (its last stage): the plain side uses our network and discriminators, since
plain ones would be another network, in a loop that predicts once for each player, judges real and
made pictures one after the other and keeps the default memory layout. Both sides make steps by
turns on the same pictures; medians are compared. With --photos, a short run of our trainer on
these photos tells the share of time that it waits for data.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mendpix import features, training
from mendpix.networks.partial_unet import LEVELS
from mendpix.training.data import Batch
from mendpix.training.objective import weights_at
from mendpix.training.recipe import Recipe
from mendpix.training.rehearsal import stage

Step = Callable[[], object]


class PlainPartialConv(nn.Module):
    """W(x * valid) * window / known entries, entries counted by a convolution with ones."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, bias: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False)
        self.bias = nn.Parameter(torch.zeros(c_out, 1, 1)) if bias else None
        self.count = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False)
        nn.init.ones_(self.count.weight).requires_grad_(False)
        self.window = c_in * kernel * kernel

    def forward(self, x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            known = self.count(valid)
            seen = (known > 0).float()
            gain = self.window / known.clamp(min=1e-8) * seen
        made = self.conv(x * valid) * gain
        return made if self.bias is None else (made + self.bias) * seen, seen


class PlainBlock(nn.Module):
    """Partial convolution, batch norm, activation."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, act: nn.Module | None,
                 norm: bool = True) -> None:  # fmt: skip
        super().__init__()
        self.conv = PlainPartialConv(c_in, c_out, kernel, stride, bias=not norm)
        self.norm, self.act = nn.BatchNorm2d(c_out) if norm else None, act

    def forward(self, x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        x, valid = self.conv(x, valid)
        x = self.norm(x) if self.norm else x
        return self.act(x) if self.act else x, valid


class PlainUNet(nn.Module):
    """The paper's network, masks as wide as the features they go with."""

    def __init__(self, levels: int, width: int = 64) -> None:
        super().__init__()
        rows = [LEVELS[min(level, len(LEVELS) - 1)] for level in range(levels)]
        widths = [3, *(units * width for _, units in rows)]
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        for level, (kernel, _) in enumerate(rows):
            block = PlainBlock(widths[level], widths[level + 1], kernel, 2, nn.ReLU(), level > 0)
            self.encoder.append(block)
        for level in range(levels, 0, -1):
            act = nn.LeakyReLU(0.2) if level > 1 else None
            c_in = widths[level] + widths[level - 1]
            self.decoder.append(PlainBlock(c_in, widths[level - 1], 3, 1, act, level > 1))

    def forward(self, photo: Tensor, hole: Tensor) -> Tensor:
        valid = (1 - hole).expand_as(photo)
        x, skips = photo * valid, [(photo * valid, valid)]
        for block in self.encoder:
            x, valid = block(x, valid)
            skips.append((x, valid))
        skips.pop()
        for block in self.decoder:
            skip, its_valid = skips.pop()
            x = torch.cat([F.interpolate(x, scale_factor=2), skip], 1)
            valid = torch.cat([F.interpolate(valid, scale_factor=2), its_valid], 1)
            x, valid = block(x, valid)
        return x


def plain_objective(vgg: nn.Module, out: Tensor, true: Tensor, hole: Tensor) -> Tensor:
    """The six terms, each on its own."""
    comp = hole * out + (1 - hole) * true
    loss = F.l1_loss(out * (1 - hole), true * (1 - hole)) + 6 * F.l1_loss(out * hole, true * hole)
    loss = loss + 0.05 * (perceptual(vgg, out, true) + perceptual(vgg, comp, true))
    loss = loss + 120 * (style(vgg, out, true) + style(vgg, comp, true))
    return loss + 0.1 * total_variation(comp, hole)


def layers(vgg: nn.Module, picture: Tensor) -> list[Tensor]:
    """The first three pooling layers."""
    return list(vgg(picture, ("pool1", "pool2", "pool3")).values())


def perceptual(vgg: nn.Module, made: Tensor, true: Tensor) -> Tensor:
    """Differences of features."""
    pairs = zip(layers(vgg, made), layers(vgg, true), strict=True)
    return torch.stack([F.l1_loss(a, b) for a, b in pairs]).sum()


def style(vgg: nn.Module, made: Tensor, true: Tensor) -> Tensor:
    """Differences of Gram matrices."""
    pairs = zip(layers(vgg, made), layers(vgg, true), strict=True)
    return torch.stack([F.l1_loss(gram(a), gram(b)) for a, b in pairs]).sum()


def gram(x: Tensor) -> Tensor:
    """Gram matrices ``(N, C, C)`` over the number of values."""
    flat = x.flatten(2)
    return flat @ flat.mT / flat[0].numel()


def total_variation(comp: Tensor, hole: Tensor) -> Tensor:
    """Jumps in the hole and its rim."""
    near = F.max_pool2d(hole, 3, 1, 1)
    down = (comp.diff(dim=2).abs() * near[:, :, 1:] * near[:, :, :-1]).sum()
    across = (comp.diff(dim=3).abs() * near[..., 1:] * near[..., :-1]).sum()
    return (down + across) / comp.numel()


def plain_partial_conv(batch: Batch, levels: int) -> Step:
    """A step of the plain loop."""
    network, vgg = PlainUNet(levels), features.load("vgg16")
    learner = torch.optim.Adam((p for p in network.parameters() if p.requires_grad), 2e-4)

    def step() -> None:
        learner.zero_grad()
        loss = plain_objective(vgg, network(*batch[:2]), batch.photo, batch.hole)
        loss.backward()
        learner.step()
        loss.item()

    return step


def plain_crfill(recipe: Recipe, batch: Batch) -> Step:
    """A step of the plain loop with our network: it predicts anew for each player."""
    game, _ = stage(recipe, 2)
    network, (judge, aux_judge) = game.network, game.objective.judges()
    learner = torch.optim.Adam(network.parameters(), 1e-4, (0.0, 0.9))
    judges = torch.optim.Adam([*judge.parameters(), *aux_judge.parameters()], 4e-4, (0.0, 0.9))
    photo, hole = batch[:2]

    def composites() -> tuple[Tensor, ...]:
        made = network(photo, hole)
        kept = (1 - hole) * photo
        return made.coarse, made.image, made.image * hole + kept, made.aux * hole + kept, made.aux

    def step() -> None:
        with torch.no_grad():
            _, _, comp, aux_comp, _ = composites()
        judges.zero_grad()
        price = torch.zeros(())
        for judged, made in ((judge, comp), (aux_judge, aux_comp)):
            price = price + F.relu(1 - judged(photo, hole).logits).mean()
            price = price + F.relu(1 + judged(made, hole).logits).mean()
        price.backward()
        judges.step()
        coarse, image, comp, aux_comp, aux = composites()
        learner.zero_grad()
        loss = 2 * (F.l1_loss(coarse, photo) + F.l1_loss(image, photo))
        loss = loss + F.l1_loss(aux, photo) - judge(comp, hole).logits.mean()
        loss = loss - 0.5 * aux_judge(aux_comp, hole).logits.mean()
        loss.backward()
        learner.step()
        loss.item()

    return step


def our_step(recipe: Recipe, batch: Batch) -> Step:
    """A step of the trainer's own two-step, in the layout that the recipe says."""
    game, _ = stage(recipe, 2)
    layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
    game.network.to(memory_format=layout)
    game.objective.to(memory_format=layout)
    photo, hole = (x.contiguous(memory_format=layout) for x in batch[:2])
    phase = recipe.stretches[-1]
    weights = weights_at(recipe, phase, recipe.total - 1)
    return lambda: game.step([Batch(photo, hole, batch.files)], weights)


def compare(name: str, ours: Step, plain: Step, batch: int, rounds: int) -> None:
    """Print images a second of both and the ratio."""
    seconds: tuple[list[float], list[float]] = ([], [])
    # On one thread the processor's time is taken: others at work on the machine are not in it.
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    ours(), plain()  # allocations and first calls
    for turn in range(rounds):
        for side in (0, 1) if turn % 2 else (1, 0):
            begun = clock()
            (ours, plain)[side]()
            seconds[side].append(clock() - begun)
    own, other = map(median, seconds)
    print(
        f"{name:13} ours {batch / own:6.2f} images/s   plain {batch / other:6.2f} images/s   "
        f"ours is {other / own:.2f} times as fast",
        flush=True,
    )


def waiting(recipe: Recipe, photos: Path, name: str) -> None:
    """Print the share of time that a short run waits for data."""
    short = recipe.model_copy(update={"log_every": 1})
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        training.train(photos, run, short)
        lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    shares = [line["waited"] for line in lines if "waited" in line][1:]
    print(f"{name:13} waits for data {100 * median(shares):.2f} % of the time", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--size", type=int, default=256)
    options.add_argument("--batch", type=int, default=2)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--photos", type=Path)
    options.add_argument("--only", choices=("partial-conv", "crfill"))
    asked = options.parse_args()
    changes = {"batch": asked.batch, "size": asked.size}
    print(
        f"{asked.size}x{asked.size}, batch {asked.batch}, {torch.get_num_threads()} thread(s), CPU"
    )
    if asked.only != "crfill":
        recipe = training.read("partial-conv", changes, ("network.options.levels=7",))
        _, batch = stage(recipe, asked.batch)
        plain = plain_partial_conv(batch, 7)
        compare("partial-conv", our_step(recipe, batch), plain, asked.batch, asked.rounds)
    if asked.only != "partial-conv":
        recipe = training.read("crfill", changes)
        _, batch = stage(recipe, asked.batch)
        plain = plain_crfill(recipe, batch)
        compare("crfill", our_step(recipe, batch), plain, asked.batch, asked.rounds)
    if asked.photos:
        once = {**changes, "steps": 8}
        recipe = training.read("partial-conv", once, ("network.options.levels=7",))
        waiting(recipe, asked.photos, "partial-conv")


if __name__ == "__main__":
    main()
