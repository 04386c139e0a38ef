"""Text about an evaluation: headline, settings, sources; private paths are left out."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from mendpix.evaluation.report.summary import Summary

_ROOTED = re.compile(r"(~|\.{0,2}/|[A-Za-z]:[\\/]|\\\\)")


@dataclass(frozen=True, slots=True)
class Headline:
    """A title and a line below it."""

    title: str
    line: str


def write_headline(summary: Summary) -> Headline:
    """What is compared, on what, and how."""
    protocol = summary.results.protocol
    size = f", {protocol['size']} pixels" if "size" in protocol else ""
    counts = (
        _format_count(len(summary.models), "model"),
        _format_count(len(summary.results.pictures), "picture"),
        _format_count(len(summary.buckets), "bucket"),
    )
    title = f"Evaluation with protocol {protocol.get('name', 'unnamed')}{size}"
    return Headline(title, ", ".join(counts))


def list_remarks(summary: Summary) -> list[str]:
    """What a reader has to know before the numbers."""
    note = str(summary.results.protocol.get("note") or "")
    return [*([note] if note else []), *summary.results.remarks]


def _format_count(count: int, thing: str) -> str:
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


def count_sources(summary: Summary) -> list[tuple[str, str, str]]:
    """Source, licence, and how many pictures come from there, sorted."""
    samples = summary.results.pictures
    counts = Counter(
        (sample.source or "–", sample.licence or "licence not stated") for sample in samples
    )
    return [(*key, _format_count(number, "picture")) for key, number in sorted(counts.items())]


def flatten_settings(settings: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Settings within settings, one line each."""
    for key, value in settings.items():
        name = f"{above}{key}"
        if isinstance(value, dict):
            yield from flatten_settings(value, f"{name}, ")
        else:
            yield name, format_setting(value)


def format_setting(value: Any) -> str:
    """A value as people write it; of a path that begins somewhere on a disk only the name."""
    if value is None or value == "" or value == []:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        nested = any(isinstance(item, dict | list) for item in value)
        return ("; " if nested else ", ").join(map(format_setting, value))
    if isinstance(value, dict):
        return ", ".join(
            f"{key} {format_setting(item)}" for key, item in value.items() if item != {}
        )
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    return strip_folders(text) if _ROOTED.match(text) else text


def strip_folders(path: str) -> str:
    """The last part of a path, whatever system it comes from."""
    return PurePosixPath(PureWindowsPath(path).as_posix()).name or path
