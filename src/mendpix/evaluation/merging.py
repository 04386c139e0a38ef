"""Earlier results joined into one table, where they were measured alike."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mendpix.errors import MendError, PictureError
from mendpix.evaluation.protocols import differences
from mendpix.evaluation.results import HOLE, TRUTH, Results, Sample, picture_file

Held = tuple[str, Results]


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
    held = [(str(folder), Results.read(folder)) for folder in folders]
    told = [line for one in held[1:] for line in _apart(held[0], one)]
    if told and not force:
        more = f" (and {len(told) - 3} more differences)" if len(told) > 3 else ""
        raise MendError(
            f"these results were not measured alike: {'; '.join(told[:3])}{more}; "
            "--force joins them all the same"
        )
    return _joined(held, told)


def _apart(one: Held, other: Held) -> Iterator[str]:
    """How two results differ, line by line."""
    names = f"in {one[0]} and {other[0]}"
    for line in differences(one[1].protocol, other[1].protocol):
        yield f"the protocol's {line} {names}"
    for name, about in one[1].metrics.items():
        if about["how"] != other[1].metrics.get(name, about)["how"]:
            yield f"{name} is computed differently {names}"
    first, second = _by_name(one[1]), _by_name(other[1])
    if first.keys() != second.keys():
        shared = len(first.keys() & second.keys())
        yield f"{len(first)} and {len(second)} pictures {names}, {shared} of them of one name"
    changed = [name for name in first if name in second and _differ(first[name], second[name])]
    if changed:
        yield f"{len(changed)} pictures or holes are others {names}, {changed[0]} first"


def _by_name(results: Results) -> dict[str, Sample]:
    return {shot.name: shot for shot in results.pictures}


def _differ(one: Sample, other: Sample) -> bool:
    return (one.truth_sha256, one.hole_sha256) != (other.truth_sha256, other.hole_sha256)


def _joined(held: Sequence[Held], told: Sequence[str]) -> Results:
    first = held[0][1]
    shared = set.intersection(*(set(_by_name(one)) for _, one in held))
    metrics = [name for name in first.metrics if all(name in one.metrics for _, one in held)]
    if not shared or not metrics:
        raise MendError("these results share no picture and metric; there is nothing to compare")
    left = sorted({name for _, one in held for name in one.metrics} - set(metrics))
    remarks = [f"joined although {line}" for line in told]
    if left:
        remarks.append(f"left out, for not all results have them: {', '.join(left)}")
    whole = Results(
        protocol={**first.protocol, "metrics": metrics},
        metrics={name: first.metrics[name] for name in metrics},
        models={},
        pictures=[shot for shot in first.pictures if shot.name in shared],
        rows=[],
        versions=first.versions,
        inputs=first.inputs,
        remarks=[*remarks, *(line for _, one in held for line in one.remarks)],
    )
    for source, one in held:
        _add(whole, one, _names(whole, one, source))
    order = {name: place for place, name in enumerate(whole.models)}
    ranks = {name: place for place, name in enumerate(metrics)}
    whole.rows.sort(key=lambda row: (row.picture, order[row.model], ranks[row.metric]))
    return whole


def _names(whole: Results, one: Results, source: str) -> dict[str, str]:
    """What each model is called in the table; none for those that it has already."""
    names = {}
    for name in one.models:
        if name not in whole.models:
            names[name] = name
        elif not _same_fills(whole.fills[name], one.fills.get(name, {})):
            names[name] = f"{name} ({source})"
    return names


def _same_fills(one: dict[str, str], other: dict[str, str]) -> bool:
    return all(one[name] == other.get(name) for name in one)


def _add(whole: Results, one: Results, names: dict[str, str]) -> None:
    kept = {shot.name for shot in whole.pictures}
    complete = len(kept) == len(one.pictures)
    for old, new in names.items():
        model: dict[str, Any] = one.models[old]
        whole.models[new] = model
        whole.fills[new] = {k: v for k, v in one.fills.get(old, {}).items() if k in kept}
        whole.rows.extend(
            type(row)(row.picture, new, row.metric, row.value)
            for row in one.rows
            if row.model == old and row.picture in kept and row.metric in whole.metrics
        )
        whole.costs.extend(
            type(cost)(cost.picture, new, cost.seconds, cost.megabytes)
            for cost in one.costs
            if cost.model == old and cost.picture in kept
        )
        whole.sets.extend(
            type(row)(new, row.metric, row.bucket, row.value, row.count, row.note)
            for row in one.sets
            if complete and row.model == old and row.metric in whole.metrics
        )


def bring_pictures(folders: Sequence[Path | str], joined: Results, out: Path) -> None:
    """Copy the pictures of joined results into a folder of their own, for its report.

    Raises:
        PictureError: the folder cannot be written.
    """
    for place, folder in enumerate(folders):
        one = Results.read(folder)
        home = Path(folder) if Path(folder).is_dir() else Path(folder).parent
        names = {name: name for name in one.models} | {
            name: f"{name} ({folder})"
            for name in one.models
            if f"{name} ({folder})" in joined.models
        }
        kinds = {**names, **({TRUTH: TRUTH, HOLE: HOLE} if place == 0 else {})}
        for old, new in kinds.items():
            for shot in joined.pictures:
                _copy(picture_file(home, old, shot.name), picture_file(out, new, shot.name))


def _copy(source: Path, target: Path) -> None:
    if not source.is_file():
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    except OSError as problem:
        raise PictureError(f"{target} cannot be written: {problem.strerror}") from None
