"""Merges earlier results into one table, where they were measured alike."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from mendpix.errors import MendError, PictureError
from mendpix.evaluation.protocols import list_differences
from mendpix.evaluation.results import HOLE, TRUTH, Results, Sample, picture_file

Source = tuple[str, Results]
"""A folder as it was given, and the results in it."""


def join(folders: Sequence[Path | str], *, force: bool = False) -> Results:
    """One table of several evaluations of the same pictures under the same protocol.

    What only some of them measured is left out. A model that several have under one name is
    taken once if its fills are the same, else called by its folder too.

    Args:
        force: join what differs all the same: of the pictures, those of a name that all have.

    Raises:
        MendError: one folder or none, or results that cannot be compared; says how they differ.
    """
    if len(folders) < 2:
        raise MendError("give two folders of results or more to compare")
    sources = [(str(folder), Results.read(folder)) for folder in folders]
    mismatches = [line for other in sources[1:] for line in _list_mismatches(sources[0], other)]
    if mismatches and not force:
        rest = len(mismatches) - 3
        more = f" (and {rest} more differences)" if rest > 0 else ""
        raise MendError(
            f"these results were not measured alike: {'; '.join(mismatches[:3])}{more}; "
            "--force joins them all the same"
        )
    return _merge(sources, mismatches)


def _list_mismatches(one: Source, other: Source) -> Iterator[str]:
    """How two results differ, line by line."""
    names = f"in {one[0]} and {other[0]}"
    for line in list_differences(one[1].protocol, other[1].protocol):
        yield f"the protocol's {line} {names}"
    for name, metric in one[1].metrics.items():
        if metric["how"] != other[1].metrics.get(name, metric)["how"]:
            yield f"{name} is computed differently {names}"
    first, second = _samples_by_name(one[1]), _samples_by_name(other[1])
    if first.keys() != second.keys():
        shared = len(first.keys() & second.keys())
        yield f"{len(first)} and {len(second)} pictures {names}, {shared} of them of one name"
    changed = [name for name in first if name in second and _differ(first[name], second[name])]
    if changed:
        yield f"{len(changed)} pictures or holes are others {names}, {changed[0]} first"


def _samples_by_name(results: Results) -> dict[str, Sample]:
    return {sample.name: sample for sample in results.pictures}


def _differ(one: Sample, other: Sample) -> bool:
    return (one.truth_sha256, one.hole_sha256) != (other.truth_sha256, other.hole_sha256)


def _merge(sources: Sequence[Source], mismatches: Sequence[str]) -> Results:
    merged = _start_table(sources, mismatches)
    for folder, results in sources:
        _append(merged, results, _choose_names(merged, results, folder))
    models = {name: place for place, name in enumerate(merged.models)}
    metrics = {name: place for place, name in enumerate(merged.metrics)}
    merged.rows.sort(key=lambda row: (row.picture, models[row.model], metrics[row.metric]))
    return merged


def _start_table(sources: Sequence[Source], mismatches: Sequence[str]) -> Results:
    """Results without models: the pictures and metrics that all have, and the remarks."""
    first = sources[0][1]
    shared = set.intersection(*(set(_samples_by_name(results)) for _, results in sources))
    metrics = [name for name in first.metrics if all(name in r.metrics for _, r in sources)]
    if not shared or not metrics:
        raise MendError("these results share no picture and metric; there is nothing to compare")
    dropped = sorted({name for _, results in sources for name in results.metrics} - set(metrics))
    remarks = [f"joined although {line}" for line in mismatches]
    if dropped:
        remarks.append(f"left out, for not all results have them: {', '.join(dropped)}")
    return Results(
        protocol={**first.protocol, "metrics": metrics},
        metrics={name: first.metrics[name] for name in metrics},
        models={},
        pictures=[sample for sample in first.pictures if sample.name in shared],
        rows=[],
        versions=first.versions,
        inputs=first.inputs,
        remarks=[*remarks, *(line for _, results in sources for line in results.remarks)],
    )


def _choose_names(merged: Results, results: Results, folder: str) -> dict[str, str]:
    """What each model is called in the table; none for those that it has already."""
    names = {}
    for name in results.models:
        if name not in merged.models:
            names[name] = name
        elif not _same_fills(merged.fills[name], results.fills.get(name, {})):
            names[name] = _qualify(name, folder)
    return names


def _qualify(name: str, folder: Path | str) -> str:
    return f"{name} ({folder})"


def _same_fills(one: dict[str, str], other: dict[str, str]) -> bool:
    return all(one[name] == other.get(name) for name in one)


def _append(merged: Results, results: Results, names: dict[str, str]) -> None:
    """Add models under their new names; set metrics only where every picture is shared."""
    shared = {sample.name for sample in merged.pictures}
    complete = len(shared) == len(results.pictures)
    for old, new in names.items():
        merged.models[new] = results.models[old]
        fills = results.fills.get(old, {})
        merged.fills[new] = {name: sha256 for name, sha256 in fills.items() if name in shared}
        merged.rows.extend(
            replace(row, model=new)
            for row in results.rows
            if row.model == old and row.picture in shared and row.metric in merged.metrics
        )
        merged.costs.extend(
            replace(cost, model=new)
            for cost in results.costs
            if cost.model == old and cost.picture in shared
        )
        merged.sets.extend(
            replace(row, model=new)
            for row in results.sets
            if complete and row.model == old and row.metric in merged.metrics
        )


def copy_pictures(folders: Sequence[Path | str], joined: Results, out: Path) -> None:
    """Copy the pictures of joined results into a folder of their own, for its report.

    Raises:
        PictureError: the folder cannot be written.
    """
    for place, folder in enumerate(folders):
        results = Results.read(folder)
        home = Path(folder) if Path(folder).is_dir() else Path(folder).parent
        names = {name: name for name in results.models} | {
            name: _qualify(name, folder)
            for name in results.models
            if _qualify(name, folder) in joined.models
        }
        kinds = {**names, **({TRUTH: TRUTH, HOLE: HOLE} if place == 0 else {})}
        for old, new in kinds.items():
            for sample in joined.pictures:
                _copy_file(
                    picture_file(home, old, sample.name), picture_file(out, new, sample.name)
                )


def _copy_file(source: Path, target: Path) -> None:
    if not source.is_file():
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    except OSError as problem:
        raise PictureError(f"{target} cannot be written: {problem.strerror}") from None
