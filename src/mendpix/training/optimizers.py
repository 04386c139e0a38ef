"""Optimizers and the moving average of the weights, as a recipe says."""

from collections.abc import Sequence

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW
from torch.optim.optimizer import Optimizer
from torch.optim.swa_utils import AveragedModel

from mendpix.training.gan_step import OptimizedModule
from mendpix.training.recipe import OptimizerSettings


def setup_optimizer(
    fabric: Fabric, module: nn.Module, settings: OptimizerSettings
) -> OptimizedModule:
    """The module with an optimizer of its own for all its parameters."""
    optimizer = fabric.setup_optimizers(_build(list(module.parameters()), settings))
    return OptimizedModule(module, optimizer, settings.clip)


def _build(parameters: list[nn.Parameter], settings: OptimizerSettings) -> Optimizer:
    lr, decay = settings.lr, settings.weight_decay
    if settings.kind == "sgd":
        return SGD(parameters, lr, settings.momentum, weight_decay=decay)
    rule = AdamW if settings.kind == "adamw" else Adam
    return rule(parameters, lr, settings.betas, weight_decay=decay)


def build_average(network: nn.Module, decay: float) -> AveragedModel | None:
    """The exponential moving average of the network's weights; None where ``decay`` is 0.

    Buffers are the network's own.
    """
    if not decay:
        return None

    @torch.no_grad()
    def update(means: Sequence[Tensor], currents: Sequence[Tensor], count: Tensor | int) -> None:
        # The decay rises to its value over the first steps (as in TensorFlow's EMA), since the
        # average would otherwise hold on to the untrained weights for about 1 / (1 - decay) steps.
        steps = float(count)
        current_decay = min(decay, (1 + steps) / (10 + steps))
        torch._foreach_lerp_(list(means), list(currents), 1 - current_decay)

    return AveragedModel(network, multi_avg_fn=update)
