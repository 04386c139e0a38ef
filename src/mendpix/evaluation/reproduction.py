"""Reproduces an evaluation from its manifest, and lists what differs from the first time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from mendpix.errors import MendError
from mendpix.evaluation import runner
from mendpix.evaluation.candidates import Candidate, load_candidates
from mendpix.evaluation.photo_pairs import rebuild_pairs
from mendpix.evaluation.protocols import EvaluationProtocol, restore
from mendpix.evaluation.results import Results, Sample, read_json
from mendpix.evaluation.scoring import EvaluationPlan
from mendpix.types import Progress

MAX_LISTED = 10
"""Differences of one kind that are listed; the rest is counted."""

ModelSettings = dict[str, dict[str, Any]]
"""The models of a manifest, by name."""


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A reproduced evaluation.

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


def reproduce(
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
) -> Reproduction:
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
    first = read_json(path)
    protocol = _select_metrics(restore(first["protocol"]), metrics)
    home = path.resolve().parent
    folder = home.with_name(f"{home.name}-repeated") if out is None else Path(out)
    if folder.resolve() == home:
        raise MendError(f"{folder} holds the first evaluation; repeat into another folder")
    samples = [Sample(**sample) for sample in first["pictures"]][:limit]
    places = _find_inputs(first["inputs"], home, photos, masks)
    settings = _select_models(_move_folders(first["models"], results), models)
    candidates = tuple(_reload_candidates(settings, home, trust, keep_loaded=processes == 1))
    plan = EvaluationPlan(protocol, candidates, folder, bool(first["inputs"].get("invert")))
    inputs = runner.describe_inputs(*places, folder, plan.invert)
    again = runner.run(rebuild_pairs(samples, *places), plan, inputs, processes, progress)
    return _compare(again, first, home, limited=limit is not None or bool(models or metrics))


def _select_metrics(protocol: EvaluationProtocol, metrics: Sequence[str]) -> EvaluationProtocol:
    """The protocol with some of its metrics only."""
    for name in metrics:
        if name not in protocol.metrics:
            raise MendError(f"the manifest has no {name}; it has {', '.join(protocol.metrics)}")
    selected = tuple(name for name in protocol.metrics if not metrics or name in metrics)
    return replace(protocol, metrics=selected)


def _find_inputs(
    inputs: dict[str, Any], home: Path, photos: Path | str | None, masks: Path | str | None
) -> tuple[Path, Path | None]:
    """Where photos and masks lie now."""
    photo_folder = home / inputs["photos"] if photos is None else Path(photos)
    if masks is not None:
        return photo_folder, Path(masks)
    return photo_folder, home / inputs["masks"] if "masks" in inputs and photos is None else None


def _move_folders(models: ModelSettings, results: Sequence[str]) -> ModelSettings:
    """The models, with folders of pictures where they lie now."""
    moved = dict(models)
    for text in results:
        name, _, folder = text.partition("=")
        if not folder or models.get(name, {}).get("kind") != "folder":
            raise MendError(f"{text} names no folder of the manifest; give NAME=FOLDER")
        moved[name] = {**models[name], "spec": str(Path(folder).resolve())}
    return moved


def _select_models(models: ModelSettings, wanted: Sequence[str]) -> ModelSettings:
    for name in wanted:
        if name not in models:
            raise MendError(f"the manifest has no model {name}; it has {', '.join(models)}")
    return {name: model for name, model in models.items() if not wanted or name in wanted}


def _reload_candidates(
    models: ModelSettings, home: Path, trust: bool, keep_loaded: bool
) -> Iterator[Candidate]:
    for name, model in models.items():
        path = home / model["spec"]
        is_file = bool(model["sha256"]) or model["kind"] == "folder"
        text = [f"{name}={path if is_file and path.exists() else model['spec']}"]
        if model["kind"] == "folder":
            yield from load_candidates([], text)
        else:
            settings = {key: model[key] for key in ("seed", "device", "threads")}
            yield from load_candidates(text, **settings, trust=trust, keep_loaded=keep_loaded)


def _compare(results: Results, first: dict[str, Any], home: Path, limited: bool) -> Reproduction:
    differences = [
        *_compare_files(results, first),
        *_compare_models(results, first),
        *_compare_fills(results, first),
    ]
    path = home / "results.json"
    compared = 0
    if path.is_file():
        before = Results.read(path)
        differences += _compare_rows(results, before)
        compared = len(results.rows)
        if not limited:
            differences += _compare_sets(results, before)
            compared += len(results.sets)
            if before.digest() != first["digest"]:
                differences.append(f"{path} does not hold the numbers that the manifest belongs to")
    elif not limited and results.digest() != first["digest"]:
        differences.append(
            "the numbers differ; put the first results.json beside the manifest to see how"
        )
    notes = [
        f"{name} was {before}, is {results.versions.get(name, 'not there')}"
        for name, before in first["versions"].items()
        if results.versions.get(name) != before
    ]
    return Reproduction(results, differences, notes, compared)


def _compare_files(results: Results, first: dict[str, Any]) -> list[str]:
    """Photos, masks, and what they become."""
    samples = {sample["name"]: sample for sample in first["pictures"]}
    names = [field.name for field in fields(Sample)]
    lines = []
    for sample in results.pictures:
        before = samples[sample.name]
        changed = [name for name in names if getattr(sample, name) != before[name]]
        if changed:
            lines.append(f"{sample.name}: {', '.join(map(_describe_field, changed))} changed")
    return _shorten(lines, "pictures")


def _describe_field(name: str) -> str:
    what, _, kind = name.partition("_")
    return f"{what} ({'file' if what in ('photo', 'mask') else 'pixels'})" if kind else name


def _compare_models(results: Results, first: dict[str, Any]) -> list[str]:
    lines = []
    for name, model in results.models.items():
        before = first["models"][name]
        if model["sha256"] != before["sha256"]:
            lines.append(f"{name}: its file has sha256 {model['sha256']}, had {before['sha256']}")
    return lines


def _compare_fills(results: Results, first: dict[str, Any]) -> list[str]:
    lines = []
    for model, fills in results.fills.items():
        before = first["fills"][model]
        changed = [name for name, sha256 in fills.items() if before[name] != sha256]
        if changed:
            lines.append(
                f"{model}: {len(changed)} of {len(fills)} fills differ, {changed[0]} first"
            )
    return lines


def _compare_rows(results: Results, first: Results) -> list[str]:
    before = {(row.picture, row.model, row.metric): row.value for row in first.rows}
    lines = []
    for row in results.rows:
        value = before.get((row.picture, row.model, row.metric))
        if value is None or repr(value) != repr(row.value):
            lines.append(f"{row.picture}, {row.model}, {row.metric}: {row.value!r}, was {value!r}")
    return _shorten(lines, "numbers")


def _compare_sets(results: Results, first: Results) -> list[str]:
    before = {(row.model, row.metric, row.bucket): row.value for row in first.sets}
    lines = []
    for row in results.sets:
        value = before.get((row.model, row.metric, row.bucket))
        if repr(value) != repr(row.value):
            lines.append(f"{row.model}, {row.metric}, {row.bucket}: {row.value!r}, was {value!r}")
    return _shorten(lines, "numbers of sets")


def _shorten(lines: list[str], what: str) -> list[str]:
    rest = len(lines) - MAX_LISTED
    return lines[:MAX_LISTED] + ([f"and {rest} more {what}"] if rest > 0 else [])
