"""What all losses share: one look at a step's pictures, checked once, and one call for all.

A :class:`LossInputs` holds the pictures of one training step. It hands out the picture that a term
judges and computes each feature pyramid once; it dies with the step, so nothing in it can be
stale. A :class:`Loss` makes its own scene, or is given one by a ``WeightedSum``.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn

from mendpix.errors import TensorError
from mendpix.networks.features import FeatureNetwork
from mendpix.networks.features.network import at_least_float32  # for every loss
from mendpix.networks.types import Prediction, check_hole, check_photo, composite

On = Literal["output", "composite"]
Part = Literal["image", "coarse", "aux"]

FAR = 10.0
"""A network without a last squashing may leave [0, 1]; a picture of 0..255 goes further."""


class LossInputs:
    """The pictures of one step: what was predicted, what is true, where the hole is.

    Pictures of half precision are handed out as float32: sums over a picture need it.

    Args:
        prediction: a :class:`~mendpix.networks.types.Prediction`, or its image ``(N, 3, H, W)``.
        target: ``(N, 3, H, W)`` in [0, 1].
        hole: ``(N, 1, H, W)``, 1 = missing.
        photos: False for pictures on another scale than [0, 1]: their range is not checked.

    Raises:
        TensorError: shapes, kinds, values or devices that do not fit each other.
    """

    def __init__(
        self, prediction: Prediction | Tensor, target: Tensor, hole: Tensor, photos: bool = True
    ) -> None:
        check_photo(target, None if photos else False, "target")
        check_hole(hole, target)
        if isinstance(prediction, Tensor):
            check_bare(prediction, photos)
            prediction = Prediction(prediction)
        self.prediction = prediction
        self.target = at_least_float32(target)
        self.hole = hole.to(self.target.dtype)
        self._pictures: dict[tuple[Part, On], Tensor] = {}
        self._wanted: dict[tuple[int, str], set[str]] = {}
        self._pyramids: dict[tuple[int, str], dict[str, Tensor]] = {}
        self._wide: dict[tuple[int, str, str], Tensor] = {}

    def picture(self, part: Part = "image", on: On = "output") -> Tensor:
        """The picture a term judges, ``(N, 3, H, W)``: as the network made it, or composited.

        Raises:
            TensorError: the prediction has no such part, or it does not fit the target.
        """
        if (part, on) not in self._pictures:
            made = self._part(part)
            filled = made if on == "output" else composite(made, self.target, self.hole)
            self._pictures[part, on] = filled
        return self._pictures[part, on]

    def expect(self, network: FeatureNetwork, name: str, layers: Iterable[str]) -> None:
        """Say ahead which layers will be asked for, so that one pass serves all terms."""
        self._wanted.setdefault((id(network), name), set()).update(layers)

    def features(
        self, network: FeatureNetwork, layers: Iterable[str], part: Part, on: On
    ) -> dict[str, Tensor]:
        """The network's features of a picture; computed once for all terms that ask."""
        maps = self.maps(network, layers, part, on)
        return self._widened(network, f"{part}/{on}", maps)

    def maps(
        self, network: FeatureNetwork, layers: Iterable[str], part: Part, on: On
    ) -> dict[str, Tensor]:
        """The same, not widened: maybe in half precision."""
        return self._pyramid(network, layers, f"{part}/{on}", self.picture(part, on))

    def target_features(self, network: FeatureNetwork, layers: Iterable[str]) -> dict[str, Tensor]:
        """The network's features of the target, without gradient; computed once."""
        return self._widened(network, "target", self.target_maps(network, layers))

    def target_maps(self, network: FeatureNetwork, layers: Iterable[str]) -> dict[str, Tensor]:
        """The same, not widened: maybe in half precision."""
        with torch.no_grad():
            return self._pyramid(network, layers, "target", self.target)

    def _pyramid(
        self, network: FeatureNetwork, layers: Iterable[str], name: str, picture: Tensor
    ) -> dict[str, Tensor]:
        key, layers = (id(network), name), list(layers)
        self._wanted.setdefault(key, set()).update(layers)
        known = self._pyramids.get(key, {})
        if not self._wanted[key] <= known.keys():
            known = network(picture, sorted(self._wanted[key]), widen=False)
            self._pyramids[key] = known
        return {layer: known[layer] for layer in layers}

    def _widened(
        self, network: FeatureNetwork, name: str, maps: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Maps in float32 at least; widened once."""
        for layer, found in maps.items():
            if (id(network), name, layer) not in self._wide:
                self._wide[id(network), name, layer] = at_least_float32(found)
        return {layer: self._wide[id(network), name, layer] for layer in maps}

    def _part(self, part: Part) -> Tensor:
        picture = getattr(self.prediction, part)
        if picture is None:
            raise TensorError(
                f"the prediction has no {part!r} picture but part={part!r} asks for it; "
                f"use part={self._parts()}"
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

    def _parts(self) -> str:
        names = ("image", "coarse", "aux")
        return " or ".join(repr(n) for n in names if getattr(self.prediction, n) is not None)


class Loss(nn.Module):
    """A term of an objective: ``loss(prediction, target, hole) -> scalar``.

    Children say in :meth:`judge` what they make of a scene; :meth:`picture` gives them the
    picture that ``on`` and ``part`` choose.

    Args:
        on: judge the network's ``"output"``, or the ``"composite"`` with the known pixels.
        part: which picture of the Prediction: ``"image"``, ``"coarse"`` or ``"aux"``.
    """

    photos = True
    """Whether pictures must lie in [0, 1]."""

    def __init__(self, on: On = "output", part: Part = "image") -> None:
        super().__init__()
        choose("on", on, ("output", "composite"))
        choose("part", part, ("image", "coarse", "aux"))
        self.on: On = on
        self.part: Part = part

    def forward(self, prediction: Prediction | Tensor, target: Tensor, hole: Tensor) -> Tensor:
        """The scalar loss.

        Shape:
            prediction: a Prediction or its image ``(N, 3, H, W)``; target ``(N, 3, H, W)`` in
            [0, 1]; hole ``(N, 1, H, W)``, 1 = missing.

        Raises:
            TensorError: shapes, ranges, kinds or devices that do not fit.
        """
        return self.judge(self.scene(prediction, target, hole))

    def scene(self, prediction: Prediction | Tensor, target: Tensor, hole: Tensor) -> LossInputs:
        """The checked pictures of one step, with every feature layer this term will read."""
        scene = LossInputs(prediction, target, hole, self.photos)
        self.announce(scene)
        return scene

    def announce(self, scene: LossInputs) -> None:
        """Tell the scene which feature layers :meth:`judge` will read; most terms read none."""

    def judge(self, scene: LossInputs) -> Tensor:
        """The scalar loss of a scene."""
        raise NotImplementedError

    def picture(self, scene: LossInputs) -> Tensor:
        """The picture that ``part`` and ``on`` choose, ``(N, 3, H, W)``."""
        return scene.picture(self.part, self.on)


class Terms(nn.ModuleDict):
    """Losses by name, whatever they are called.

    ``nn.ModuleDict`` refuses names that its own attributes have: ``half``, ``type``, ``train``,
    ``keys``. Here a term is an item and never an attribute; the keys of the state are the same.
    """

    def __setitem__(self, name: str, term: nn.Module) -> None:
        self._modules[name] = term


def check_bare(prediction: Tensor, photos: bool) -> None:
    """Refuse a bare picture with NaN in it, or one that must be on 0..255 (looks on the CPU only).

    What a network returns in a ``Prediction`` is not looked at: a run that diverges is the
    training loop's to report.

    Raises:
        TensorError: names the values found.
    """
    check_photo(prediction, False, "prediction")
    if prediction.device.type != "cpu" or torch.compiler.is_compiling():
        return
    low, high = (float(value) for value in prediction.detach().aminmax())
    if low != low or high != high:  # only NaN differs from itself
        raise TensorError("prediction holds NaN; find the step that made it")
    if photos and max(-low, high) > FAR:
        raise TensorError(
            f"prediction spans [{low:g}, {high:g}] but photos lie in [0, 1]; divide by 255"
        )


def choose(name: str, value: str, known: tuple[str, ...]) -> None:
    """Refuse an option's value that is not among those known.

    Raises:
        ValueError: names the value and those known.
    """
    if value not in known:
        raise ValueError(f"{name} is {value!r} but must be one of {', '.join(map(repr, known))}")


@contextmanager
def full_precision(tensor: Tensor) -> Iterator[None]:
    """Autocast off on the tensor's device: Grams pass fp16's largest number a million times."""
    with torch.autocast(tensor.device.type, enabled=False):
        yield


def shared_mean(value: Tensor) -> Tensor:
    """The mean of a count over all processes of a distributed training step.

    A loss divided by its own process's hole area would weigh processes with small holes more;
    divided by this mean, the averaged gradients are those of one process with the whole batch.
    Outside training (no gradient, or one process) the value itself.
    """
    if not (torch.is_grad_enabled() and dist.is_available() and dist.is_initialized()):
        return value
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()
