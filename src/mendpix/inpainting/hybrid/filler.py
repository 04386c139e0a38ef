"""The default filler: PatchMatch's fill, refined by a network, at the scale that suits the hole.

Each part of the hole is filled in a window of its own. Where it is deep, structure is settled on a
smaller picture of the window, and the full picture is then rebuilt by PatchMatch from pieces of
itself, guided by the smaller one: a network sees the whole hole, and a fill of any size is as sharp
as its surroundings. Without a network PatchMatch works alone.
"""

import os
import platform
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from mendpix.errors import MendError, WeightsError
from mendpix.inpainting.hybrid import grain, ranking, tiling
from mendpix.inpainting.hybrid.regions import has_sources, split_regions
from mendpix.inpainting.hybrid.tiling import Refine
from mendpix.inpainting.patchmatch import numba_cache
from mendpix.inpainting.patchmatch.completion import complete
from mendpix.inpainting.patchmatch.options import Options
from mendpix.inpainting.windows import Region, Window
from mendpix.types import Hole, Photo, Progress, processors, sub_range
from mendpix.weights import cards

Quality = Literal["fast", "best"]

MAX_TILES = 6
"""Tiles of a window that the network refines in a fast fill: those with most missing pixels."""
BRISK = Options(rounds=4, last_rounds=2)
"""PatchMatch's part in a hole that is ``LARGE``: two thirds of the time."""
LARGE = 200_000
"""Missing pixels of a window from which on PatchMatch, followed by a network, tries less hard."""
GUIDED = Options(rounds=3, last_rounds=1)
"""PatchMatch's part where it follows a guide, which has settled what further rounds would."""
NETWORK = "mender.onnx"
"""The bundled network's file."""
DEEP, DEPTH = 256, 64
"""A hole this many pixels from rim to middle is settled first where it is only ``DEPTH`` deep."""


@dataclass(frozen=True, slots=True)
class FillVariant:
    """One way to fill a window.

    Attributes:
        radius: of PatchMatch's patches.
        seed: added to the filler's own.
        flip: fill the mirrored window.
    """

    radius: int = 2
    seed: int = 0
    flip: bool = False


VARIANTS: dict[str, FillVariant] = {
    "fast": FillVariant(),
    "mirrored": FillVariant(seed=1, flip=True),
    "middle patches": FillVariant(radius=3),
    "large patches": FillVariant(radius=4),
}
"""What ``best`` chooses from. PatchMatch guided by the network's fill at its own size, and
PatchMatch alone, were tried too and made the choice worse (docs/filling.md)."""


def list_variants(count: int) -> list[FillVariant]:
    """``count`` variants: those there are, then the same with other seeds."""
    variants = list(VARIANTS.values())
    return [
        replace(variant, seed=variant.seed + 10 * (index // len(variants)))
        for index in range(count)
        for variant in [variants[index % len(variants)]]
    ]


class HybridFiller:
    """Fill holes of any size with texture from the picture, refined by a network.

    A photo needs a known, finite pixel; :class:`~mendpix.inpainting.base.CheckedFiller` sees to it.

    Args:
        refine: the network, called with a photo whose hole PatchMatch has filled; "bundled":
            the one in this package, where it is there; None: PatchMatch alone.
        quality: "fast", or "best": several ways to fill each window, of which the one is taken
            that :mod:`mendpix.inpainting.hybrid.ranking` likes best.
        seed: of PatchMatch and of the grain; the same seed gives the same bytes.
        threads: of PatchMatch and of the bundled network; None: one per processor.
        device: of the bundled network, as for :func:`mendpix.load`.
        regrain: restore the grain of the surroundings in the fill.

    Raises:
        MendError: another quality, or a device that the bundled network cannot run on.
    """

    channels: ClassVar[Literal["any"]] = "any"
    skips_nan: ClassVar[bool] = True
    takes_sources: ClassVar[bool] = True
    local: ClassVar[bool] = True

    def __init__(
        self,
        refine: Refine | Literal["bundled"] | None = "bundled",
        quality: Quality = "fast",
        seed: int = 0,
        threads: int | None = None,
        device: str = "auto",
        regrain: bool = True,
    ) -> None:
        if quality not in ("fast", "best"):
            raise MendError(f"quality is {quality!r} but must be 'fast' or 'best'")
        self.refine = choose_network(device, threads) if refine == "bundled" else refine
        self.quality, self.seed = quality, seed
        self.threads, self.regrain = threads or processors(), regrain
        self.max_tiles = MAX_TILES if quality == "fast" else None

    def prepare(self) -> None:
        """Load PatchMatch's loops now, compiling them where no cache holds them."""
        numba_cache.kernels()

    def __call__(
        self,
        photo: Photo,
        hole: Hole,
        progress: Progress | None = None,
        sources: Hole | None = None,
    ) -> Photo:
        """The photo ``(H, W, C)`` float32 with its hole ``(H, W)`` filled, others as they were.

        Args:
            sources: ``(H, W)``, True = PatchMatch may copy from; the network sees all.

        Raises:
            Cancelled: if ``progress`` raised it.
        """
        if self.quality == "best":
            return next(self.candidates(photo, hole, 1, progress, sources))
        filled = photo.copy()
        for window, region, part in split_regions(photo, hole, progress, sources):
            values = self._fill_region(region, VARIANTS["fast"], part)
            filled[window.slices][region.hole] = values[region.hole]
        return filled

    def candidates(
        self,
        photo: Photo,
        hole: Hole,
        count: int,
        progress: Progress | None = None,
        sources: Hole | None = None,
    ) -> Iterator[Photo]:
        """``count`` different fills, the most likely first: ranked window by window."""
        variants = list_variants(max(count, len(VARIANTS)))
        step = 1 / len(variants)
        ranked: list[tuple[Window, list[Photo]]] = []
        for window, region, part in split_regions(photo, hole, progress, sources):
            fills = [
                self._fill_region(region, variant, sub_range(part, index * step, step))
                for index, variant in enumerate(variants)
            ]
            order = ranking.rank(fills, region.hole, region.unusable)[:count]
            ranked.append((window, [fills[place][region.hole] for place in order]))
        for place in range(count):
            filled = photo.copy()
            for window, values in ranked:
                filled[window.slices][hole[window.slices]] = values[place]
            yield filled

    def _fill_region(
        self, region: Region, variant: FillVariant, progress: Progress | None
    ) -> Photo:
        """Fill a region: PatchMatch, then the network, coarse to fine; then grain.

        Returns: a new photo; pixels that are unusable are painted over.
        """
        levels = [region.flip() if variant.flip else region]
        while (smaller := levels[0].shrink(DEPTH, DEEP)) is not None and has_sources(smaller):
            levels.insert(0, smaller)
        guide = None
        for step, level in enumerate(levels):
            part = sub_range(progress, step / len(levels), 1 / len(levels))
            gap = level.hole | level.unusable
            values = complete(
                level.photo,
                gap,
                guide,
                self.seed + variant.seed,
                self._choose_effort(level, variant, guide),
                self.threads,
                part if self.refine is None else sub_range(part, 0.0, 0.5),
                level.sources,
            )
            filled = level.photo.copy()
            filled[level.hole] = values[level.hole[gap]]
            filled = tiling.paint_over(filled, level.unusable)
            if self.refine is not None:
                rest = sub_range(part, 0.5, 0.5)
                filled = tiling.refine_tiles(filled, level.hole, self.refine, rest, self.max_tiles)
            if level is not levels[-1]:
                guide = tiling.level_rim(filled, level.hole)
        if variant.flip:
            filled = np.ascontiguousarray(filled[:, ::-1])
        if self.regrain and self.refine is not None:
            tiles = tiling.fullest_tiles(region.hole, self.max_tiles)
            known = ~region.hole & ~region.unusable
            grain.restore_in_tiles(filled, region.hole, known, tiles, self.seed + variant.seed)
        return filled

    def _choose_effort(self, level: Region, variant: FillVariant, guide: Photo | None) -> Options:
        """How hard PatchMatch is to try."""
        if guide is not None:
            options = GUIDED
        else:
            large = self.refine is not None and level.hole.sum() >= LARGE
            options = BRISK if large else Options()
        return replace(options, radius=variant.radius)


class BundledNetwork:
    """The network in this package as a refiner, opened in a thread of its own.

    It opens while the picture is read and PatchMatch begins. A pickled copy opens its own.

    Args:
        device: "cpu"; or "auto": an accelerator where PyTorch finds one, else the CPU.
        threads: as for :class:`HybridFiller`.
    """

    def __init__(self, device: str = "cpu", threads: int | None = None) -> None:
        self.device, self.threads = device, threads
        pool = ThreadPoolExecutor(1, "network")
        self._opening: Future[Any] = pool.submit(open_network, device, threads)
        pool.shutdown(wait=False)

    def __call__(self, photo: Photo, hole: Hole, progress: Progress | None = None) -> Photo:
        """Refine the hole of a filled photo; see :mod:`mendpix.inpainting.hybrid.tiling`."""
        refined: Photo = self._opening.result().refine(photo, hole, progress)
        return refined

    def __reduce__(self) -> tuple[type["BundledNetwork"], tuple[str, int | None]]:
        return BundledNetwork, (self.device, self.threads)


def choose_network(device: str, threads: int | None = None) -> Refine | None:
    """The bundled network on a device; None where the package holds none.

    An accelerator that is asked for by name is looked for now; with "auto" one that seems to be
    there is tried in the background, and the CPU serves where it turns out to be of no use.
    """
    if device not in ("auto", "cpu"):
        refine: Refine = open_accelerated(device, threads).refine
        return refine
    if device == "auto" and has_accelerator_driver() and find_spec("torch") is not None:
        return BundledNetwork("auto", threads)
    return BundledNetwork("cpu", threads) if (cards.BUNDLED / NETWORK).is_file() else None


def open_network(device: str, threads: int | None = None) -> Any:
    """The filler that :class:`BundledNetwork` stands for."""
    from mendpix.inpainting.onnx.filler import OnnxFiller  # importing ONNX Runtime takes a while

    if device == "auto":
        from mendpix.networks.serialization import choose_device

        accelerator = choose_device("auto")
        if accelerator.type != "cpu":
            return open_accelerated(str(accelerator), threads)
    return OnnxFiller(cards.BUNDLED / NETWORK, threads=threads)


def open_accelerated(device: str, threads: int | None = None) -> Any:
    """The bundled network on an accelerator, by PyTorch, or else by ONNX Runtime.

    Raises:
        WeightsError: PyTorch does not find the device.
        MendError: PyTorch is not installed.
    """
    from mendpix.inpainting.onnx import filler

    if find_spec("torch") is not None:
        from mendpix.inpainting.torch import load_filler

        try:
            return load_filler(cards.BUNDLED / "mender.safetensors", device, threads)
        except WeightsError:
            if not filler.runs_on(device):
                raise
    elif not filler.runs_on(device):
        raise MendError(
            f"auto runs on {device} by PyTorch, which is not installed; "
            "run: pip install 'mendpix[train]', or leave the device out"
        )
    return filler.OnnxFiller(cards.BUNDLED / NETWORK, device=device)


DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""What the drivers put there: NVIDIA's, the one of Windows under WSL, AMD's."""
HIDING = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
"""Settings that leave no processor to be seen where they are empty or begin with -1."""


def has_accelerator_driver() -> bool:
    """Whether a graphics processor that PyTorch could use seems to be there.

    Looks for drivers only: importing PyTorch takes seconds, and it has the last word.
    """
    settings = (os.environ.get(name, "0").strip() for name in HIDING)
    if any(not setting or setting.startswith("-1") for setting in settings):
        return False
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    if sys.platform == "win32":
        return (Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "System32/nvcuda.dll").exists()
    return any(Path(driver).exists() for driver in DRIVERS)
