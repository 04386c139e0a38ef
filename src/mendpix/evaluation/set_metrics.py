"""Metrics of all pictures at once: features kept on disk, and told in the order of names."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch

from mendpix import metrics
from mendpix.evaluation.cache import store
from mendpix.evaluation.metric_table import METRICS
from mendpix.evaluation.preparation import Pixels, hash_of
from mendpix.evaluation.results import ALL, Sample, SetRow
from mendpix.metrics import inception
from mendpix.metrics.inception import Convention, Features

FEATURES = "features"
"""The folder of features, by convention and the sha256 of the picture's pixels."""

FEWEST = 2048
"""Pictures below which a Frechet distance of 2,048 features says little, and an SVM on as many
tells any two sets apart."""

BATCH = 256


@cache
def conventions(names: tuple[str, ...]) -> tuple[Convention, ...]:
    """The conventions of features that these metrics need, the network loaded to see that it is
    at hand.

    Raises:
        MendError: its weights are not.
    """
    made = [metrics.SET_METRICS[name]().convention for name in names if METRICS[name].of_sets]
    found = tuple(dict.fromkeys(made))
    for convention in found:
        inception.shared(convention)
    return found


def keep_features(folder: Path, names: Sequence[str], pictures: Iterable[Pixels]) -> None:
    """Keep the features of pictures ``(H, W, 3)`` that set metrics need, each picture once."""
    for convention in conventions(tuple(names)):
        for pixels in pictures:
            place = _place(folder, convention, hash_of(pixels))
            if not place.is_file():
                batch = torch.from_numpy(pixels).permute(2, 0, 1)[None]
                store(place, inception.shared(convention)(batch)[0].tobytes())


def _place(folder: Path, convention: str, sha256: str) -> Path:
    return folder / FEATURES / convention / f"{sha256}.f32"


def rows(
    folder: Path,
    names: Sequence[str],
    shots: Sequence[Sample],
    fills: Mapping[str, Mapping[str, str]],
) -> list[SetRow]:
    """What set metrics say of each model, of all pictures and of each bucket of two or more.

    Args:
        shots: sorted by name.
        fills: model -> picture -> sha256 of its fill's pixels.
    """
    buckets = list(dict.fromkeys(shot.bucket for shot in shots if shot.bucket))
    parts = {ALL: shots} | {one: [s for s in shots if s.bucket == one] for one in buckets}
    return [
        _row(folder, model, name, bucket, [(fills[model][s.name], s.truth_sha256) for s in part])
        for name in names
        if METRICS[name].of_sets
        for model in fills
        for bucket, part in parts.items()
        if len(part) > 1
    ]


def _row(
    folder: Path, model: str, name: str, bucket: str, pairs: Sequence[tuple[str, str]]
) -> SetRow:
    metric = metrics.SET_METRICS[name]()
    for made, true in _features(folder, metric.convention, pairs):
        metric.tell(made, true)
    few = len(pairs) < FEWEST and name != "kid"
    note = f"{len(pairs)} pictures, under {FEWEST}: not comparable" if few else ""
    return SetRow(model, name, bucket, metric.compute(), len(pairs), note)


def _features(
    folder: Path, convention: str, pairs: Sequence[tuple[str, str]]
) -> Iterator[tuple[Features, Features]]:
    """Features of fills and of truths, batch by batch in the order of the pairs."""
    for start in range(0, len(pairs), BATCH):
        part = pairs[start : start + BATCH]
        sides = [[_read(folder, convention, pair[side]) for pair in part] for side in (0, 1)]
        yield np.stack(sides[0]), np.stack(sides[1])


def _read(folder: Path, convention: str, sha256: str) -> Features:
    return np.fromfile(_place(folder, convention, sha256), np.float32)
