"""Metrics of whole sets (FID, KID, ...): features cached on disk, fed in the order of names."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch

from mendpix import metrics
from mendpix.evaluation.cache import write_file
from mendpix.evaluation.metric_table import METRICS
from mendpix.evaluation.preparation import Pixels, hash_pixels
from mendpix.evaluation.results import ALL, Sample, SetMetricRow
from mendpix.metrics import inception_features
from mendpix.metrics.inception_features import Convention, Features

FEATURES = "features"
"""The folder of features, by convention and the sha256 of the picture's pixels."""

FEWEST = 2048
"""Pictures below which a Frechet distance of 2,048 features says little, and an SVM on as many
tells any two sets apart."""

BATCH = 256


@cache
def load_conventions(names: tuple[str, ...]) -> tuple[Convention, ...]:
    """The feature conventions that these metrics need; loads each network, to see that it can be.

    Raises:
        MendError: its weights are not.
    """
    needed = [metrics.SET_METRICS[name]().convention for name in names if METRICS[name].of_sets]
    conventions = tuple(dict.fromkeys(needed))
    for convention in conventions:
        inception_features.load_shared(convention)
    return conventions


def cache_features(folder: Path, names: Sequence[str], pictures: Iterable[Pixels]) -> None:
    """Cache the features of pictures ``(H, W, 3)`` that set metrics need, each picture once."""
    for convention in load_conventions(tuple(names)):
        for pixels in pictures:
            path = _feature_file(folder, convention, hash_pixels(pixels))
            if not path.is_file():
                batch = torch.from_numpy(pixels).permute(2, 0, 1)[None]
                write_file(path, inception_features.load_shared(convention)(batch)[0].tobytes())


def _feature_file(folder: Path, convention: str, sha256: str) -> Path:
    return folder / FEATURES / convention / f"{sha256}.f32"


def measure_sets(
    folder: Path,
    names: Sequence[str],
    samples: Sequence[Sample],
    fills: Mapping[str, Mapping[str, str]],
) -> list[SetMetricRow]:
    """What set metrics say of each model, of all pictures and of each bucket of two or more.

    Args:
        samples: sorted by name.
        fills: model -> picture -> sha256 of its fill's pixels.
    """
    buckets = list(dict.fromkeys(sample.bucket for sample in samples if sample.bucket))
    parts = {ALL: samples} | {one: [s for s in samples if s.bucket == one] for one in buckets}
    return [
        _measure_set(
            folder, model, name, bucket, [(fills[model][s.name], s.truth_sha256) for s in part]
        )
        for name in names
        if METRICS[name].of_sets
        for model in fills
        for bucket, part in parts.items()
        if len(part) > 1
    ]


def _measure_set(
    folder: Path, model: str, name: str, bucket: str, pairs: Sequence[tuple[str, str]]
) -> SetMetricRow:
    metric = metrics.SET_METRICS[name]()
    for fill_features, true_features in _read_batches(folder, metric.convention, pairs):
        metric.update_features(fill_features, true_features)
    few = len(pairs) < FEWEST and name != "kid"
    note = f"{len(pairs)} pictures, under {FEWEST}: not comparable" if few else ""
    return SetMetricRow(model, name, bucket, metric.compute(), len(pairs), note)


def _read_batches(
    folder: Path, convention: str, pairs: Sequence[tuple[str, str]]
) -> Iterator[tuple[Features, Features]]:
    """Features of fills and of truths, batch by batch in the order of the pairs."""
    for start in range(0, len(pairs), BATCH):
        part = pairs[start : start + BATCH]
        sides = [
            [_read_features(folder, convention, pair[side]) for pair in part] for side in (0, 1)
        ]
        yield np.stack(sides[0]), np.stack(sides[1])


def _read_features(folder: Path, convention: str, sha256: str) -> Features:
    return np.fromfile(_feature_file(folder, convention, sha256), np.float32)
