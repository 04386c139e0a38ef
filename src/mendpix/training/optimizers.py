"""Optimisers and averaged weights, as a recipe says."""

from collections.abc import Sequence

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW
from torch.optim.optimizer import Optimizer as TorchOptimizer
from torch.optim.swa_utils import AveragedModel

from mendpix.training.gan_step import OptimizedModule
from mendpix.training.recipe import Optimiser


def optimiser(fabric: Fabric, module: nn.Module, said: Optimiser) -> OptimizedModule:
    """The module as a player that learns by the recipe's rule."""
    made = fabric.setup_optimizers(_made(list(module.parameters()), said))
    return OptimizedModule(module, made, said.clip)


def _made(parameters: list[nn.Parameter], said: Optimiser) -> TorchOptimizer:
    if said.kind == "sgd":
        return SGD(parameters, said.lr, said.momentum, weight_decay=said.weight_decay)
    rule = AdamW if said.kind == "adamw" else Adam
    return rule(parameters, said.lr, said.betas, weight_decay=said.weight_decay)


def averaged(network: nn.Module, decay: float) -> AveragedModel | None:
    """The exponential average of the network's weights; its first steps forget faster, so that the
    untrained weights do not linger. Buffers are the network's own."""
    if not decay:
        return None

    @torch.no_grad()
    def update(means: Sequence[Tensor], currents: Sequence[Tensor], count: Tensor | int) -> None:
        steps = float(count)
        keep = min(decay, (1 + steps) / (10 + steps))
        torch._foreach_lerp_(list(means), list(currents), 1 - keep)

    return AveragedModel(network, multi_avg_fn=update)
