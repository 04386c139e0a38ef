"""Results of an evaluation: the data model and its files.

A results folder holds ``results.json`` (all of it), ``results.csv`` (one row per picture, model
and metric), ``manifest.json`` (what it takes to repeat it) and ``pictures/``: ``truth/``,
``hole/`` and one folder per model, each with one PNG per picture.
"""

import csv
import hashlib
import io
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mendpix.errors import MendError, PictureError
from mendpix.io.atomic import atomic_write

FORMAT = 1
"""Of the files; readers refuse what they were not written for."""

ALL = "all"
"""The bucket of everything."""

TRUTH, HOLE = "truth", "hole"
"""The folders of pictures that belong to no model."""

COLUMNS = ("picture", "bucket", "ratio", "model", "metric", "value")


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture of an evaluation, with its hole.

    Attributes:
        name: the photo's stem; no two pictures share one.
        photo, mask: the files' paths below the folders that were given; a mask that was drawn is
            ``"drawn: KIND, seed S, index I"``.
        ratio: the share of pixels that are missing, in [0, 1], of the hole that the protocol
            puts into buckets.
        bucket: its label, such as ``"(0.01,0.1]"``, or "" where it falls into none.
        source, licence: what a manifest.csv says of the photo.
        photo_sha256, mask_sha256: of the files; "" for a mask that was drawn.
        truth_sha256, hole_sha256: of the pixels, after all that the protocol does to them.
    """

    name: str
    photo: str
    mask: str
    ratio: float
    bucket: str
    source: str = ""
    licence: str = ""
    photo_sha256: str = ""
    mask_sha256: str = ""
    truth_sha256: str = ""
    hole_sha256: str = ""


@dataclass(frozen=True, slots=True)
class MetricRow:
    """The value of one metric for one model's fill of one picture, in float64."""

    picture: str
    model: str
    metric: str
    value: float


@dataclass(frozen=True, slots=True)
class SetMetricRow:
    """The value of one metric for all of a model's fills of a bucket at once.

    Attributes:
        bucket: a label, or :data:`ALL`.
        count: of pictures.
        note: what to know before believing it, "" for nothing.
    """

    model: str
    metric: str
    bucket: str
    value: float
    count: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Cost:
    """Time and memory of one fill; not reproducible, and not part of the digest.

    Attributes:
        seconds: of the fill alone.
        megabytes: by which the process's largest memory ever (MiB) exceeded what it held once
            the model was loaded.
    """

    picture: str
    model: str
    seconds: float
    megabytes: float


@dataclass(frozen=True, slots=True)
class Results:
    """An evaluation's results.

    Attributes:
        protocol: its ``name`` and every setting that is frozen with it.
        metrics: by name, in the order of the tables: ``label``, ``unit``, ``better`` (``"lower"``
            or ``"higher"``), ``digits`` to print, ``how`` it is computed, ``set`` (of all
            pictures at once, or of each).
        models: by name, in the order given: ``kind`` (``"filler"`` or ``"folder"``), ``spec``
            (what was loaded), ``seed``, ``sha256`` of its file or "", and its ``card``.
        pictures: sorted by name.
        rows: sorted by picture, then as ``models`` and ``metrics`` are.
        sets: what metrics of whole sets say.
        costs: time and memory of each fill; none for pictures that were made elsewhere.
        fills: model -> picture -> sha256 of the pixels that were measured.
        versions: of mendpix and of what it computes with.
        inputs: the folders ``photos`` and ``masks`` relative to the results folder, and ``seed``.
        remarks: what a reader of the table has to know.
    """

    protocol: dict[str, Any]
    metrics: dict[str, dict[str, Any]]
    models: dict[str, dict[str, Any]]
    pictures: list[Sample]
    rows: list[MetricRow]
    sets: list[SetMetricRow] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)
    fills: dict[str, dict[str, str]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def buckets(self) -> list[str]:
        """The labels of the buckets that hold pictures, in order of size, without :data:`ALL`."""
        return sorted(
            {sample.bucket for sample in self.pictures if sample.bucket}, key=_lower_bound
        )

    def values(self, model: str, metric: str, bucket: str = ALL) -> dict[str, float]:
        """By picture, in the order of their names."""
        members = {s.name for s in self.pictures if bucket in (ALL, s.bucket)}
        values = {
            row.picture: row.value
            for row in self.rows
            if row.model == model and row.metric == metric and row.picture in members
        }
        return dict(sorted(values.items()))

    def digest(self) -> str:
        """The sha256, in hex, of the rows and what metrics of sets say, to the last digit."""
        sets = [(s.model, s.metric, s.bucket, repr(s.value), s.count) for s in self.sets]
        rows = [(r.picture, r.model, r.metric, repr(r.value)) for r in self.rows]
        return hashlib.sha256(json.dumps([rows, sorted(sets)]).encode()).hexdigest()

    def manifest(self) -> dict[str, Any]:
        """What it takes to repeat the evaluation, and to know that nothing differs."""
        return {
            "format": FORMAT,
            "protocol": self.protocol,
            "inputs": self.inputs,
            "models": self.models,
            "pictures": [asdict(sample) for sample in self.pictures],
            "metrics": self.metrics,
            "fills": self.fills,
            "versions": self.versions,
            "digest": self.digest(),
        }

    def as_csv(self) -> str:
        """One row per picture, model and metric."""
        samples = {sample.name: sample for sample in self.pictures}
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in self.rows:
            sample = samples[row.picture]
            values = (row.picture, sample.bucket, sample.ratio, row.model, row.metric, row.value)
            writer.writerow(values)
        return text.getvalue()

    def as_json(self) -> str:
        """All of it; numbers that JSON does not know are text."""
        return _to_json({"format": FORMAT, **asdict(self)})

    def write(self, folder: Path | str) -> None:
        """Write ``results.json``, ``results.csv`` and ``manifest.json`` into a folder.

        Raises:
            PictureError: a folder that cannot be written.
        """
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _write_text(folder / "results.json", self.as_json())
            _write_text(folder / "results.csv", self.as_csv())
            _write_text(folder / "manifest.json", _to_json(self.manifest()))
        except OSError as problem:
            raise PictureError(f"{folder} cannot be written: {problem.strerror}") from None

    @classmethod
    def read(cls, folder: Path | str) -> "Results":
        """The results in a folder, or in its ``results.json``.

        Raises:
            MendError: there are none, or of another format.
        """
        path = Path(folder)
        content = read_json(path / "results.json" if path.is_dir() else path)
        try:
            return cls(
                pictures=[Sample(**sample) for sample in content.pop("pictures")],
                rows=[MetricRow(**_parse_value(row)) for row in content.pop("rows")],
                sets=[SetMetricRow(**_parse_value(row)) for row in content.pop("sets")],
                costs=[Cost(**cost) for cost in content.pop("costs")],
                **{name: value for name, value in content.items() if name != "format"},
            )
        except (KeyError, TypeError) as problem:
            raise MendError(f"{path} holds no results of an evaluation: {problem}") from None


def picture_file(folder: Path | str, model: str, name: str) -> Path:
    """Where a model's fill of a picture lies (or its truth or hole), whatever their names hold."""
    return Path(folder) / "pictures" / file_name(model) / f"{file_name(name)}.png"


def file_name(name: str) -> str:
    """A name as one part of a path, percent-encoded but for letters, digits and ``-_.~``; a dot
    that comes first is encoded too, so that no file is hidden or leaves its folder."""
    safe = quote(os.fsencode(name), safe="")
    return "%2E" + safe[1:] if safe.startswith(".") else safe


def read_json(path: Path) -> dict[str, Any]:
    """A file of an evaluation, as it was written.

    Raises:
        MendError: it is not there, no JSON, or of another format.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise MendError(f"{path} cannot be read: {problem.strerror}") from None
    except ValueError as problem:
        raise MendError(f"{path} is no JSON: {problem}") from None
    found = content.get("format") if isinstance(content, dict) else None
    if not isinstance(content, dict) or found != FORMAT:
        raise MendError(f"{path} has format {found} but {FORMAT} is what can be read here")
    return content


def _lower_bound(label: str) -> tuple[float, str]:
    """A bucket's lower bound, then its label, to sort by."""
    try:
        return float(label.strip("([").split(",")[0]), label
    except ValueError:
        return float("inf"), label


def _write_text(path: Path, text: str) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def _to_json(content: dict[str, Any]) -> str:
    return (
        json.dumps(_replace_nonfinite(content), indent=1, allow_nan=False, ensure_ascii=False)
        + "\n"
    )


def _replace_nonfinite(value: Any) -> Any:
    """The value with floats that JSON lacks as text: "inf", "-inf", "nan"."""
    if isinstance(value, dict):
        return {key: _replace_nonfinite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_replace_nonfinite(one) for one in value]
    if isinstance(value, float) and not float("-inf") < value < float("inf"):
        return str(value)
    return value


def _parse_value(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "value": float(row["value"])}
