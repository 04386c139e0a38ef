"""``mendpix.evaluate``: from photos and models to results."""

from collections.abc import Sequence
from pathlib import Path

from mendpix.errors import MendError
from mendpix.evaluation import protocols, runner
from mendpix.evaluation.candidates import load_candidates
from mendpix.evaluation.photo_pairs import base_folders, find_pairs
from mendpix.evaluation.results import Results
from mendpix.evaluation.scoring import EvaluationPlan
from mendpix.types import Progress


def evaluate(
    photos: Path | str,
    out: Path | str,
    models: Sequence[str] = ("auto",),
    *,
    masks: Path | str | None = None,
    results: Sequence[str] = (),
    protocol: str = "own",
    size: int | None = None,
    metrics: Sequence[str] = (),
    also: Sequence[str] = (),
    invert: bool = False,
    limit: int | None = None,
    seed: int = 0,
    device: str = "auto",
    threads: int = 1,
    trust: bool = False,
    processes: int = 1,
    progress: Progress | None = None,
) -> Results:
    """Measure fillers on photos under a protocol.

    Args:
        photos: a folder of pictures (with a ``manifest.csv`` that pairs them, or without).
        out: the results folder; what an earlier run has done there is kept.
        models: what :func:`mendpix.load` takes, or ``"NAME="`` and that.
        masks: a folder with a mask of each photo's stem, or a ``manifest.csv``; None: the photos'
            own manifest, or holes that the protocol draws.
        results: folders of pictures that other tools made, or ``"NAME="`` and that.
        protocol, size: by name and side in pixels, see :data:`~.protocols.PROTOCOLS`.
        metrics: instead of the protocol's; ``also``: beside them.
        invert: black marks what is missing in mask files.
        limit: only the first so many pictures, by name.
        seed, device, threads, trust: as for :func:`mendpix.load`; a fixed number of threads is
            what makes a network's fill the same wherever it runs.
        processes: number of worker processes; the results do not depend on it.
        progress: called with the share done; may raise :class:`~mendpix.errors.Cancelled`. The
            same call then resumes.

    Returns: the results, which also lie in ``out`` (see :mod:`~mendpix.evaluation.results`).

    Raises:
        MendError: what the user can put right.
    """
    chosen = protocols.choose(protocol, size, metrics, also)
    photos, folder = Path(photos), Path(out)
    masks = None if masks is None else Path(masks)
    if min(processes, threads, 1 if limit is None else limit) < 1:
        raise MendError("processes, threads and limit must be 1 or more")
    pairs = find_pairs(photos, masks, chosen)[:limit]
    candidates = load_candidates(
        models,
        results,
        seed=seed,
        device=device,
        threads=threads,
        trust=trust,
        keep_loaded=processes == 1,
    )
    if not candidates:
        raise MendError("nothing to measure; name a model or a folder of results")
    plan = EvaluationPlan(chosen, tuple(candidates), folder, invert)
    inputs = runner.describe_inputs(*base_folders(photos, masks), folder, invert)
    return runner.run(pairs, plan, inputs, processes, progress)
