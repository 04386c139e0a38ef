"""The smaller parts, each against what must come out: figures, logs, archives, the store, views."""

import io
import json
import logging
import re
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from servers import PHOTO, png

from mendpix.server import fill_pipeline, model_registry, previews, uvicorn_server
from mendpix.server.api_errors import ApiError
from mendpix.server.log_formatters import JsonFormatter, TextFormatter
from mendpix.server.picture_store import IDLE_SECONDS, PictureStore
from mendpix.server.prometheus import ServerMetrics


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """The samples of a metrics text by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_are_prometheus_text() -> None:
    metrics = ServerMetrics()
    for seconds in (0.005, 0.2, 99.0):
        metrics.count_fill('a"b\\c', "done", seconds)
    metrics.count_request("BREW", "/", 405, 0.1)
    text = metrics.render({"mendpix_ready": 1.0})
    values = samples(text)

    def value(name: str, **labels: str) -> float:
        return values[name, frozenset(labels.items())]

    model = 'a"b\\c'
    assert value("mendpix_fills_total", model=model, state="done") == 3
    for bound, count in (("0.01", 1), ("0.25", 2), ("60.0", 2), ("+Inf", 3)):
        assert value("mendpix_fill_seconds_bucket", model=model, le=bound) == count
    assert value("mendpix_fill_seconds_sum", model=model) == pytest.approx(99.205)
    assert value("mendpix_requests_total", method="other", route="/", status="405") == 1
    assert value("mendpix_ready") == 1
    assert "# TYPE mendpix_fills_total counter" in text.splitlines()


def test_metrics_have_the_documented_names_and_no_others() -> None:
    metrics = ServerMetrics()
    metrics.count_fill("telea", "done", 1.0)
    metrics.count_request("GET", "/", 200, 0.1)
    ending = re.compile(r"_(bucket|sum|count)$")
    text = metrics.render({})
    page = (Path(__file__).parents[2] / "docs/serving.md").read_text()
    documented = set(re.findall(r"`(mendpix_[a-z_]+)[`{]", page))
    names = {ending.sub("", name) for name, _ in samples(text)}
    assert names == documented
    assert len(names) == 9


def record(message: str, **extra: object) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": message, "levelname": "INFO", "created": 0.5, **extra})


def test_logs_are_one_line_of_json_even_for_a_trace() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        info = sys.exc_info()
    line = JsonFormatter().format(record("it failed", exc_info=info, facts={"status": 500}))
    fields = json.loads(line)
    assert "\n" not in line
    assert (fields["time"], fields["level"]) == ("1970-01-01T00:00:00.500Z", "info")
    assert (fields["event"], fields["status"]) == ("it failed", 500)
    assert "ValueError: two\nlines" in fields["trace"]


def test_logs_for_people_name_the_facts() -> None:
    line = TextFormatter().format(record("request", facts={"status": 200, "route": "/x"}))
    assert line == "1970-01-01T00:00:00.500Z info request status=200 route=/x"


def test_an_archive_comes_in_pieces_and_is_whole() -> None:
    files = [("a.png", b"1" * 1000), ("a.png", b"2" * 1000), ("ü.tif", b"3")]
    pieces = list(fill_pipeline.stream_zip(iter(files)))
    assert len(pieces) > 3
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "a.png": b"1" * 1000,
            "a-2.png": b"2" * 1000,
            "ü.tif": b"3",
        }


def test_the_store_drops_what_was_used_least_and_what_nobody_used_for_long() -> None:
    now = 0.0
    content = png(PHOTO)
    store = PictureStore(3 * len(content), 10_000, lambda: now)
    first, second, third = (store.add(content, f"{n}.png") for n in range(3))
    store.get(first.id)
    store.add(content, "3.png", pinned={third.id})
    assert store.get(first.id) and store.get(third.id)
    with pytest.raises(ApiError) as refused:
        store.get(second.id)
    assert refused.value.status_code == 410
    now = IDLE_SECONDS + 1
    store.add(content, "4.png", pinned={third.id})
    assert len(store) == 2 and store.get(third.id)


def test_what_is_pinned_makes_the_store_full() -> None:
    content = png(PHOTO)
    store = PictureStore(2 * len(content), 10_000)
    kept = {store.add(content, f"{n}.png").id for n in range(2)}
    with pytest.raises(ApiError, match="no room"):
        store.add(content, "c.png", pinned=kept)
    assert len(store) == 2


def test_pixels_of_a_stored_picture_cannot_be_changed() -> None:
    store = PictureStore(1 << 20, 10_000)
    picture = store.decode(store.add(png(PHOTO), "a.png"))
    with pytest.raises(ValueError, match="read-only"):
        picture.pixels[0, 0] = 0


def test_passing_files_lie_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.delenv("TMPDIR", raising=False)
    uvicorn_server.keep_temporary_files_in_memory(str(tmp_path / "none"))
    assert tempfile.tempdir is None
    uvicorn_server.keep_temporary_files_in_memory(str(tmp_path))
    assert tempfile.gettempdir() == str(tmp_path)


def test_cards_name_no_folders_of_the_machine() -> None:
    card = {"a": ["/home/me/x.pth", "C:\\me\\y.pth", "~/z/"], "b": {"c": float("nan"), "d": 1.5}}
    assert model_registry.sanitize_card(card) == {
        "a": ["x.pth", "y.pth", "z"],
        "b": {"c": None, "d": 1.5},
    }
    assert model_registry.sanitize_card("partial-unet, 7/8 of it") == "partial-unet, 7/8 of it"


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", list(previews.FORMATS))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_every_kind_of_picture_has_every_kind_of_view(count: int, kind: str, dtype: type) -> None:
    from PIL import Image

    from mendpix.io.conversion import from_array

    values = np.random.default_rng(0).random((20, 30, count))
    scaled = values * (1 if dtype is np.float32 else np.iinfo(dtype).max)
    picture = from_array(scaled.astype(dtype))
    view = Image.open(io.BytesIO(previews.render_region(picture, (1, 1, 29, 19), 1, kind)))
    assert view.size == (15, 10)
    assert Image.open(io.BytesIO(previews.render_preview(picture, 15, kind))).size == (15, 10)
