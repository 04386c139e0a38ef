"""The fillers of the native benchmark, and the hash that says when one has changed."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import mendpix
from mendpix.inpainting.registry import BUILT_IN, find_options
from mendpix.types import Hole, Photo
from mendpix.weights import catalogue
from native_sets import Sample

PACKAGE = Path(mendpix.__file__).parent
SHARED = ("types.py", "inpainting/base.py", "inpainting/windows.py", "masks/holes.py")
ALL = (*SHARED, "inpainting", "weights/bundled")
PARTS = {
    "migan": (*SHARED, "inpainting/onnx", "inpainting/input_requirements.py"),
    "patchmatch": (*SHARED, "inpainting/patchmatch"),
    "telea": (*SHARED, "inpainting/opencv.py"),
    "navier-stokes": (*SHARED, "inpainting/opencv.py"),
}
"""What decides a fill, where that is not all of the package."""
LOOPS = 4
"""Loops of patchmatch-cython at each coarse level: more than its default, for a better fill."""

Fill = Callable[[Photo, Hole], Photo]


@dataclass(frozen=True)
class Entrant:
    """A filler with the hash of all that decides what it returns."""

    name: str
    version: str
    fill: Fill

    def __call__(self, sample: Sample) -> NDArray[np.uint8]:
        """The sample's photo filled, ``(H, W, 3)`` 8-bit."""
        if self.name == "truth":
            return sample.truth
        photo = sample.photo.astype(np.float32) / np.float32(255)
        return np.rint(self.fill(photo, sample.hole).clip(0, 1) * 255).astype(np.uint8)


def open_entrant(name: str, threads: int) -> Entrant:
    """A filler by its name in the table."""
    if name == "truth":
        return Entrant(name, "", lambda photo, hole: photo)
    if name == "patchmatch-cython":
        return Entrant(name, f"{version(name)}, {LOOPS} loops", fill_cython)
    if name == "migan":
        filler = mendpix.load("migan", threads=threads)
        return Entrant(name, hash_file(catalogue.find("migan")), Window512(filler))
    return open_own(name, threads)


def open_own(name: str, threads: int) -> Entrant:
    """A filler of the package: MODEL, MODEL+GENERATOR or MODEL@QUALITY; "auto" alone has none."""
    model, _, generator = name.removeprefix("mendpix-").partition("+")
    model, _, quality = model.partition("@")
    options: dict[str, Any] = {"quality": quality} if quality else {}
    if generator or (model == "auto" and has_generator()):
        options["generator"] = generator or "none"
    digest = hash_code(PARTS.get(model, ALL))
    for network in (generator, model):
        if network and network not in BUILT_IN:
            digest += "+" + hash_file(catalogue.find(network))
    return Entrant(name, digest, mendpix.load(model, threads=threads, **options))


def has_generator() -> bool:
    """Whether "auto" can be told which generator to use."""
    from mendpix.inpainting.hybrid.filler import HybridFiller

    return "generator" in find_options(HybridFiller)


def hash_code(parts: tuple[str, ...]) -> str:
    """A hash of files and folders of the package."""
    state = hashlib.sha256()
    for part in parts:
        place = PACKAGE / part
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file() and "__pycache__" not in path.parts:
                state.update(str(path.relative_to(PACKAGE)).encode() + path.read_bytes())
    return state.hexdigest()[:12]


def hash_file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


@dataclass(frozen=True)
class Window512:
    """MI-GAN as its makers' own pipeline runs it on a picture of any size.

    A square around the hole, 128 pixels beyond its longer side on both ends and at least 512
    wide, moved inward at the picture's border, is resized to 512, filled and resized back
    (https://github.com/Picsart-AI-Research/MI-GAN, scripts/create_onnx_pipeline.py). Beyond a
    picture smaller than that square nothing is shown.
    """

    filler: Fill
    size: int = 512
    margin: int = 128

    def __call__(self, photo: Photo, hole: Hole) -> Photo:
        place = self.place(hole)
        part, missing = photo[place], hole[place]
        side = (self.size, self.size)
        small = cv2.resize(part, side, interpolation=cv2.INTER_AREA)
        gap = cv2.resize(missing.astype(np.float32), side, interpolation=cv2.INTER_AREA) > 0
        small = self.filler(np.where(gap[..., None], np.float32(0), small), gap)
        large = cv2.resize(small, missing.shape[::-1], interpolation=cv2.INTER_LINEAR)
        filled = photo.copy()
        filled[place] = np.where(missing[..., None], large, part)
        return filled

    def place(self, hole: Hole) -> tuple[slice, slice]:
        """Rows and columns of the square."""
        spans = [np.flatnonzero(hole.any(axis=axis)) for axis in (1, 0)]
        longest = max(int(np.ptp(span)) + 1 for span in spans)
        side = max(self.size, longest + 2 * self.margin)
        return tuple(  # type: ignore[return-value]
            cut_span(int(span[0] + span[-1] + 1) // 2, side, length)
            for span, length in zip(spans, hole.shape, strict=True)
        )


def cut_span(middle: int, side: int, length: int) -> slice:
    """``side`` pixels around a middle, moved into the picture."""
    start = max(0, min(middle - side // 2, length - side))
    return slice(start, min(length, start + side))


def fill_cython(photo: Photo, hole: Hole) -> Photo:
    """patchmatch-cython from PyPI, with its pyramid; without, where that finds nothing known."""
    from patchmatch_cython import inpaint_pyramid, inpaint_single

    image = np.rint(photo * 255).astype(np.uint8)
    try:
        output = inpaint_pyramid(image, hole, seed=0, em_loops=LOOPS)
    except ValueError:
        output = inpaint_single(image, hole, seed=0, em_loops=LOOPS)
    return np.asarray(output, np.float32) / np.float32(255)
