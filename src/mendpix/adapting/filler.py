"""The default filler with a network of its own for every picture."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mendpix import mending
from mendpix.adapting.learning import DEFAULT, Course, adapted
from mendpix.adapting.scenes import Scenes
from mendpix.errors import MendError, WeightsError
from mendpix.mending import Quality
from mendpix.networks import weights
from mendpix.networks.filler import NetworkFiller
from mendpix.networks.mender import Mender
from mendpix.patchmatch import PatchMatch
from mendpix.views import portion

Photo = NDArray[np.float32]
Hole = NDArray[np.bool_]
Progress = Callable[[float], None]


class Adapting:
    """The default filler, its network adapted to every picture before it fills that.

    Args:
        model: "auto" for the bundled network, or a weights file or run folder of a ``mender``.
        course: how long, and how.
        quality, seed, threads: as in :class:`mendpix.mending.Mender`. The same seed gives the same
            bytes on the same machine and number of threads, given steps and not seconds.
        device: where the network learns and works.

    Raises:
        MendError: a model that cannot be adapted.
        WeightsError: a file that cannot be read, or a device that is not there.
    """

    channels: ClassVar[Literal["any"]] = "any"
    skips_nan: ClassVar[bool] = True

    def __init__(
        self,
        model: str | Path = "auto",
        course: Course = DEFAULT,
        quality: Quality = "fast",
        seed: int = 0,
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self.network, self.card = _loaded(str(model), device)
        self.course, self.quality, self.seed = course, quality, seed
        self.device, self.threads = device, threads
        self._mender(self.network)  # refuses what it cannot take

    def prepare(self) -> None:
        """Load PatchMatch's loops now, compiling them where no cache holds them."""
        PatchMatch().prepare()

    def __call__(self, photo: Photo, hole: Hole, progress: Progress | None = None) -> Photo:
        """The photo ``(H, W, C)`` float32 with its hole ``(H, W)`` filled, others as they were.

        Raises:
            MaskError: too little is known.
            Cancelled: if ``progress`` raised it.
        """
        if not hole.any():
            return photo.copy()
        mender = self._fitted(photo, hole, portion(progress, 0.0, 0.9))
        return mender(photo, hole, portion(progress, 0.9, 0.1))

    def candidates(
        self, photo: Photo, hole: Hole, count: int, progress: Progress | None = None
    ) -> Iterator[Photo]:
        """``count`` different fills by the one adapted network, the most likely first."""
        mender = self._fitted(photo, hole, portion(progress, 0.0, 0.8))
        yield from mender.candidates(photo, hole, count, portion(progress, 0.8, 0.2))

    def _fitted(self, photo: Photo, hole: Hole, told: Progress | None) -> mending.Mender:
        scenes = Scenes(_coloured(photo), hole, self.seed, self.threads)
        return self._mender(adapted(self.network, scenes, self.course, told))

    def _mender(self, network: nn.Module) -> mending.Mender:
        refine = NetworkFiller(network, self.device).refine
        return mending.Mender(refine, self.quality, self.seed, self.threads)


def _coloured(photo: Photo) -> Photo:
    """Three channels; of any other number their mean, as grey."""
    if photo.shape[2] == 3:
        return photo
    return np.repeat(photo.mean(axis=2, keepdims=True), 3, axis=2)


def _loaded(model: str, device: str) -> tuple[nn.Module, dict[str, Any]]:
    try:
        network, card = weights.load("mender" if model == "auto" else model, device)
    except WeightsError as problem:
        raise MendError(
            f"{problem} (--adapt takes auto, or a run or weights of a mender)"
        ) from None
    if not isinstance(network, Mender):
        raise MendError(
            f"{model} is a {card['network']}, which cannot be adapted; "
            "--adapt takes auto, or a run or weights of a mender"
        )
    return network.float(), card
