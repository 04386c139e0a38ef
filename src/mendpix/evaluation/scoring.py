"""Filling and measuring, picture by picture, each kept on disk as soon as it is done."""

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mendpix.errors import MendError, PictureError
from mendpix.evaluation import measurement, set_metrics
from mendpix.evaluation.cache import Part, keep, kept, part_file, read_part, write_part
from mendpix.evaluation.candidates import Candidate
from mendpix.evaluation.memory_usage import growth
from mendpix.evaluation.photo_pairs import Pair
from mendpix.evaluation.preparation import Pixels, Prepared, as_rgb8, hash_of, prepare
from mendpix.evaluation.protocols import Protocol
from mendpix.evaluation.results import HOLE, TRUTH, Sample, file_name, picture_file
from mendpix.inpainting.registry import CheckedFiller
from mendpix.io import conversion
from mendpix.types import Photo, Progress


@dataclass(frozen=True, slots=True)
class Plan:
    """What all pictures of an evaluation share."""

    protocol: Protocol
    entrants: tuple[Candidate, ...]
    folder: Path
    invert: bool = False


@dataclass(frozen=True, slots=True)
class Scored:
    """What a picture gave: its parts by model, and what is odd about it."""

    shot: Sample
    parts: dict[str, Part]
    remarks: tuple[str, ...] = ()


class Scorer:
    """Fills and measures pictures; holds each model once it is needed."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._fillers: dict[str, CheckedFiller] = {}
        self._made: dict[str, dict[str, Path]] = {}

    def score(self, pair: Pair, progress: Progress | None = None) -> Scored:
        """Everything of one picture, from disk where it is known already.

        Raises:
            MendError: what the user can put right, names the picture.
        """
        ready = prepare(pair, self.plan.protocol, self.plan.invert)
        keep(picture_file(self.plan.folder, TRUTH, pair.name), ready.truth)
        keep(picture_file(self.plan.folder, HOLE, pair.name), ready.hole.astype(np.uint8) * 255)
        parts = {one.name: self._part(one, ready, progress) for one in self.plan.entrants}
        return Scored(ready.shot, parts, ready.remarks)

    def _part(self, entrant: Candidate, ready: Prepared, progress: Progress | None) -> Part:
        place = part_file(self.plan.folder, entrant.name, ready.shot.name)
        key = self._key(entrant, ready.shot)
        part, fill = self._known(entrant, ready.shot, read_part(place, key))
        if fill is None:
            fill, seconds, megabytes = self._filled(entrant, ready, progress)
            keep(picture_file(self.plan.folder, entrant.name, ready.shot.name), fill)
            same = part is not None and part.fill == hash_of(fill)
            part = part if same else Part(key, hash_of(fill), {}, seconds, megabytes)
        assert part is not None
        missing = [name for name in self.plan.protocol.metrics if name not in part.values]
        with measurement.alone():
            part.values.update(measurement.measure(missing, fill, ready.truth, ready.hole))
            set_metrics.keep_features(
                self.plan.folder, self.plan.protocol.metrics, (fill, ready.truth)
            )
        write_part(place, part)
        return part

    def _known(
        self, entrant: Candidate, shot: Sample, part: Part | None
    ) -> tuple[Part | None, Pixels | None]:
        """The fill of an earlier run; other tools' pictures are read again, they may change."""
        if part is None or entrant.kind == "folder":
            return part, None
        return part, kept(picture_file(self.plan.folder, entrant.name, shot.name), part.fill)

    def _key(self, entrant: Candidate, shot: Sample) -> str:
        protocol = {**self.plan.protocol.as_dict(), "metrics": None}
        told = [protocol, entrant.identity(), shot.truth_sha256, shot.hole_sha256]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def _filled(
        self, entrant: Candidate, ready: Prepared, progress: Progress | None
    ) -> tuple[Pixels, float, float]:
        """The composite, the seconds and the MiB that its fill took."""
        if entrant.kind == "folder":
            return composite(self._given(entrant, ready), ready), 0.0, 0.0
        filler = self._filler(entrant)
        photo = ready.truth.astype(np.float32) / np.float32(255)
        with growth() as grown:
            began = time.perf_counter()
            try:
                made = filler(photo, ready.hole, progress)
            except MendError as problem:
                raise type(problem)(f"{entrant.name} on {ready.shot.name}: {problem}") from None
            seconds = time.perf_counter() - began
        return composite(self._levels(made), ready), seconds, grown[0]

    def _levels(self, made: Photo) -> Pixels:
        """8 bits, as the protocol has it; OpenCV rounds as NumPy does, and ten times faster."""
        if self.plan.protocol.bits == "round":
            return np.asarray(cv2.convertScaleAbs(np.maximum(made, 0), alpha=255), np.uint8)
        levels = made.clip(0, 1) * np.float32(255) + np.float32(1e-3)
        return np.asarray(np.floor(levels), np.uint8)

    def _filler(self, entrant: Candidate) -> CheckedFiller:
        if entrant.name not in self._fillers:
            self._fillers[entrant.name] = entrant.load()
            self._fillers[entrant.name].prepare()
        return self._fillers[entrant.name]

    def _given(self, entrant: Candidate, ready: Prepared) -> Pixels:
        """The picture that another tool made."""
        if entrant.name not in self._made:
            self._made[entrant.name] = dict(entrant.made())
        made, name = self._made[entrant.name], ready.shot.name
        path = made.get(name) or made.get(file_name(name))
        if path is None:
            raise PictureError(
                f"{entrant.spec} holds no picture named {name}; every fill is needed"
            )
        pixels = as_rgb8(conversion.read(path).pixels)
        if pixels.shape != ready.truth.shape:
            (h, w), side = pixels.shape[:2], self.plan.protocol.size
            raise PictureError(
                f"{path} is {w}x{h} but {side}x{side} is measured; "
                f"fill the pictures in {self.plan.folder / 'pictures' / TRUTH}"
            )
        return pixels


def composite(made: Pixels, ready: Prepared) -> Pixels:
    """The fill where the photo is missing, else the photo."""
    hole = ready.hole.view(np.uint8)
    return np.asarray(cv2.copyTo(made, hole, ready.truth.copy()), np.uint8)
