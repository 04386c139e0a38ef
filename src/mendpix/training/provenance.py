"""Provenance of a run's pictures, one by one: licence, source, attribution, and hash.

A licence is written as its owner wrote it; beside that stands its family, so that a list can be
held against those that are allowed.
"""

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mendpix.training import shards

MANIFEST_COLUMNS = ("licence", "source", "attribution")
"""Columns of a folder's ``read_manifest.csv`` that travel with the weights."""

NOT_STATED, OTHER = "not stated", "other"

# The first that is found counts, so the least open of several comes first.
FAMILIES = (
    (re.compile(r"\bby-?nc|\bby-?nd|\bnc\b|noncommercial", re.I), OTHER),
    (re.compile(r"unsplash", re.I), "Unsplash"),
    (re.compile(r"pexels", re.I), "Pexels"),
    (re.compile(r"pixabay", re.I), "Pixabay"),
    (re.compile(r"\bcc[ -]by[ -]sa\b|sharealike", re.I), "CC BY-SA"),
    (re.compile(r"\bcc[ -]by\b", re.I), "CC BY"),
    (re.compile(r"\bmit\b", re.I), "MIT"),
    (re.compile(r"\bcc0|creativecommons\.org/publicdomain/zero", re.I), "CC0"),
    (re.compile(r"public ?domain", re.I), "public domain"),
)


def classify_licence(licence: str) -> str:
    """The family of a licence as it was written: ``"CC BY"``, ``"CC0"``, ..., or ``"other"``."""
    if not licence or licence == NOT_STATED:
        return NOT_STATED
    return next((name for pattern, name in FAMILIES if pattern.search(licence)), OTHER)


def read_manifest(folder: Path) -> dict[str, dict[str, str]]:
    """By file, what the folder's ``read_manifest.csv`` says of it, of the columns that are kept."""
    path = folder / "manifest.csv"
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row.get("file")]
    return {row["file"]: {k: row[k] for k in MANIFEST_COLUMNS if row.get(k)} for row in rows}


def describe_pictures(
    folder: Path, files: Iterable[str], digests: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Describe pictures for a card.

    Args:
        digests: the hashes, where the files have been read already; None: they are read.

    Returns: ``files``, by name: ``licence``, ``source`` and ``attribution`` where the manifest
        has them, and the ``sha256`` of the file's bytes where it could be read;
        ``licences``, how many are of each family; and, where there are any, ``share_alike``.
    """
    stated = read_manifest(folder)
    table = {}
    for file in files:
        entry = {"licence": NOT_STATED, **stated.get(file, {})}
        digest = _hash_file(folder, file) if digests is None else digests.get(file)
        table[file] = {**entry, "sha256": digest} if digest else entry
    counts = Counter(classify_licence(entry["licence"]) for entry in table.values())
    section: dict[str, Any] = {"files": table, "licences": dict(counts.most_common())}
    if counts["CC BY-SA"]:
        section["share_alike"] = (
            f"{counts['CC BY-SA']} pictures are under ShareAlike licences. Whether weights are an "
            "adaptation of the pictures they were trained on is not settled; who wants to be safe "
            "gives weights made from these on under CC BY-SA too, and names the authors listed here"
        )
    return section


def _hash_file(folder: Path, file: str) -> str:
    try:
        return hashlib.sha256(shards.read_bytes(folder, file).data).hexdigest()
    except OSError:
        return ""
