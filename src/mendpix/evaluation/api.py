"""``mendpix.evaluate``: from photos and models to results."""

from collections.abc import Sequence
from pathlib import Path

from mendpix.errors import MendError
from mendpix.evaluation import protocols, runner
from mendpix.evaluation.candidates import enter
from mendpix.evaluation.photo_pairs import bases, gather
from mendpix.evaluation.results import Results
from mendpix.evaluation.scoring import Plan
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
    """Measure fillers on photos, as a protocol says.

    Args:
        photos: a folder of pictures (with a ``manifest.csv`` that pairs them, or without).
        out: the folder of the results; what an earlier run has done there is kept.
        models: what :func:`mendpix.load` takes, or ``"NAME="`` and that.
        masks: a folder with a mask of each photo's stem, or a ``manifest.csv``; None: the photos'
            own manifest, or holes that the protocol draws.
        results: folders of pictures that other tools made, or ``"NAME="`` and that.
        protocol, size: by name and side in pixels, see :data:`~.protocol.PROTOCOLS`.
        metrics: instead of the protocol's; ``also``: beside them.
        invert: black marks what is missing in mask files.
        limit: only the first so many pictures, by name.
        seed, device, threads, trust: as for :func:`mendpix.load`; a set number of threads is
            what makes a network's fill the same wherever it runs.
        processes: how many work side by side; the results are the same.
        progress: told the share done; may raise :class:`~mendpix.errors.Cancelled`. The same call
            then goes on where it stopped.

    Returns: the results, which also lie in ``out`` (see :mod:`~mendpix.evaluation.results`).

    Raises:
        MendError: what the user can put right.
    """
    chosen = protocols.choose(protocol, size, metrics, also)
    photos, folder = Path(photos), Path(out)
    masks = None if masks is None else Path(masks)
    if min(processes, threads, 1 if limit is None else limit) < 1:
        raise MendError("processes, threads and limit must be 1 or more")
    pairs = gather(photos, masks, chosen)[:limit]
    entrants = enter(models, results, seed=seed, device=device, threads=threads, trust=trust)
    if not entrants:
        raise MendError("nothing to measure; name a model or a folder of results")
    plan = Plan(chosen, tuple(entrants), folder, invert)
    inputs = runner.given(*bases(photos, masks), folder, invert)
    return runner.run(pairs, plan, inputs, processes, progress)
