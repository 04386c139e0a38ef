"""A filler from a network: the one place where a picture's array becomes a tensor and comes back.

What a network needs (a multiple, one size, a hole in the centre) is arranged by
:mod:`mendpix.inpainting.input_requirements`, for exported networks too.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import nn

from mendpix.errors import WeightsError
from mendpix.inpainting import input_requirements, windows
from mendpix.inpainting.input_requirements import LARGEST, InputRequirements
from mendpix.networks import serialization
from mendpix.networks.types import Prediction
from mendpix.types import Hole, Photo, Progress


class NetworkFiller:
    """Fill holes with a network, on any picture; known pixels are kept as they are.

    How the picture is cut, padded and resized: :func:`mendpix.inpainting.input_requirements.fill`.
    The same picture gives the same fill. One call at a time runs; others wait.

    Attributes:
        starts_with: the name of the filler that fills the hole before the network sees it; ""
            where the network wants none.
        start: that filler; whoever makes a NetworkFiller for such a network sets it
            (``mendpix.load`` does).

    Args:
        network: of ``NETWORKS``; moved to the device and set to eval mode.
        device: as for :func:`~mendpix.networks.serialization.choose_device`.
        card: what the weights file said of itself.
        largest: pixels that a network without a size of its own is given at once.

    Raises:
        WeightsError: a device that is not there.
    """

    channels: ClassVar[Literal[3]] = 3

    def __init__(
        self,
        network: nn.Module,
        device: str | torch.device = "cpu",
        card: Mapping[str, Any] | None = None,
        largest: int = LARGEST,
    ) -> None:
        self.device = serialization.choose_device(device)
        self.network = network.to(self.device)
        self.card = dict(card or {})
        self.requirements = requirements_of(network, largest)
        self.starts_with = start_of(network)
        self.start: input_requirements.Start | None = None
        self._lock = Lock()

    def __call__(self, photo: Photo, hole: Hole, progress: Progress | None = None) -> Photo:
        """Fill ``photo`` ``(H, W, 3)`` float32 in [0, 1] where ``hole`` ``(H, W)`` is True.

        Args:
            progress: called with the share done after each layer; may raise to stop.

        Raises:
            TensorError: an array of another shape, kind or range.
            WeightsError: the network's weights give no numbers, the accelerator's memory does
                not suffice, or nobody has set the filler that it starts with.
        """
        if self.starts_with and self.start is None:
            raise WeightsError(
                f"{type(self.network).__name__} wants holes filled by {self.starts_with!r} first; "
                "get it with mendpix.load(), or set .start"
            )
        with self._lock:
            self.network.eval()
            return input_requirements.fill(
                photo, hole, self.requirements, self._run, self.start, progress
            )

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=Lock())
        self.network.to(self.device)

    def refine(self, photo: Photo, hole: Hole, progress: Progress | None = None) -> Photo:
        """Refine the hole of a photo ``(H, W, 3)`` that is filled already, on all of its pixels.

        The network sees the fill, and needs no known pixel. A photo that it takes in one piece
        is padded and run; another one is cut as by :func:`input_requirements.refine`.

        Returns: a new photo, its pixels outside the hole as they were. Raises what a call raises.
        """
        needs = self.requirements
        with self._lock:
            self.network.eval()
            if needs.size is not None or hole.size > needs.largest:
                return input_requirements.refine(photo, hole, needs, self._run, progress)
            refined = photo.copy()
            np.clip(refined, 0, 1, out=refined, where=hole[..., None])
            padded = windows.pad(refined, needs.multiple), windows.pad(hole, needs.multiple)
            refined[hole] = self._run(*padded, progress)[: hole.shape[0], : hole.shape[1]][hole]
            return refined

    def _run(self, photo: Photo, hole: Hole, progress: Progress | None = None) -> Photo:
        """The network's picture ``(H, W, 3)`` of a photo that suits it, cut to [0, 1]."""
        image = torch.from_numpy(np.ascontiguousarray(photo.transpose(2, 0, 1)))[None]
        where = torch.from_numpy(hole.astype(np.float32))[None, None]
        try:
            with torch.inference_mode(), self._report_layers(progress):
                prediction: Prediction = self.network(image.to(self.device), where.to(self.device))
                output = prediction.image[0].float().clamp(0, 1).cpu()
        except torch.OutOfMemoryError:
            height, width = hole.shape
            raise WeightsError(
                f"{width}x{height} pixels at once do not fit the memory of {self.device}; "
                "use --device cpu, or a NetworkFiller with a smaller 'largest'"
            ) from None
        if not output.isfinite().all():
            name = type(self.network).__name__
            raise WeightsError(f"{name} gave values that are no numbers; its weights are broken")
        return output.permute(1, 2, 0).numpy()

    @contextmanager
    def _report_layers(self, progress: Progress | None) -> Iterator[None]:
        """Tell ``progress`` of every layer that has run, so that it can stop a long pass."""
        if progress is None:
            yield
            return
        leaves = _leaves(self.network)
        done = 0

        def tell(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            nonlocal done
            done += 1
            progress(done / len(leaves))

        hooks = [leaf.register_forward_hook(tell) for leaf in leaves]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


def _leaves(network: nn.Module) -> list[nn.Module]:
    """The modules that hold no others; a TorchScript program counts as one."""
    plain = [m for m in network.modules() if not isinstance(m, torch.jit.ScriptModule)]
    return [m for m in plain if not any(child in plain for child in m.children())]


def requirements_of(network: nn.Module, largest: int = LARGEST) -> InputRequirements:
    """What a network needs of a picture, by its attributes ``multiple``, ``size``, ..."""
    return InputRequirements(
        multiple=getattr(network, "multiple", 1),
        size=getattr(network, "size", None),
        hole_side=getattr(network, "hole_side", 0),
        centred=getattr(network, "hole_shape", None) == "centre",
        largest=largest,
    )


def start_of(network: nn.Module) -> str:
    """The filler that a network wants its holes filled with first, "" where it wants none.

    A network says so by an attribute ``start``, its own or its options'.
    """
    options = getattr(network, "options", None)
    start = getattr(network, "start", None) or getattr(options, "start", None)
    return start if isinstance(start, str) else ""


def load_filler(
    path: str | Path, device: str = "auto", threads: int | None = None
) -> NetworkFiller:
    """A filler from a weights file, ours or one of the foreign formats, or from a run folder.

    Args:
        threads: how many PyTorch may use from now on, in the whole process; None: no change.

    Raises:
        WeightsError: as for :func:`~mendpix.networks.serialization.load`, or the file holds a
            discriminator.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    network, card = serialization.load(path, device)
    if card["kind"] != "network":
        name = card["network"]
        raise WeightsError(f"{path} holds the discriminator {name!r}, which fills nothing")
    return NetworkFiller(network, device, card)
