"""Fine-tune a network on squares of a picture's scenes, for a time or a number of steps."""

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mendpix import features
from mendpix.adapting.scenes import Random, Scene, Scenes, generator
from mendpix.errors import MendError
from mendpix.losses import L1, LearnedPerceptual, Loss, WeightedSum
from mendpix.prediction import Prediction
from mendpix.windows import Window

Progress = Callable[[float], None]

WINDOWS, FRESH = 16, 8
"""How many windows there are at most, and after how many steps there is one more."""
WARMUP, DECAY, CLIP = 10, 0.95, 1.0
"""Steps over which the rate rises; decay of the averaged weights; norm that gradients are held to.
"""


@dataclass(frozen=True, slots=True)
class Course:
    """How long, and how, a network is adapted.

    Attributes:
        seconds: on the clock, from the first window on; the result depends on the machine's speed.
        steps: a number of steps instead: the same weights on the same machine.
        rate: Adam's.
        batch: squares a step.
        size: of a square in pixels, less where the picture is smaller; a multiple of 16.
    """

    seconds: float = 30.0
    steps: int = 0
    rate: float = 3e-4
    batch: int = 4
    size: int = 128


DEFAULT = Course()


class Batch(NamedTuple):
    """The same as tensors: ``(N, 3, H, W)`` twice, ``(N, 1, H, W)`` twice."""

    truth: Tensor
    shown: Tensor
    missing: Tensor
    drawn: Tensor


def square(scene: Scene, size: int, random: Random) -> Scene:
    """A square of a scene around one of the pixels drawn, mirrored half of the time."""
    rows, columns = scene.drawn.nonzero()
    place = int(random.integers(len(rows)))
    top, left = (
        int(np.clip(at - random.integers(size), 0, length - size))
        for at, length in zip((rows[place], columns[place]), scene.drawn.shape, strict=True)
    )
    square = scene.part(Window(top, left, size, size))
    return square.mirrored() if random.random() < 0.5 else square


def batch(scenes: list[Scene], course: Course, seed: int, step: int) -> Batch:
    """The squares that a step learns from."""
    random = generator(seed, 1, step)
    size = min(course.size, *(length // 16 * 16 for length in scenes[0].drawn.shape))
    picks = random.integers(len(scenes), size=course.batch)
    squares = [square(scenes[pick], size, random) for pick in picks]
    return Batch(*(_tensor(np.stack(layers)) for layers in zip(*squares, strict=True)))


def _tensor(layers: NDArray[Any]) -> Tensor:
    """Photos ``(N, H, W, 3)`` or holes ``(N, H, W)`` as floats ``(N, C, H, W)``."""
    photos = layers if layers.ndim == 4 else layers[..., None]
    tensor = torch.from_numpy(photos.transpose(0, 3, 1, 2).astype(np.float32))
    return tensor.contiguous(memory_format=torch.channels_last)


def objective() -> Loss:
    """What the bundled network was trained for, on pictures averaged down by 2.

    Colours alone will not do: a network that learns from them blurs (docs/adapting.md).

    Raises:
        MendError: VGG-16's weights are not at hand.
    """
    if features.find("vgg16") is None:
        raise MendError(
            "--adapt looks at pictures through VGG-16, whose weights are not on this machine; "
            "run: mendpix weights get vgg16"
        )
    perceptual = LearnedPerceptual(divide="hole", shrink=2)
    return WeightedSum({"lpips": (1.0, perceptual), "pixel": (0.5, L1("hole", divide="region"))})


def error(network: nn.Module, loss: Loss, batch: Batch) -> Tensor:
    """What a network's corrections of a batch cost, a scalar."""
    place = next(network.parameters()).device
    truth, shown, missing, drawn = (layer.to(place) for layer in batch)
    with torch.autocast(place.type, torch.bfloat16):
        made = network(shown, missing).image
    value: Tensor = loss(Prediction(made.float()), truth, drawn)
    return value


def adapted(
    network: nn.Module,
    scenes: Scenes,
    course: Course = DEFAULT,
    progress: Progress | None = None,
) -> nn.Module:
    """A copy of a network, fine-tuned on a picture; its weights are averages over the last steps.

    Args:
        network: a :class:`~mendpix.networks.Mender`.
        progress: told the share done after every step; may raise to stop.

    Raises:
        MaskError: too little is known.
        MendError: VGG-16's weights are not at hand, or the loss is no number.
    """
    learner = copy.deepcopy(network).train()
    loss = objective().to(next(learner.parameters()).device)
    optimiser = torch.optim.Adam(learner.parameters(), lr=course.rate, betas=(0.9, 0.99))
    average = AveragedModel(learner, multi_avg_fn=_averaging())
    shown: list[Scene] = []
    for step in _counted(course, progress):
        if len(shown) < WINDOWS and step >= FRESH * len(shown):
            shown.append(scenes.scene(len(shown)))
        value = error(learner, loss, batch(shown, course, scenes.seed, step))
        if not value.isfinite():
            raise MendError(f"adapting failed at step {step + 1}: the loss is {value.item()}")
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(learner.parameters(), CLIP)
        optimiser.param_groups[0]["lr"] = course.rate * min(1.0, (step + 1) / WARMUP)
        optimiser.step()
        optimiser.zero_grad()
        average.update_parameters(learner)
    return average.module.eval()


def _averaging() -> Any:
    return get_ema_multi_avg_fn(DECAY)  # type: ignore[no-untyped-call]


def _counted(course: Course, progress: Progress | None) -> Iterator[int]:
    """The steps, until there are enough of them or the time is up."""
    begun, step, share = time.monotonic(), 0, 0.0
    while share < 1:
        yield step
        step += 1
        spent = time.monotonic() - begun
        share = step / course.steps if course.steps else spent / max(course.seconds, 1e-9)
        if progress is not None:
            progress(min(share, 1.0))
