"""The base class of losses, and the inputs of one training step that they share.

:class:`LossInputs` holds the pictures of one step, checked once, and caches the features that
several terms read; it lives for one step, so the cache is never stale. A :class:`Loss` makes its
own, or gets the one that a ``WeightedSum`` passes to all its terms.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn

from mendpix.errors import TensorError
from mendpix.networks.features import FeatureNetwork
from mendpix.networks.features.feature_network import at_least_float32
from mendpix.networks.types import Prediction, check_hole, check_photo, composite

On = Literal["output", "composite"]
Part = Literal["image", "coarse", "aux"]

PLAUSIBLE_RANGE = 10.0
"""How far from 0 a prediction may lie: one without a last tanh or sigmoid may leave [0, 1]; a
picture on 0..255 goes beyond this."""


class LossInputs:
    """The pictures of one step: prediction, target and hole, and their features.

    Pictures in half precision are converted to float32, which sums over a picture need.

    Args:
        prediction: a :class:`~mendpix.networks.types.Prediction`, or its image ``(N, 3, H, W)``.
        target: ``(N, 3, H, W)`` in [0, 1].
        hole: ``(N, 1, H, W)``, 1 = missing, or bool; None: all is missing, for losses that compare
            whole pictures.
        photos: False for pictures on another scale than [0, 1]: their range is not checked.

    Raises:
        TensorError: shapes, dtypes, values or devices that do not fit each other.
    """

    def __init__(
        self,
        prediction: Prediction | Tensor,
        target: Tensor,
        hole: Tensor | None = None,
        photos: bool = True,
    ) -> None:
        check_photo(target, None if photos else False, "target")
        hole = torch.ones_like(target[:, :1]) if hole is None else hole
        hole = hole.to(target.dtype) if hole.dtype == torch.bool else hole
        check_hole(hole, target)
        if isinstance(prediction, Tensor):
            check_image(prediction, photos)
            prediction = Prediction(prediction)
        self.prediction = prediction
        self.target = at_least_float32(target)
        self.hole = hole.to(self.target.dtype)
        self._pictures: dict[tuple[Part, On], Tensor] = {}
        self._wanted: dict[tuple[int, str], set[str]] = {}
        self._pyramids: dict[tuple[int, str], dict[str, Tensor]] = {}
        self._wide: dict[tuple[int, str, str], Tensor] = {}

    def get_picture(self, part: Part = "image", on: On = "output") -> Tensor:
        """A predicted picture, ``(N, 3, H, W)``: the network's own, or the composite.

        Raises:
            TensorError: the prediction has no such part, or it does not fit the target.
        """
        if (part, on) not in self._pictures:
            picture = self._check_part(part)
            if on == "composite":
                picture = composite(picture, self.target, self.hole)
            self._pictures[part, on] = picture
        return self._pictures[part, on]

    def request(self, network: FeatureNetwork, name: str, layers: Iterable[str]) -> None:
        """Announce which layers a term will read, so that one forward pass serves all terms.

        Args:
            name: of the picture: ``"target"``, or ``part/on`` such as ``"image/output"``.
        """
        self._wanted.setdefault((id(network), name), set()).update(layers)

    def compute_features(
        self, network: FeatureNetwork, layers: Iterable[str], part: Part, on: On
    ) -> dict[str, Tensor]:
        """The network's features of a picture, in float32 at least; computed once for all terms."""
        maps = self.compute_maps(network, layers, part, on)
        return self._widen(network, f"{part}/{on}", maps)

    def compute_maps(
        self, network: FeatureNetwork, layers: Iterable[str], part: Part, on: On
    ) -> dict[str, Tensor]:
        """The same in the precision of the forward pass, which may be half."""
        return self._compute_pyramid(network, layers, f"{part}/{on}", self.get_picture(part, on))

    def compute_target_features(
        self, network: FeatureNetwork, layers: Iterable[str]
    ) -> dict[str, Tensor]:
        """The network's features of the target, without gradient; computed once."""
        return self._widen(network, "target", self.compute_target_maps(network, layers))

    def compute_target_maps(
        self, network: FeatureNetwork, layers: Iterable[str]
    ) -> dict[str, Tensor]:
        """The same in the precision of the forward pass, which may be half."""
        with torch.no_grad():
            return self._compute_pyramid(network, layers, "target", self.target)

    def _compute_pyramid(
        self, network: FeatureNetwork, layers: Iterable[str], name: str, picture: Tensor
    ) -> dict[str, Tensor]:
        key, layers = (id(network), name), list(layers)
        self._wanted.setdefault(key, set()).update(layers)
        known = self._pyramids.get(key, {})
        if not self._wanted[key] <= known.keys():
            known = network(picture, sorted(self._wanted[key]), widen=False)
            self._pyramids[key] = known
        return {layer: known[layer] for layer in layers}

    def _widen(
        self, network: FeatureNetwork, name: str, maps: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Convert maps to float32 at least, once for all terms."""
        for layer, features in maps.items():
            if (id(network), name, layer) not in self._wide:
                self._wide[id(network), name, layer] = at_least_float32(features)
        return {layer: self._wide[id(network), name, layer] for layer in maps}

    def _check_part(self, part: Part) -> Tensor:
        picture = getattr(self.prediction, part)
        if picture is None:
            raise TensorError(
                f"the prediction has no {part!r} picture but part={part!r} asks for it; "
                f"use part={self._list_parts()}"
            )
        if picture.shape != self.target.shape:
            raise TensorError(
                f"the predicted {part} has shape {tuple(picture.shape)} but the target has "
                f"{tuple(self.target.shape)}; give both the same"
            )
        if picture.device != self.target.device:
            raise TensorError(
                f"the predicted {part} is on {picture.device} but the target is on "
                f"{self.target.device}; move one of them"
            )
        return at_least_float32(picture).to(self.target.dtype)

    def _list_parts(self) -> str:
        names = ("image", "coarse", "aux")
        return " or ".join(repr(n) for n in names if getattr(self.prediction, n) is not None)


class Loss(nn.Module):
    """A term of an objective: ``loss(prediction, target, hole) -> scalar``.

    Subclasses implement :meth:`compute`; :meth:`get_picture` gives them the picture that ``on``
    and ``part`` choose.

    Args:
        on: compare the network's ``"output"``, or the ``"composite"`` with the known pixels.
        part: which picture of the Prediction: ``"image"``, ``"coarse"`` or ``"aux"``.
    """

    photos = True
    """Whether pictures must lie in [0, 1]."""

    def __init__(self, on: On = "output", part: Part = "image") -> None:
        super().__init__()
        check_choice("on", on, ("output", "composite"))
        check_choice("part", part, ("image", "coarse", "aux"))
        self.on: On = on
        self.part: Part = part

    def forward(
        self, prediction: Prediction | Tensor, target: Tensor, hole: Tensor | None = None
    ) -> Tensor:
        """The scalar loss.

        Shape:
            prediction: a Prediction or its image ``(N, 3, H, W)``; target ``(N, 3, H, W)`` in
            [0, 1]; hole ``(N, 1, H, W)``, 1 = missing, or bool; None: all is missing.

        Raises:
            TensorError: shapes, ranges, dtypes or devices that do not fit.
        """
        return self.compute(self.prepare_inputs(prediction, target, hole))

    def prepare_inputs(
        self, prediction: Prediction | Tensor, target: Tensor, hole: Tensor | None
    ) -> LossInputs:
        """Check the pictures of one step and request every feature layer this term reads."""
        inputs = LossInputs(prediction, target, hole, self.photos)
        self.request_features(inputs)
        return inputs

    def request_features(self, inputs: LossInputs) -> None:
        """Request the feature layers that :meth:`compute` reads; most terms read none."""

    def compute(self, inputs: LossInputs) -> Tensor:
        """The scalar loss of one step's inputs."""
        raise NotImplementedError

    def get_picture(self, inputs: LossInputs) -> Tensor:
        """The picture that ``part`` and ``on`` choose, ``(N, 3, H, W)``."""
        return inputs.get_picture(self.part, self.on)


class TermDict(nn.ModuleDict):
    """An ``nn.ModuleDict`` of losses that takes any names.

    ``nn.ModuleDict`` refuses names of its own attributes: ``half``, ``type``, ``train``, ``keys``.
    Here a term is an item and never an attribute; the keys of the state are the same.
    """

    def __setitem__(self, name: str, term: nn.Module) -> None:
        self._modules[name] = term


def check_image(prediction: Tensor, photos: bool) -> None:
    """Check a predicted image for NaN and for the range 0..255 (on the CPU only).

    A network's ``Prediction`` is not checked: a run that diverges is reported by the training
    loop.

    Raises:
        TensorError: names the values found.
    """
    check_photo(prediction, False, "prediction")
    if prediction.device.type != "cpu" or torch.compiler.is_compiling():
        return
    low, high = (float(value) for value in prediction.detach().aminmax())
    if low != low or high != high:  # only NaN differs from itself
        raise TensorError("prediction holds NaN; find the step that made it")
    if photos and max(-low, high) > PLAUSIBLE_RANGE:
        raise TensorError(
            f"prediction spans [{low:g}, {high:g}] but photos lie in [0, 1]; divide by 255"
        )


def check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    """Check that an option's value is one of those known.

    Raises:
        ValueError: names the value and those known.
    """
    if value not in known:
        raise ValueError(f"{name} is {value!r} but must be one of {', '.join(map(repr, known))}")


@contextmanager
def disable_autocast(tensor: Tensor) -> Iterator[None]:
    """Turn autocast off on the tensor's device: Gram matrices exceed fp16's range by far."""
    with torch.autocast(tensor.device.type, enabled=False):
        yield


def average_over_processes(value: Tensor) -> Tensor:
    """Average a count over all processes of a distributed training step.

    A loss divided by its own process's hole area would weigh processes with small holes more;
    divided by this mean, the averaged gradients are those of one process with the whole batch.
    Without gradient or with one process, returns the value itself.
    """
    if not (torch.is_grad_enabled() and dist.is_available() and dist.is_initialized()):
        return value
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()
