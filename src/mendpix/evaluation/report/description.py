"""What an evaluation says of itself: its title, its settings, its models, without private paths."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from mendpix.evaluation.report.summary import Summary

_ROOTED = re.compile(r"(~|\.{0,2}/|[A-Za-z]:[\\/]|\\\\)")


@dataclass(frozen=True, slots=True)
class Facts:
    """A title and a line below it."""

    title: str
    line: str


def facts(summary: Summary) -> Facts:
    """What is compared, on what, and how."""
    protocol = summary.results.protocol
    size = f", {protocol['size']} pixels" if "size" in protocol else ""
    counts = (
        _counted(len(summary.models), "model"),
        _counted(len(summary.results.pictures), "picture"),
        _counted(len(summary.buckets), "bucket"),
    )
    title = f"Evaluation with protocol {protocol.get('name', 'unnamed')}{size}"
    return Facts(title, ", ".join(counts))


def remarks(summary: Summary) -> list[str]:
    """What a reader has to know before the numbers."""
    note = str(summary.results.protocol.get("note") or "")
    return [*([note] if note else []), *summary.results.remarks]


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


def counted(summary: Summary) -> list[tuple[str, str, str]]:
    """Source, licence, and how many pictures come from there, sorted."""
    shots = summary.results.pictures
    counts = Counter((shot.source or "–", shot.licence or "licence not stated") for shot in shots)
    return [(*key, _counted(number, "picture")) for key, number in sorted(counts.items())]


def flat(settings: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Settings within settings, one line each."""
    for key, value in settings.items():
        name = f"{above}{key}"
        if isinstance(value, dict):
            yield from flat(value, f"{name}, ")
        else:
            yield name, said(value)


def said(value: Any) -> str:
    """A value as people write it; of a path that begins somewhere on a disk only the name."""
    if value is None or value == "" or value == []:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        nested = any(isinstance(one, dict | list) for one in value)
        return ("; " if nested else ", ").join(map(said, value))
    if isinstance(value, dict):
        return ", ".join(f"{key} {said(held)}" for key, held in value.items() if held != {})
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    return named(text) if _ROOTED.match(text) else text


def named(path: str) -> str:
    """The last part of a path, whatever system it comes from."""
    return PurePosixPath(PureWindowsPath(path).as_posix()).name or path
