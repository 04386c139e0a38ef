"""What the two players pay: one family of games, each with D's and G's side.

Every game is written on logits ``d`` (no sigmoid), so that nothing overflows:

==================  ====================  ================  =================
game                D, real               D, fake           G
==================  ====================  ================  =================
``minimax``         ``-log s(d)``         ``-log(1-s(d))``  ``log(1-s(d))``
``non-saturating``  the same              the same          ``-log s(d)``
``hinge``           ``relu(1 - d)``       ``relu(1 + d)``   ``-d``
``lsgan``           ``(d - 1)^2``         ``d^2``           ``(d - 1)^2``
``wgan``            ``-d``                ``d``             ``-d``
==================  ====================  ================  =================

Sources: Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661 (``s`` is the sigmoid; minimax
saturates where D wins); hinge as in SN-PatchGAN, https://arxiv.org/abs/1806.03589; Mao et al. 2017,
https://arxiv.org/abs/1611.04076, with no factor 1/2, as CR-Fill's code has it; Arjovsky et al.,
https://arxiv.org/abs/1701.07875 (2017), without its clipping of weights.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Game:
    """What each player pays per logit."""

    real: Callable[[Tensor, float], Tensor]
    """D's price of a real logit, given the label that stands for real."""
    fake: Callable[[Tensor], Tensor]
    """D's price of a fake logit."""
    fool: Callable[[Tensor], Tensor]
    """G's price of a fake logit."""
    smooths: bool = False
    """Whether a real label other than 1 has a meaning."""


def _cross_entropy(logits: Tensor, label: float) -> Tensor:
    return F.softplus(logits) - label * logits


def _away(logits: Tensor, label: float) -> Tensor:
    return (logits - label).square()


GAMES: dict[str, Game] = {
    "minimax": Game(_cross_entropy, F.softplus, lambda d: -F.softplus(d), smooths=True),
    "non-saturating": Game(_cross_entropy, F.softplus, lambda d: F.softplus(-d), smooths=True),
    "hinge": Game(lambda d, _: F.relu(1 - d), lambda d: F.relu(1 + d), lambda d: -d),
    "lsgan": Game(_away, torch.square, lambda d: _away(d, 1), smooths=True),
    "wgan": Game(lambda d, _: -d, lambda d: d, lambda d: -d),
}
