"""Straightforward training steps to compare ours with: plain layers, a loop without refinements.

Written from the papers' formulas as a first version in PyTorch would be: no layer of ours is used,
only the tables of layer sizes, so that both sides train the same network.
tests/docs/test_benchmarks.py
holds these layers against ours: with the same weights they give the same numbers.
"""

from collections.abc import Callable, Iterable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from mendpix.networks import crfill as sizes
from mendpix.networks.partial_unet import LEVELS
from mendpix.training.samples import Batch

Step = Callable[[], float]


class PartialConv(nn.Module):
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


class PartialBlock(nn.Module):
    """Partial convolution, batch norm, activation."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, act: nn.Module | None,
                 norm: bool = True) -> None:  # fmt: skip
        super().__init__()
        self.conv = PartialConv(c_in, c_out, kernel, stride, bias=not norm)
        self.norm, self.act = nn.BatchNorm2d(c_out) if norm else None, act

    def forward(self, x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        x, valid = self.conv(x, valid)
        x = self.norm(x) if self.norm else x
        return self.act(x) if self.act else x, valid


class PartialUNet(nn.Module):
    """The paper's network, masks as wide as the features they go with."""

    def __init__(self, levels: int, width: int = 64) -> None:
        super().__init__()
        rows = [LEVELS[min(level, len(LEVELS) - 1)] for level in range(levels)]
        widths = [3, *(units * width for _, units in rows)]
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        for level, (kernel, _) in enumerate(rows):
            block = PartialBlock(widths[level], widths[level + 1], kernel, 2, nn.ReLU(), level > 0)
            self.encoder.append(block)
        for level in range(levels, 0, -1):
            act = nn.LeakyReLU(0.2) if level > 1 else None
            c_in = widths[level] + widths[level - 1]
            self.decoder.append(PartialBlock(c_in, widths[level - 1], 3, 1, act, level > 1))

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


def vgg16() -> nn.ModuleList:
    """VGG-16 up to its third pooling, one block after another, fresh and frozen: speed is alike."""
    blocks, c_in = nn.ModuleList(), 3
    for c_out, count in ((64, 2), (128, 2), (256, 3)):
        layers: list[nn.Module] = []
        for _ in range(count):
            layers += [nn.Conv2d(c_in, c_out, 3, padding=1), nn.ReLU()]
            c_in = c_out
        blocks.append(nn.Sequential(*layers, nn.MaxPool2d(2)))
    return blocks.requires_grad_(False)


def seen(vgg: Iterable[nn.Module], picture: Tensor) -> list[Tensor]:
    """The three pooling layers."""
    mean, std = (picture.new_tensor(v)[:, None, None] for v in
                 ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))  # fmt: skip
    x, found = (picture - mean) / std, []
    for block in vgg:
        x = block(x)
        found.append(x)
    return found


def partial_conv_objective(vgg: nn.ModuleList, out: Tensor, true: Tensor, hole: Tensor) -> Tensor:
    """The six terms, each on its own, each with its own passes through VGG-16."""
    comp = hole * out + (1 - hole) * true
    loss = F.l1_loss(out * (1 - hole), true * (1 - hole)) + 6 * F.l1_loss(out * hole, true * hole)
    loss = loss + 0.05 * (perceptual(vgg, out, true) + perceptual(vgg, comp, true))
    loss = loss + 120 * (style(vgg, out, true) + style(vgg, comp, true))
    return loss + 0.1 * total_variation(comp, hole)


def perceptual(vgg: nn.ModuleList, made: Tensor, true: Tensor) -> Tensor:
    """Differences of features."""
    pairs = zip(seen(vgg, made), seen(vgg, true), strict=True)
    return torch.stack([F.l1_loss(a, b) for a, b in pairs]).sum()


def style(vgg: nn.ModuleList, made: Tensor, true: Tensor) -> Tensor:
    """Differences of Gram matrices."""
    pairs = zip(seen(vgg, made), seen(vgg, true), strict=True)
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


def partial_conv(batch: Batch, levels: int) -> Step:
    """A step of the plain loop with partial convolutions."""
    device = batch.photo.device
    network, vgg = PartialUNet(levels).to(device), vgg16().to(device)
    learner = torch.optim.Adam((p for p in network.parameters() if p.requires_grad), 2e-4)

    def step() -> float:
        learner.zero_grad()
        made = network(batch.photo, batch.hole)
        loss = partial_conv_objective(vgg, made, batch.photo, batch.hole)
        loss.backward()
        learner.step()
        return loss.item()

    return step


class Gated(nn.Module):
    """A convolution for the values and the gate together; ELU (or ReLU) times sigmoid."""

    def __init__(self, row: sizes.ConvSpec, c_in: int, c_out: int) -> None:
        super().__init__()
        padding = row.dilation * (row.kernel - 1) // 2
        self.row = row
        self.conv = nn.Conv2d(c_in, c_out, row.kernel, row.stride, padding, row.dilation)

    def forward(self, x: Tensor) -> Tensor:
        if self.row.upsample:
            x = F.interpolate(x, scale_factor=2)
        x = self.conv(x)
        if not self.row.c_conv:
            return torch.tanh(x)
        value, gate = torch.split(x, x.shape[1] // 2, dim=1)
        value = F.relu(value) if self.row.relu else F.elu(value)
        return value * torch.sigmoid(gate)


def gated(rows: Iterable[sizes.ConvSpec], c_in: int, width: int) -> tuple[nn.Sequential, int]:
    """Gated convolutions one after another, and how many channels come out."""
    made = nn.Sequential()
    for row in rows:
        c_out = int(row.c_conv * width)
        made.append(Gated(row, c_in, c_out or 3))
        c_in = c_out // 2
    return made, c_in


class CRFill(nn.Module):
    """The two-stage generator and its contextual reconstruction branch; pictures in [-1, 1]."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.coarse, _ = gated(sizes.COARSE, 5, width)
        self.far, far = gated(sizes.FAR, 3, width)
        self.match, match = gated(sizes.MATCH, 3, width)
        self.refine, refined = gated(sizes.REFINE, match, width)
        self.fine, _ = gated(sizes.FINE, far + refined, width)
        self.outer, outer = gated(sizes.OUTER, 3, width)
        self.middle, middle = gated(sizes.MIDDLE, outer, width)
        self.inner, inner = gated(sizes.INNER, middle, width)
        self.up_middle, up = gated(sizes.UP_MIDDLE, inner + middle, width)
        self.up_outer, up = gated(sizes.UP_OUTER, up + outer, width)
        self.rebuild, _ = gated(sizes.REBUILD, up, width)

    def forward(self, photo: Tensor, hole: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        known = photo * (1 - hole)
        coarse = self.coarse(torch.cat([known, torch.ones_like(hole), hole], 1))
        shown = coarse * hole + known
        features = self.match(shown)
        fine = self.fine(torch.cat([self.far(shown), self.refine(features)], 1))
        outer = self.outer(fine * hole + known)
        middle = self.middle(outer)
        x = self.up_middle(torch.cat([self.inner(middle), middle], 1))
        x = self.up_outer(torch.cat([x, outer], 1))
        return coarse, fine, self.rebuild(copied(features, hole, x))


def copied(features: Tensor, hole: Tensor, values: Tensor) -> Tensor:
    """Patches of values pasted by how alike features are: patches as kernels of convolutions."""
    made = []
    for f, h, v in zip(features.split(1), hole.split(1), values.split(1), strict=True):
        keys = f / (f.square().sum((2, 3), keepdim=True) + 1e-8).sqrt()
        kernels = F.unfold(keys, 4, stride=2)[0].T.reshape(-1, f.shape[1], 4, 4)
        similar = F.conv2d(f, kernels, stride=2)
        known = F.avg_pool2d(F.avg_pool2d(1 - h, 4), 4, 2).flatten()
        key, query = known[:, None], known[None]
        allowed = ((key > query) & (query > 0.5)) | (key == 1)
        shares = torch.softmax(10 * similar * allowed.reshape(similar.shape), 1)
        patches = F.unfold(v, 16, stride=8)[0].T.reshape(-1, v.shape[1], 16, 16)
        made.append(F.conv_transpose2d(shares, patches, stride=8))
    return torch.cat(made)


class Judge(nn.Sequential):
    """Six spectrally normed 5x5 convolutions of stride 2, each with a leaky ReLU."""

    def __init__(self, width: int = 64) -> None:
        widths = (4, *(units * width for units in (1, 2, 4, 4, 4, 4)))
        super().__init__()
        for c_in, c_out in pairwise(widths):
            self.append(spectral_norm(nn.Conv2d(c_in, c_out, 5, 2, 2)))
            self.append(nn.LeakyReLU(0.01))

    def forward(self, picture: Tensor) -> Tensor:
        return super().forward(torch.cat([picture, torch.ones_like(picture[:, :1])], 1))


def crfill(batch: Batch, twice: bool) -> Step:
    """A step of the plain loop with CR-Fill's last stage.

    Args:
        twice: predict anew for the network's turn, as loops with a function for each player do.
    """
    device = batch.photo.device
    network, judge, aux_judge = CRFill().to(device), Judge().to(device), Judge().to(device)
    learner = torch.optim.Adam(network.parameters(), 1e-4, (0.0, 0.9))
    judges = torch.optim.Adam([*judge.parameters(), *aux_judge.parameters()], 4e-4, (0.0, 0.9))
    photo, hole = batch.photo * 2 - 1, batch.hole

    def pasted(picture: Tensor) -> Tensor:
        return picture * hole + photo * (1 - hole)

    def step() -> float:
        with torch.set_grad_enabled(not twice):
            coarse, fine, aux = network(photo, hole)
        judges.zero_grad()
        price = torch.zeros((), device=device)
        for player, made in ((judge, pasted(fine)), (aux_judge, pasted(aux))):
            real, fake = player(photo), player(made.detach())
            price = price + F.relu(1 - real).mean() + F.relu(1 + fake).mean()
        price.backward()
        judges.step()
        if twice:
            coarse, fine, aux = network(photo, hole)
        learner.zero_grad()
        loss = F.l1_loss(coarse, photo) + F.l1_loss(fine, photo) + 0.5 * F.l1_loss(aux, photo)
        loss = loss - judge(pasted(fine)).mean() - 0.5 * aux_judge(pasted(aux)).mean()
        loss.backward()
        learner.step()
        return loss.item()

    return step
