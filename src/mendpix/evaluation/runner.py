"""Runs an evaluation, in one process or several; the results do not depend on how many."""

import contextlib
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mendpix import __version__
from mendpix.errors import MendError, PictureError
from mendpix.evaluation import measurement, set_metrics
from mendpix.evaluation.metric_table import METRICS
from mendpix.evaluation.photo_pairs import PhotoPair
from mendpix.evaluation.results import Cost, MetricRow, Results
from mendpix.evaluation.scoring import EvaluationPlan, ScoredSample, Scorer
from mendpix.inpainting import workers
from mendpix.types import Progress, sub_range

PACKAGES = ("numpy", "pillow", "opencv-python-headless", "torch", "numba", "onnxruntime")
"""Libraries whose versions the results record: what an evaluation computes with."""

MAX_REMARKS = 20
"""Remarks on single pictures that are listed; the rest is counted."""


def run(
    pairs: Sequence[PhotoPair],
    plan: EvaluationPlan,
    inputs: dict[str, Any],
    processes: int = 1,
    progress: Progress | None = None,
) -> Results:
    """Fill and measure all pairs, and write the results into the plan's folder.

    What an earlier run of the same plan has done there is not done again.

    Args:
        inputs: what was given, for the manifest.
        progress: called with the share of the work that is done; may raise to stop it.

    Raises:
        MendError: what the user can put right, before any work where that can be known.
    """
    _check_writable(plan.folder)
    measurement.load_picture_metrics(plan.protocol.metrics)
    set_metrics.load_conventions(plan.protocol.metrics)
    scored = sorted(_score_all(pairs, plan, processes, progress), key=lambda item: item.sample.name)
    results = collect_results(scored, plan, inputs)
    results.write(plan.folder)
    return results


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise PictureError(f"{folder} cannot be made: {problem.strerror}") from None
    if not os.access(folder, os.W_OK):
        raise PictureError(f"{folder} cannot be written: it is read-only")


def _score_all(
    pairs: Sequence[PhotoPair], plan: EvaluationPlan, processes: int, progress: Progress | None
) -> Iterator[ScoredSample]:
    processes = min(processes, len(pairs))
    if processes <= 1:
        scorer = Scorer(plan)
        for place, pair in enumerate(pairs):
            yield scorer.score(pair, sub_range(progress, place / len(pairs), 1 / len(pairs)))
            if progress is not None:
                progress((place + 1) / len(pairs))
        return
    results = workers.share_out(_create_scorer, plan, pairs, processes)
    with contextlib.closing(results):
        for count, (pair, result) in enumerate(results, 1):
            if isinstance(result, workers.Death):
                raise MendError(
                    f"{pair.name}: {result}; the same call goes on with what is left, "
                    "with fewer processes if need be"
                )
            yield result
            if progress is not None:
                progress(count / len(pairs))


def _create_scorer(plan: EvaluationPlan) -> Callable[[PhotoPair], ScoredSample]:
    """What each worker process calls with its pairs."""
    return Scorer(plan).score


def collect_results(
    scored: Sequence[ScoredSample], plan: EvaluationPlan, inputs: dict[str, Any]
) -> Results:
    """The results of scored samples, which are sorted by name."""
    protocol, candidates = plan.protocol, plan.candidates
    samples = [item.sample for item in scored]
    fills = {
        candidate.name: {item.sample.name: item.records[candidate.name].fill for item in scored}
        for candidate in candidates
    }
    return Results(
        protocol=protocol.as_dict(),
        metrics={name: METRICS[name].as_dict() for name in protocol.metrics},
        models={item.name: _relocate(item.as_dict(), plan.folder) for item in candidates},
        pictures=samples,
        rows=list(_metric_rows(scored, plan)),
        sets=set_metrics.measure_sets(plan.folder, protocol.metrics, samples, fills),
        costs=list(_costs(scored, plan)),
        fills=fills,
        versions=collect_versions(),
        inputs=inputs,
        remarks=_list_remarks(scored),
    )


def _metric_rows(scored: Iterable[ScoredSample], plan: EvaluationPlan) -> Iterator[MetricRow]:
    for item in scored:
        for candidate in plan.candidates:
            values = item.records[candidate.name].values
            for metric in plan.protocol.metrics:
                if metric in values:
                    yield MetricRow(item.sample.name, candidate.name, metric, values[metric])


def _costs(scored: Iterable[ScoredSample], plan: EvaluationPlan) -> Iterator[Cost]:
    for item in scored:
        for candidate in plan.candidates:
            if candidate.kind == "filler":
                record = item.records[candidate.name]
                yield Cost(item.sample.name, candidate.name, record.seconds, record.megabytes)


def _list_remarks(scored: Iterable[ScoredSample]) -> list[str]:
    remarks = [remark for item in scored for remark in item.remarks]
    rest = len(remarks) - MAX_REMARKS
    return remarks[:MAX_REMARKS] + ([f"and {rest} more remarks"] if rest > 0 else [])


def _relocate(model: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A model with its path relative to the results, so that both can be moved together."""
    path = Path(model["spec"])
    is_file = (model["sha256"] or model["kind"] == "folder") and path.exists()
    return {**model, "spec": relative_path(path, folder)} if is_file else model


def describe_inputs(photos: Path, masks: Path | None, folder: Path, invert: bool) -> dict[str, Any]:
    """The inputs of a manifest: where photos and masks lie, relative to the results."""
    inputs: dict[str, Any] = {"photos": relative_path(photos, folder), "invert": invert}
    return inputs if masks is None else {**inputs, "masks": relative_path(masks, folder)}


def relative_path(path: Path, folder: Path) -> str:
    """A path relative to a folder, with slashes; absolute where it is on another drive."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive
        return path.resolve().as_posix()


def collect_versions() -> dict[str, str]:
    """Versions of mendpix and what it computes with, and the kind of processor."""
    versions = {"mendpix": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {**versions, "machine": platform.machine()}
