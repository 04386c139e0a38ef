"""Frozen VGG and AlexNet, whose layers serve as features for losses and metrics."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mendpix.errors import TensorError, WeightsError

Pooling = Literal["max", "average"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Of ImageNet's photos in [0, 1], RGB."""


@dataclass(frozen=True, slots=True)
class Step:
    """A convolution followed by ReLU, or a pooling.

    Attributes:
        name: of its output; a convolution's output is taken after its ReLU.
        index: its place in torchvision's ``features``; -1 for a pooling.
    """

    name: str
    index: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1


def _vgg(counts: Sequence[int]) -> tuple[Step, ...]:
    """A VGG's steps from the number of convolutions in each of its blocks."""
    steps, index = [], 0
    for block, count in enumerate(counts, 1):
        for place in range(1, count + 1):
            steps.append(Step(f"conv{block}_{place}", index))
            index += 2  # torchvision's list has the ReLU as an entry of its own
        steps.append(Step(f"pool{block}", -1, 2, 2, 0))
        index += 1
    return tuple(steps)


_ALEX = (
    Step("conv1", 0, 11, 4, 2),
    Step("pool1", -1, 3, 2, 0),
    Step("conv2", 3, 5, 1, 2),
    Step("pool2", -1, 3, 2, 0),
    Step("conv3", 6),
    Step("conv4", 8),
    Step("conv5", 10),
    Step("pool5", -1, 3, 2, 0),
)

LAYOUTS: dict[str, tuple[Step, ...]] = {
    "vgg16": _vgg((2, 2, 3, 3, 3)),
    "vgg19": _vgg((2, 2, 4, 4, 4)),
    "alexnet": _ALEX,
}


class FeatureNetwork(nn.Module):
    """A frozen network that returns the layers asked for and computes no further than the last.

    Its weights are buffers that no ``state_dict`` holds: they follow ``to()``, but no optimiser
    and no checkpoint sees them. bfloat16 autocast is followed; under float16 autocast the
    network runs in float32, since activations and their gradients pass float16's range.

    Args:
        layout: a name from :data:`LAYOUTS`.
        tensors: ``features.N.weight`` and ``features.N.bias`` as torchvision names them; any
            width.
        pooling: ``"max"`` as trained, or ``"average"``.
        normalise: normalise pictures in [0, 1] by ImageNet's mean and standard deviation first;
            False for pictures that are normalised already.

    Shape:
        picture ``(N, 3, H, W)`` -> for each layer ``(N, C, h, w)``, at least float32.

    Raises:
        WeightsError: tensors missing, too many, or of shapes that do not follow each other.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        layout: str,
        tensors: Mapping[str, Tensor],
        pooling: Pooling = "max",
        normalise: bool = True,
    ) -> None:
        super().__init__()
        if pooling not in ("max", "average"):
            raise ValueError(f"pooling is {pooling!r} but must be 'max' or 'average'")
        self.layout = layout
        self.source = ""  # whose weights these are, where they are a released network's
        self.steps = LAYOUTS[layout]
        check_tensors(layout, tensors)
        for key, value in tensors.items():
            self.register_buffer(
                _buffer_name(key), at_least_float32(value.detach()), persistent=False
            )
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)
        self.pooling = pooling
        self.normalise = normalise

    def forward(
        self, picture: Tensor, layers: Iterable[str], widen: bool = True
    ) -> dict[str, Tensor]:
        """The features of the picture.

        Args:
            widen: False leaves them in the precision that autocast computed them in, for callers
                who convert them piece by piece: whole maps of float32 cost memory bandwidth.

        Raises:
            TensorError: the picture is too small for a layer, or on another device.
            ValueError: the network has no such layer.
        """
        wanted = set(layers)
        self.check_layers(wanted)
        if picture.device != self.mean.device:
            raise TensorError(
                f"the picture is on {picture.device} but the weights of {self.layout} are on "
                f"{self.mean.device}; move the loss there by .to({str(picture.device)!r})"
            )
        # Autocast is turned off for float16 only; bfloat16 keeps the caller's autocast.
        if torch.is_autocast_enabled(picture.device.type) and (
            torch.get_autocast_dtype(picture.device.type) == torch.float16
        ):
            with torch.autocast(picture.device.type, enabled=False):
                return self._compute_layers(picture, wanted)
        maps = self._compute_layers(picture, wanted)
        return {name: at_least_float32(x) for name, x in maps.items()} if widen else maps

    def check_layers(self, layers: Iterable[str]) -> None:
        """Check that the network has layers of these names.

        Raises:
            ValueError: names one and those there are.
        """
        known = [step.name for step in self.steps]
        for layer in layers:
            if layer not in known:
                raise ValueError(f"{self.layout} has no layer {layer!r}; it has {', '.join(known)}")

    def channels(self, layer: str) -> int:
        """How many channels a layer has."""
        channels = 3
        for step in self.steps:
            if step.index >= 0:
                channels = len(self.get_buffer(_buffer_name(f"features.{step.index}.bias")))
            if step.name == layer:
                break
        return channels

    def _compute_layers(self, picture: Tensor, wanted: set[str]) -> dict[str, Tensor]:
        x = at_least_float32(picture)
        if self.normalise:
            x = (x - self.mean.to(x)) / self.std.to(x)
        maps: dict[str, Tensor] = {}
        for step in self.steps:
            if wanted <= maps.keys():
                break
            self._check_size(step, x, picture)
            x = self._convolve(step, x) if step.index >= 0 else self._pool(step, x)
            if step.name in wanted:
                maps[step.name] = x
        return maps

    def _convolve(self, step: Step, x: Tensor) -> Tensor:
        weight = self.get_buffer(_buffer_name(f"features.{step.index}.weight"))
        bias = self.get_buffer(_buffer_name(f"features.{step.index}.bias"))
        if weight.dtype != x.dtype and not torch.is_autocast_enabled(x.device.type):
            weight, bias = weight.to(x.dtype), bias.to(x.dtype)
        return F.conv2d(x, weight, bias, step.stride, step.padding).relu_()

    def _pool(self, step: Step, x: Tensor) -> Tensor:
        pool = F.max_pool2d if self.pooling == "max" else F.avg_pool2d
        return pool(x, step.kernel, step.stride)

    def _check_size(self, step: Step, x: Tensor, picture: Tensor) -> None:
        if min(x.shape[2:]) + 2 * step.padding < step.kernel:
            height, width = picture.shape[2:]
            raise TensorError(
                f"a picture of {width}x{height} is too small for {step.name} of {self.layout}; "
                "give a larger one, or ask for earlier layers"
            )


def check_tensors(layout: str, tensors: Mapping[str, Tensor]) -> None:
    """Check that tensors are this layout's convolutions.

    Raises:
        WeightsError: names the first that does not fit.
    """
    channels = 3
    indices = [step.index for step in LAYOUTS[layout] if step.index >= 0]
    wanted = {f"features.{i}.{kind}" for i in indices for kind in ("weight", "bias")}
    if wanted != tensors.keys():
        unmatched = sorted(wanted ^ tensors.keys())
        raise WeightsError(
            f"these are not the convolutions of {layout}: {', '.join(unmatched[:4])} "
            f"{'is' if len(unmatched) == 1 else 'are'} missing or too many"
        )
    for step in (s for s in LAYOUTS[layout] if s.index >= 0):
        shape = tuple(tensors[f"features.{step.index}.weight"].shape)
        if shape[1:] != (channels, step.kernel, step.kernel):
            raise WeightsError(
                f"features.{step.index}.weight has shape {shape} but {layout} needs "
                f"(C, {channels}, {step.kernel}, {step.kernel})"
            )
        channels = shape[0]


def at_least_float32(tensor: Tensor) -> Tensor:
    """Convert half precision to float32; float32 and float64 stay."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def _buffer_name(key: str) -> str:
    return key.replace(".", "_")
