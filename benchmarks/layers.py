"""What the layers cost: ratios to the plain thing, measured side by side in one run.

    python benchmarks/layers.py                    # everything, a few minutes
    python benchmarks/layers.py --only network     # one part: layers, network, branch, features

Two variants are run by turns and their medians compared, so that a busy machine slows both.
Ratios are ours over plain: below 1 is faster. Memory is the peak of a process of its own, less
the peak of one that only makes the inputs.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mendpix.losses import PartialConvSum
from mendpix.networks.contextual_reconstruction import AS_SHIPPED, ContextualOptions, reconstruct
from mendpix.networks.crfill import CRFillOptions, ReconstructionBranch
from mendpix.networks.features import FeatureNetwork
from mendpix.networks.layers import PartialConv2d
from mendpix.networks.partial_unet import LEVELS, PartialUNet, PartialUNetOptions

Run = Callable[[], object]


def by_turns(ours: Run, plain: Run, rounds: int) -> tuple[float, float]:
    """Median seconds of each, run in turn, the first of the two changing from round to round.

    On one thread the processor's time is taken: others at work on the machine are not in it.
    """
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    taken: dict[Run, list[float]] = {ours: [], plain: []}
    for step in range(rounds + 1):
        for run in (ours, plain) if step % 2 else (plain, ours):
            start = clock()
            run()
            if step:  # the first round warms up
                taken[run].append(clock() - start)
    return median(taken[ours]), median(taken[plain])


def line(name: str, ours: float, plain: float, unit: str = "ms") -> None:
    print(f"{name:44} {ours:9.1f} {plain:9.1f} {unit:3} {ours / plain:7.2f}", flush=True)


def title(name: str) -> None:
    print(f"\n{name:44} {'ours':>9} {'plain':>9}     {'ratio':>7}")


def step_of(module: nn.Module, *given: Tensor, train: bool) -> Run:
    """One pass of a module, and the way back if training."""
    slopes: list[Tensor] = []

    def run() -> None:
        with torch.set_grad_enabled(train):
            out = module(*given)
            out = out[0] if isinstance(out, tuple) else out
            if not train:
                return
            if not slopes:
                slopes.append(torch.randn_like(out))
            module.zero_grad()
            out.backward(slopes[0])

    return run


# Partial convolution, layer by layer


def rows(size: int) -> Iterator[tuple[str, int, int, int, int, int]]:
    """Each convolution of the U-Net: name, channels in and out, kernel, stride, side."""
    widths = [3, *(units * 64 for _, units in (*LEVELS, LEVELS[-1]))]
    kernels = [kernel for kernel, _ in (*LEVELS, LEVELS[-1])]
    for level, (c_in, c_out) in enumerate(pairwise(widths)):
        yield f"enc{level + 1}", c_in, c_out, kernels[level], 2, size >> level
    for level, (skip, below) in reversed(list(enumerate(pairwise(widths)))):
        yield f"dec{level + 1}", skip + below, skip, 3, 1, size >> level


def layers(size: int, rounds: int) -> None:
    title(f"partial convolution, layer alone, {size}x{size}")
    for train in (True, False):
        for name, c_in, c_out, kernel, stride, side in rows(size):
            shape = (c_in, c_out, kernel, stride, kernel // 2)
            x = torch.randn(1, c_in, side, side, requires_grad=train)
            hole = some_hole(1, side)
            ours = step_of(PartialConv2d(*shape, bias=False), x, hole, train=train)
            plain = step_of(nn.Conv2d(*shape, bias=False), x, train=train)
            taken = by_turns(ours, plain, rounds)
            what = "training" if train else "inference"
            line(f"{name} {c_in}->{c_out} k{kernel} s{stride} {what}", *(1e3 * t for t in taken))


def some_hole(n: int, side: int) -> Tensor:
    """A quarter missing, in one piece with ragged edges."""
    hole = torch.zeros(n, 1, side, side)
    quarter = side // 4
    hole[..., quarter : 3 * quarter, quarter : 3 * quarter] = 1
    return torch.maximum(hole, (torch.rand(n, 1, side, side) < 0.02).float())


# The whole U-Net


class PlainBlock(nn.Module):
    """PartialBlock without holes."""

    def __init__(
        self, c_in: int, c_out: int, kernel: int, stride: int, norm: bool, act: nn.Module | None
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=not norm)
        self.norm = nn.BatchNorm2d(c_out) if norm else nn.Identity()
        self.act = nn.Identity() if act is None else act

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.act(self.norm(self.conv(x)))
        return out


class PlainUNet(nn.Module):
    """The same U-Net with plain convolutions: what a partial one is measured against."""

    def __init__(self, levels: int, width: int = 64) -> None:
        super().__init__()
        table = [LEVELS[min(level, len(LEVELS) - 1)] for level in range(levels)]
        widths = [3, *(units * width for _, units in table)]
        pairs = list(pairwise(widths))
        self.encoder = nn.ModuleList(
            PlainBlock(a, b, kernel, 2, a != 3, nn.ReLU(inplace=True))
            for (kernel, _), (a, b) in zip(table, pairs, strict=True)
        )
        self.decoder = nn.ModuleList(
            PlainBlock(a + b, a, 3, 1, a != 3, nn.LeakyReLU(0.2, inplace=True) if a != 3 else None)
            for a, b in reversed(pairs)
        )

    def forward(self, photo: Tensor) -> Tensor:
        skips = [photo]
        for block in self.encoder:
            skips.append(block(skips[-1]))
        x = skips.pop()
        for block in self.decoder:
            x = block(torch.cat([F.interpolate(x, scale_factor=2), skips.pop()], dim=1))
        return x


def network(size: int, batch: int, rounds: int) -> None:
    levels = size.bit_length() - 2
    title(f"partial U-Net of {levels} levels, {batch}x3x{size}x{size}")
    torch.manual_seed(0)
    partial, plain = PartialUNet(PartialUNetOptions(levels)), PlainUNet(levels)
    photo, hole = torch.rand(batch, 3, size, size), some_hole(batch, size)
    for last in (False, True):
        form = torch.channels_last if last else torch.contiguous_format
        partial.to(memory_format=form), plain.to(memory_format=form)
        photo = photo.contiguous(memory_format=form)
        for train in (True, False):
            partial.train(train), plain.train(train)
            ours = step_of(partial, photo, hole, train=train)
            theirs = step_of(plain, photo, train=train)
            taken = by_turns(ours, theirs, rounds)
            what = "forward + backward" if train else "inference"
            line(what + (", channels last" if last else ""), *(1e3 * t for t in taken))


# Contextual reconstruction


def dense(features: Tensor, hole: Tensor, values: Tensor, options: ContextualOptions) -> Tensor:
    """The formula as it stands: patches, one matrix of all pairs, patches pasted back."""
    queries = F.unfold(features, 4, stride=2).transpose(1, 2)
    if options.similarity == "map":
        norm = (features.square().sum(dim=(2, 3), keepdim=True) + 1e-8).sqrt()
        similar = queries @ F.unfold(features / norm, 4, stride=2)
    else:
        unit = queries / (queries.square().sum(dim=2, keepdim=True) + 1e-8).sqrt()
        similar = unit @ unit.transpose(1, 2)
    known = F.unfold(1 - F.avg_pool2d(hole, 4), 4, stride=2).mean(dim=1)
    mine, theirs = known[:, :, None], known[:, None]
    allowed = ((theirs > mine) & (mine > 0.5)) | (theirs == 1)
    if options.masking == "zero":
        shares = (options.sharpness * similar * allowed).softmax(dim=2)
    else:
        shares = (options.sharpness * similar).masked_fill(~allowed, -torch.inf).softmax(dim=2)
    pasted = F.unfold(values, 16, stride=8) @ shares.transpose(1, 2)
    out = F.fold(pasted, values.shape[2:], 16, stride=8)
    if options.overlap == "mean":
        ones = F.unfold(torch.ones_like(values), 16, stride=8)
        out = out / F.fold(ones, values.shape[2:], 16, stride=8)
    return out


FORMS = {
    "as shipped": AS_SHIPPED,
    "clean": replace(AS_SHIPPED, similarity="cosine", masking="exclude", overlap="mean"),
}


def copying(kind: str, form: str, size: int) -> Run:
    """Similarity and copying there and back, on CR-Fill's widths: 96 features, 24 values."""
    torch.manual_seed(0)
    features = torch.randn(1, 96, size // 4, size // 4, requires_grad=True)
    values = torch.randn(1, 24, size, size, requires_grad=True)
    hole, slope = some_hole(1, size), torch.randn(1, 24, size, size)
    if kind == "nothing":
        return lambda: None
    rebuild = {"ours": reconstruct, "plain": dense}[kind]

    def run() -> None:
        out = rebuild(features, hole, values, FORMS[form])
        torch.autograd.grad(out, (features, values), slope)

    return run


class DenseBranch(ReconstructionBranch):
    """The whole training branch, with the dense form in the middle."""

    def forward(self, picture: Tensor, hole: Tensor, features: Tensor) -> Tensor:
        outer = self.outer(picture)
        middle = self.middle(outer)
        x = self.up_middle(torch.cat([self.inner(middle), middle], dim=1))
        x = self.up_outer(torch.cat([x, outer], dim=1))
        out: Tensor = self.rebuild(dense(features, hole, x, self.options))
        return out


def branch_step(kind: str, form: str, size: int) -> Run:
    """The branch with its convolutions, there and back."""
    torch.manual_seed(0)
    features = torch.randn(1, 96, size // 4, size // 4, requires_grad=True)
    picture = (torch.rand(1, 3, size, size) * 2 - 1).requires_grad_()
    hole = some_hole(1, size)
    options = CRFillOptions(contextual=FORMS[form])
    made = (DenseBranch if kind == "plain" else ReconstructionBranch)(options)
    if kind == "nothing":
        return lambda: None
    return step_of(made, picture, hole, features, train=True)


WORKS: dict[str, Callable[[str, str, int], Run]] = {
    "similarity + copying": copying,
    "whole branch": branch_step,
}


def branch(size: int, rounds: int) -> None:
    title(f"contextual reconstruction, forward + backward, {size}x{size}")
    for form in FORMS:
        for work, made in WORKS.items():
            taken = by_turns(made("ours", form, size), made("plain", form, size), rounds)
            line(f"{work}, {form}", *(1e3 * t for t in taken))
            peaks = {kind: peak(work, kind, form, size) for kind in ("ours", "plain", "nothing")}
            line(
                f"{work}, {form}: peak memory",
                *(peaks[kind] - peaks["nothing"] for kind in ("ours", "plain")),
                unit="MB",
            )


def peak(work: str, kind: str, form: str, size: int) -> float:
    """Megabytes at the peak of a process that does it once."""
    given = [sys.executable, __file__, "--peak", work, kind, form, str(size)]
    said = subprocess.run(given, capture_output=True, text=True, check=True)
    return float(said.stdout)


def say_peak(work: str, kind: str, form: str, size: str) -> None:
    WORKS[work](kind, form, int(size))()
    status = Path("/proc/self/status")
    if status.exists():  # Linux counts the parent's peak into a child's ru_maxrss
        words = status.read_text().split()
        print(int(words[words.index("VmHWM:") + 1]) / 1e3)
    else:
        unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes elsewhere
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)


# Feature passes


def features(rounds: int) -> None:
    """The six-term objective in one sum, and its terms each alone; needs VGG-16's weights."""
    objective = PartialConvSum()
    photo, hole = torch.rand(1, 3, 256, 256), some_hole(1, 256)
    image = torch.rand(1, 3, 256, 256, requires_grad=True)

    def together() -> None:
        objective(image, photo, hole).backward()

    def apart() -> None:
        parts = [weight * term(image, photo, hole) for _, weight, term in objective.active_terms()]
        torch.stack(parts).sum().backward()

    title("six-term objective, forward + backward, 256x256")
    taken = by_turns(together, apart, rounds)
    line("one scene for all terms", *(1e3 * t for t in taken))
    line("passes of VGG-16", *(float(passes(objective, run)) for run in (together, apart)), unit="")


def passes(objective: nn.Module, run: Run) -> int:
    """How often any feature network is called."""
    count = 0

    def note(module: nn.Module, given: object, out: object) -> None:
        nonlocal count
        count += 1

    networks = {part for part in objective.modules() if isinstance(part, FeatureNetwork)}
    hooks = [part.register_forward_hook(note) for part in networks]
    run()
    for hook in hooks:
        hook.remove()
    return count


def networks(rounds: int) -> None:
    network(256, 2, rounds)
    network(512, 1, rounds)


def branches(rounds: int) -> None:
    branch(256, rounds)
    branch(512, max(3, rounds // 3))


PARTS: dict[str, Callable[[int], None]] = {
    "layers": lambda rounds: layers(256, rounds),
    "network": networks,
    "branch": branches,
    "features": features,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=PARTS, help="one part")
    parser.add_argument("--rounds", type=int, default=9, help="runs of each variant")
    parser.add_argument("--threads", type=int, default=int(os.environ.get("OMP_NUM_THREADS", "1")))
    parser.add_argument("--peak", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.peak:
        say_peak(*given.peak)
        return
    print(f"torch {torch.__version__}, {given.threads} thread(s), medians of {given.rounds} runs")
    for name, part in PARTS.items():
        if given.only in (None, name):
            part(given.rounds)


if __name__ == "__main__":
    main()
