"""Fills and measures picture by picture; each result is cached on disk at once."""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mendpix.errors import MendError, PictureError
from mendpix.evaluation import measurement, set_metrics
from mendpix.evaluation.cache import (
    FillRecord,
    read_fill,
    read_record,
    record_file,
    write_png,
    write_record,
)
from mendpix.evaluation.candidates import Candidate
from mendpix.evaluation.memory_usage import measure_peak
from mendpix.evaluation.photo_pairs import PhotoPair
from mendpix.evaluation.preparation import Pixels, PreparedSample, hash_pixels, prepare
from mendpix.evaluation.protocols import EvaluationProtocol
from mendpix.evaluation.results import HOLE, TRUTH, Sample, file_name, picture_file
from mendpix.inpainting.registry import CheckedFiller
from mendpix.io import files
from mendpix.io.conversion import as_rgb8
from mendpix.types import Photo, Progress


@dataclass(frozen=True, slots=True)
class EvaluationPlan:
    """What all pictures of an evaluation share."""

    protocol: EvaluationProtocol
    candidates: tuple[Candidate, ...]
    folder: Path
    invert: bool = False


@dataclass(frozen=True, slots=True)
class ScoredSample:
    """A picture with the record of each model's fill, and remarks for the reader."""

    sample: Sample
    records: dict[str, FillRecord]
    remarks: tuple[str, ...] = ()


class Scorer:
    """Fills and measures pictures; loads each model when it is first needed."""

    def __init__(self, plan: EvaluationPlan) -> None:
        self.plan = plan
        self._fillers: dict[str, CheckedFiller] = {}
        self._folders: dict[str, Mapping[str, Path]] = {}

    def score(self, pair: PhotoPair, progress: Progress | None = None) -> ScoredSample:
        """Fill and measure one picture by every candidate, from the cache where it can be.

        Raises:
            MendError: what the user can put right, names the picture.
        """
        ready = prepare(pair, self.plan.protocol, self.plan.invert)
        write_png(picture_file(self.plan.folder, TRUTH, pair.name), ready.truth)
        write_png(
            picture_file(self.plan.folder, HOLE, pair.name), ready.hole.astype(np.uint8) * 255
        )
        records = {
            candidate.name: self._score_candidate(candidate, ready, progress)
            for candidate in self.plan.candidates
        }
        return ScoredSample(ready.sample, records, ready.remarks)

    def _score_candidate(
        self, candidate: Candidate, ready: PreparedSample, progress: Progress | None
    ) -> FillRecord:
        path = record_file(self.plan.folder, candidate.name, ready.sample.name)
        key = self._cache_key(candidate, ready.sample)
        record = read_record(path, key)
        fill = self._read_cached_fill(candidate, ready.sample, record)
        if fill is None:
            fill, seconds, megabytes = self._fill(candidate, ready, progress)
            write_png(picture_file(self.plan.folder, candidate.name, ready.sample.name), fill)
            sha256 = hash_pixels(fill)
            if record is None or record.fill != sha256:
                record = FillRecord(key, sha256, {}, seconds, megabytes)
        assert record is not None
        self._measure_missing(record, fill, ready)
        write_record(path, record)
        return record

    def _measure_missing(self, record: FillRecord, fill: Pixels, ready: PreparedSample) -> None:
        """Add the metrics that the record lacks, and cache the features of set metrics."""
        names = self.plan.protocol.metrics
        missing = [name for name in names if name not in record.values]
        with measurement.use_one_thread():
            record.values.update(measurement.measure(missing, fill, ready.truth, ready.hole))
            set_metrics.cache_features(self.plan.folder, names, (fill, ready.truth))

    def _read_cached_fill(
        self, candidate: Candidate, sample: Sample, record: FillRecord | None
    ) -> Pixels | None:
        """The fill of an earlier run; other tools' pictures are read again, they may change."""
        if record is None or candidate.kind == "folder":
            return None
        return read_fill(picture_file(self.plan.folder, candidate.name, sample.name), record.fill)

    def _cache_key(self, candidate: Candidate, sample: Sample) -> str:
        protocol = {**self.plan.protocol.as_dict(), "metrics": None}
        decisive = [protocol, candidate.identity(), sample.truth_sha256, sample.hole_sha256]
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()

    def _fill(
        self, candidate: Candidate, ready: PreparedSample, progress: Progress | None
    ) -> tuple[Pixels, float, float]:
        """The composite, the seconds and the MiB that its fill took."""
        if candidate.kind == "folder":
            return composite(self._read_external_fill(candidate, ready), ready), 0.0, 0.0
        filler = self._load_filler(candidate)
        photo = ready.truth.astype(np.float32) / np.float32(255)
        with measure_peak() as peak:
            start = time.perf_counter()
            try:
                output = filler(photo, ready.hole, progress)
            except MendError as problem:
                raise type(problem)(f"{candidate.name} on {ready.sample.name}: {problem}") from None
            seconds = time.perf_counter() - start
        return composite(self._quantize(output), ready), seconds, peak[0]

    def _quantize(self, output: Photo) -> Pixels:
        """8 bits, as the protocol has it; OpenCV rounds as NumPy does, and ten times faster."""
        if self.plan.protocol.bits == "round":
            # convertScaleAbs takes absolute values: what is below 0 has to be 0 before
            return np.asarray(cv2.convertScaleAbs(np.maximum(output, 0), alpha=255), np.uint8)
        # values that were k/255 in float32 must not fall to k - 1 by rounding errors
        levels = output.clip(0, 1) * np.float32(255) + np.float32(1e-3)
        return np.asarray(np.floor(levels), np.uint8)

    def _load_filler(self, candidate: Candidate) -> CheckedFiller:
        if candidate.name not in self._fillers:
            self._fillers[candidate.name] = candidate.load()
            self._fillers[candidate.name].prepare()
        return self._fillers[candidate.name]

    def _read_external_fill(self, candidate: Candidate, ready: PreparedSample) -> Pixels:
        """The picture that another tool made."""
        if candidate.name not in self._folders:
            self._folders[candidate.name] = candidate.pictures()
        pictures, name = self._folders[candidate.name], ready.sample.name
        path = pictures.get(name) or pictures.get(file_name(name))
        if path is None:
            raise PictureError(
                f"{candidate.spec} holds no picture named {name}; every fill is needed"
            )
        pixels = as_rgb8(files.read(path).pixels)
        if pixels.shape != ready.truth.shape:
            (h, w), side = pixels.shape[:2], self.plan.protocol.size
            raise PictureError(
                f"{path} is {w}x{h} but {side}x{side} is measured; "
                f"fill the pictures in {self.plan.folder / 'pictures' / TRUTH}"
            )
        return pixels


def composite(fill: Pixels, ready: PreparedSample) -> Pixels:
    """The fill where the photo is missing, else the photo."""
    hole = ready.hole.view(np.uint8)
    return np.asarray(cv2.copyTo(fill, hole, ready.truth.copy()), np.uint8)
