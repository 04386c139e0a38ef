"""An evaluation from beginning to end, in one process or several: the digits are the same."""

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
from mendpix.evaluation.photo_pairs import Pair
from mendpix.evaluation.results import Cost, Results, Row
from mendpix.evaluation.scoring import Plan, Scored, Scorer
from mendpix.inpainting import workers
from mendpix.inpainting.registry import portion
from mendpix.types import Progress

PACKAGES = ("numpy", "pillow", "opencv-python-headless", "torch", "numba", "onnxruntime")
"""What an evaluation computes with; their versions are written down."""

MOST = 20
"""Remarks on single pictures that are kept; the rest is counted."""


def run(
    pairs: Sequence[Pair],
    plan: Plan,
    inputs: dict[str, Any],
    processes: int = 1,
    progress: Progress | None = None,
) -> Results:
    """Fill and measure all pairs, and write the results into the plan's folder.

    What an earlier run of the same plan has done there is not done again.

    Args:
        inputs: what was given, for the manifest.
        progress: told the share of the work that is done; may raise to stop it.

    Raises:
        MendError: what the user can put right, before any work where that can be known.
    """
    _check_writable(plan.folder)
    measurement.of_pictures(plan.protocol.metrics)
    set_metrics.conventions(plan.protocol.metrics)
    scored = sorted(_scored(pairs, plan, processes, progress), key=lambda one: one.shot.name)
    results = collected(scored, plan, inputs)
    results.write(plan.folder)
    return results


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise PictureError(f"{folder} cannot be made: {problem.strerror}") from None
    if not os.access(folder, os.W_OK):
        raise PictureError(f"{folder} cannot be written: it is read-only")


def _scored(
    pairs: Sequence[Pair], plan: Plan, processes: int, progress: Progress | None
) -> Iterator[Scored]:
    processes = min(processes, len(pairs))
    if processes <= 1:
        scorer = Scorer(plan)
        for place, pair in enumerate(pairs):
            yield scorer.score(pair, portion(progress, place, len(pairs)))
            if progress is not None:
                progress((place + 1) / len(pairs))
        return
    results = workers.share_out(_begin, plan, pairs, processes)
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


def _begin(plan: Plan) -> Callable[[Pair], Scored]:
    """What each process does with its pairs."""
    return Scorer(plan).score


def collected(scored: Sequence[Scored], plan: Plan, inputs: dict[str, Any]) -> Results:
    """Results of what was scored, in the order of pictures' names."""
    protocol, entrants = plan.protocol, plan.entrants
    shots = [one.shot for one in scored]
    fills = {
        entrant.name: {one.shot.name: one.parts[entrant.name].fill for one in scored}
        for entrant in entrants
    }
    return Results(
        protocol=protocol.as_dict(),
        metrics={name: METRICS[name].as_dict() for name in protocol.metrics},
        models={one.name: _placed(one.as_dict(), plan.folder) for one in entrants},
        pictures=shots,
        rows=list(_rows(scored, plan)),
        sets=set_metrics.rows(plan.folder, protocol.metrics, shots, fills),
        costs=list(_costs(scored, plan)),
        fills=fills,
        versions=versions(),
        inputs=inputs,
        remarks=_remarks(scored),
    )


def _rows(scored: Iterable[Scored], plan: Plan) -> Iterator[Row]:
    for one in scored:
        for entrant in plan.entrants:
            values = one.parts[entrant.name].values
            for metric in plan.protocol.metrics:
                if metric in values:
                    yield Row(one.shot.name, entrant.name, metric, values[metric])


def _costs(scored: Iterable[Scored], plan: Plan) -> Iterator[Cost]:
    for one in scored:
        for entrant in plan.entrants:
            if entrant.kind == "filler":
                part = one.parts[entrant.name]
                yield Cost(one.shot.name, entrant.name, part.seconds, part.megabytes)


def _remarks(scored: Iterable[Scored]) -> list[str]:
    found = [remark for one in scored for remark in one.remarks]
    more = [f"and {len(found) - MOST} more remarks"] if len(found) > MOST else []
    return found[:MOST] + more


def _placed(model: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A model whose path is written as seen from the results, so that both can be moved."""
    path = Path(model["spec"])
    is_file = (model["sha256"] or model["kind"] == "folder") and path.exists()
    return {**model, "spec": relative(path, folder)} if is_file else model


def given(photos: Path, masks: Path | None, folder: Path, invert: bool) -> dict[str, Any]:
    """The inputs of a manifest: where photos and masks lie, as seen from the results."""
    told: dict[str, Any] = {"photos": relative(photos, folder), "invert": invert}
    return told if masks is None else {**told, "masks": relative(masks, folder)}


def relative(path: Path, folder: Path) -> str:
    """A path as seen from a folder, with slashes; as it is where there is no way."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive
        return path.resolve().as_posix()


def versions() -> dict[str, str]:
    """Of mendpix and what it computes with, and the kind of processor."""
    found = {"mendpix": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return {**found, "machine": platform.machine()}
