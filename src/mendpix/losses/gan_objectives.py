"""GAN objectives: the losses of discriminator D and generator G, per logit.

All are written on logits ``d`` (no sigmoid), so that nothing overflows:

==================  ====================  ================  =================
objective           D, real               D, fake           G
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
class GanObjective:
    """The losses of D and G, per logit."""

    real: Callable[[Tensor, float], Tensor]
    """D's loss on a real logit, given the label of real pictures."""
    fake: Callable[[Tensor], Tensor]
    """D's loss on a fake logit."""
    generator: Callable[[Tensor], Tensor]
    """G's loss on a fake logit."""
    label_smoothing: bool = False
    """Whether a real label other than 1 (one-sided label smoothing) has a meaning."""


def _cross_entropy(logits: Tensor, label: float) -> Tensor:
    """``-label log s(d) - (1 - label) log(1 - s(d))``."""
    return F.softplus(logits) - label * logits


def _square_distance(logits: Tensor, label: float) -> Tensor:
    return (logits - label).square()


GAN_OBJECTIVES: dict[str, GanObjective] = {
    "minimax": GanObjective(
        _cross_entropy, F.softplus, lambda d: -F.softplus(d), label_smoothing=True
    ),
    "non-saturating": GanObjective(
        _cross_entropy, F.softplus, lambda d: F.softplus(-d), label_smoothing=True
    ),
    "hinge": GanObjective(lambda d, _: F.relu(1 - d), lambda d: F.relu(1 + d), lambda d: -d),
    "lsgan": GanObjective(
        _square_distance, torch.square, lambda d: _square_distance(d, 1), label_smoothing=True
    ),
    "wgan": GanObjective(lambda d, _: -d, lambda d: d, lambda d: -d),
}
