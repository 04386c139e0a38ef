"""An evaluation repeated from its manifest, and what differs from the first time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from mendpix.errors import MendError
from mendpix.evaluation import runner
from mendpix.evaluation.candidates import Candidate, enter
from mendpix.evaluation.photo_pairs import from_shots
from mendpix.evaluation.protocols import Protocol, restored
from mendpix.evaluation.results import Results, Sample, read_json
from mendpix.evaluation.scoring import Plan
from mendpix.types import Progress

MOST = 10
"""Differences of one kind that are told; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """A repeated evaluation.

    Attributes:
        results: of this time.
        differences: of files, models, fills or numbers, one line each; none where every number
            is the same to the last digit.
        notes: what else has changed, such as a version.
        compared: how many numbers were compared one by one.
    """

    results: Results
    differences: list[str]
    notes: list[str]
    compared: int


def repeat(
    manifest: Path | str,
    out: Path | str | None = None,
    *,
    photos: Path | str | None = None,
    masks: Path | str | None = None,
    results: Sequence[str] = (),
    models: Sequence[str] = (),
    metrics: Sequence[str] = (),
    limit: int | None = None,
    trust: bool = False,
    processes: int = 1,
    progress: Progress | None = None,
) -> Repeat:
    """Do an evaluation again, as its manifest says, and compare.

    Args:
        manifest: a ``manifest.json``; the ``results.json`` beside it tells where numbers differ.
        out: the folder for the results; None: beside the manifest's folder, ``-repeated`` added.
        photos, masks: where the files lie now; None: where the manifest says.
        results: ``"NAME="`` and where that tool's pictures lie now.
        models, metrics: only these, by their names in the manifest.
        limit: only the first so many pictures; metrics of sets are then left out.
        trust, processes, progress: as for :func:`mendpix.evaluate`.

    Raises:
        MendError: it cannot be repeated: the protocol is another by now, or files are missing.
    """
    path = Path(manifest)
    path = path / "manifest.json" if path.is_dir() else path
    held = read_json(path)
    protocol = _narrowed(restored(held["protocol"]), metrics)
    home = path.resolve().parent
    folder = home.with_name(f"{home.name}-repeated") if out is None else Path(out)
    if folder.resolve() == home:
        raise MendError(f"{folder} holds the first evaluation; repeat into another folder")
    shots = [Sample(**shot) for shot in held["pictures"]][:limit]
    places = _places(held["inputs"], home, photos, masks)
    entrants = list(_entrants(_moved(held["models"], results), home, models, trust))
    plan = Plan(protocol, tuple(entrants), folder, bool(held["inputs"].get("invert")))
    inputs = runner.given(*places, folder, plan.invert)
    pairs = from_shots(shots, *places)
    found = runner.run(pairs, plan, inputs, processes, progress)
    return _compared(found, held, home, limited=limit is not None or bool(models or metrics))


def _narrowed(protocol: Protocol, metrics: Sequence[str]) -> Protocol:
    """The protocol with some of its metrics only."""
    for name in metrics:
        if name not in protocol.metrics:
            raise MendError(f"the manifest has no {name}; it has {', '.join(protocol.metrics)}")
    kept = tuple(name for name in protocol.metrics if not metrics or name in metrics)
    return replace(protocol, metrics=kept)


def _places(
    inputs: dict[str, Any], home: Path, photos: Path | str | None, masks: Path | str | None
) -> tuple[Path, Path | None]:
    """Where photos and masks lie now."""
    first = home / inputs["photos"] if photos is None else Path(photos)
    if masks is not None:
        return first, Path(masks)
    return first, home / inputs["masks"] if "masks" in inputs and photos is None else None


def _moved(held: dict[str, dict[str, Any]], results: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The models, with folders of pictures where they lie now."""
    moved = dict(held)
    for text in results:
        name, _, folder = text.partition("=")
        if not folder or held.get(name, {}).get("kind") != "folder":
            raise MendError(f"{text} names no folder of the manifest; give NAME=FOLDER")
        moved[name] = {**held[name], "spec": str(Path(folder).resolve())}
    return moved


def _entrants(
    held: dict[str, dict[str, Any]], home: Path, wanted: Sequence[str], trust: bool
) -> Iterator[Candidate]:
    for name in wanted:
        if name not in held:
            raise MendError(f"the manifest has no model {name}; it has {', '.join(held)}")
    for name, model in held.items():
        if wanted and name not in wanted:
            continue
        placed = home / model["spec"]
        is_file = bool(model["sha256"]) or model["kind"] == "folder"
        text = [f"{name}={placed if is_file and placed.exists() else model['spec']}"]
        if model["kind"] == "folder":
            yield from enter([], text)
        else:
            settings = {key: model[key] for key in ("seed", "device", "threads")}
            yield from enter(text, **settings, trust=trust)


def _compared(results: Results, held: dict[str, Any], home: Path, limited: bool) -> Repeat:
    told = [*_of_files(results, held), *_of_models(results, held), *_of_fills(results, held)]
    beside = home / "results.json"
    compared = 0
    if beside.is_file():
        first = Results.read(beside)
        told += _of_numbers(results, first)
        compared = len(results.rows)
        if not limited:
            told += _of_sets(results, first)
            compared += len(results.sets)
            if first.digest() != held["digest"]:
                told.append(f"{beside} does not hold the numbers that the manifest belongs to")
    elif not limited and results.digest() != held["digest"]:
        told.append("the numbers differ; put the first results.json beside the manifest to see how")
    notes = [
        f"{name} was {before}, is {results.versions.get(name, 'not there')}"
        for name, before in held["versions"].items()
        if results.versions.get(name) != before
    ]
    return Repeat(results, told, notes, compared)


def _of_files(results: Results, held: dict[str, Any]) -> list[str]:
    """Photos, masks, and what they become."""
    first = {shot["name"]: shot for shot in held["pictures"]}
    names = [field.name for field in fields(Sample)]
    told = []
    for shot in results.pictures:
        before = first[shot.name]
        changed = [name for name in names if getattr(shot, name) != before[name]]
        if changed:
            told.append(f"{shot.name}: {', '.join(map(_spoken, changed))} changed")
    return _few(told, "pictures")


def _spoken(name: str) -> str:
    what, _, kind = name.partition("_")
    return f"{what} ({'file' if what in ('photo', 'mask') else 'pixels'})" if kind else name


def _of_models(results: Results, held: dict[str, Any]) -> list[str]:
    told = []
    for name, model in results.models.items():
        before = held["models"][name]
        if model["sha256"] != before["sha256"]:
            told.append(f"{name}: its file has sha256 {model['sha256']}, had {before['sha256']}")
    return told


def _of_fills(results: Results, held: dict[str, Any]) -> list[str]:
    told = []
    for model, fills in results.fills.items():
        first = held["fills"][model]
        changed = [name for name, sha256 in fills.items() if first[name] != sha256]
        if changed:
            told.append(f"{model}: {len(changed)} of {len(fills)} fills differ, {changed[0]} first")
    return told


def _of_numbers(results: Results, first: Results) -> list[str]:
    before = {(row.picture, row.model, row.metric): row.value for row in first.rows}
    told = []
    for row in results.rows:
        value = before.get((row.picture, row.model, row.metric))
        if value is None or repr(value) != repr(row.value):
            told.append(f"{row.picture}, {row.model}, {row.metric}: {row.value!r}, was {value!r}")
    return _few(told, "numbers")


def _of_sets(results: Results, first: Results) -> list[str]:
    before = {(row.model, row.metric, row.bucket): row.value for row in first.sets}
    told = []
    for row in results.sets:
        value = before.get((row.model, row.metric, row.bucket))
        if repr(value) != repr(row.value):
            told.append(f"{row.model}, {row.metric}, {row.bucket}: {row.value!r}, was {value!r}")
    return _few(told, "numbers of sets")


def _few(told: list[str], what: str) -> list[str]:
    more = [f"and {len(told) - MOST} more {what}"] if len(told) > MOST else []
    return told[:MOST] + more
