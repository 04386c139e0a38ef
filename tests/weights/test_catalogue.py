"""The catalogue: fetching from a server on this machine, checking, cutting, and what then fills."""

import hashlib
import io
import json
import os
import sys
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from filehost import Host, hosting
from graphs import saved
from onnx import helper

import mendpix
from mendpix.errors import DownloadError, MendError
from mendpix.weights import cards, catalogue, download, fetching
from mendpix.weights.catalogue import CATALOGUE, CatalogueEntry, GraphPart


def pipeline(folder: Path) -> bytes:
    """A packed graph of three steps, of which the middle one doubles its input."""
    nodes = [
        helper.make_node("Sqrt", ["photo"], ["before"]),
        helper.make_node("Add", ["before", "before"], ["after"]),
        helper.make_node("Sqrt", ["after"], ["image"]),
    ]
    shape = ["n", 3, "h", "w"]
    path = saved(folder / "whole.onnx", nodes, {"photo": shape}, {"image": shape})
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(path, "package/whole.onnx")
    return packed.getvalue()


ENTRY = CatalogueEntry("a test", "double.onnx", "", "", 1, "MIT", "CC0", "nothing", "here")
CUT = GraphPart("package/whole.onnx", ("before",), ("after",), {"inputs": {"before": ["photo"]}})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("MENDPIX_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "models"


@pytest.fixture
def packed(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """An archive, of which the entry "double" wants a part."""
    body = pipeline(tmp_path)
    digest = hashlib.sha256(body).hexdigest()
    with hosting(body) as server:
        entry = replace(ENTRY, url=server.url, sha256=digest, cut=CUT)
        monkeypatch.setitem(CATALOGUE, "double", entry)
        yield server


@pytest.fixture
def unhashed(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A file whose hash the catalogue does not know, as "secret"."""
    with hosting(b"weights" * 5000) as server:
        monkeypatch.setitem(CATALOGUE, "secret", replace(ENTRY, file="secret.pt", url=server.url))
        yield server


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_part_is_cut_out_and_fills(packed: Host, home: Path) -> None:
    with pytest.raises(MendError, match="not on this machine; run: mendpix models get double"):
        mendpix.load("double")
    told: list[tuple[int, int]] = []
    path = fetching.get("double", progress=lambda *said: told.append(said))
    assert path == home / "double.onnx" and names(home) == ["double.onnx"]
    assert told[-1] == (len(packed.body), len(packed.body))
    assert [node.op_type for node in onnx.load(path).graph.node] == ["Add"]
    photo, hole = np.full((9, 9, 3), 0.3, np.float32), np.zeros((9, 9), bool)
    hole[3:5, 2:6] = True
    filler = mendpix.load("double")
    np.testing.assert_allclose(filler(photo, hole)[hole], 0.6, atol=1e-6)
    assert filler.card["licence"] == "CC0" and filler.card == cards.read_card(path)
    assert fetching.get("double") == path and packed.asked == [None]


def test_a_broken_connection_is_taken_up(packed: Host, home: Path) -> None:
    packed.breaks = download.TRIES
    with pytest.raises(DownloadError, match="bytes are kept"):
        fetching.get("double")
    assert names(home) == ["weights.bin.part"]
    assert fetching.get("double").is_file()
    assert packed.asked[-1] is not None
    assert names(home) == ["double.onnx"]


def test_an_interrupted_download_goes_on(packed: Host, home: Path) -> None:
    def interrupt(have: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetching.get("double", progress=interrupt)
    assert names(home) == ["weights.bin.part"]
    assert fetching.get("double").is_file() and names(home) == ["double.onnx"]


def test_another_file_is_refused(packed: Host, home: Path) -> None:
    packed.body = packed.body[:-1] + b"!"
    with pytest.raises(DownloadError, match="it is not the file it should be"):
        fetching.get("double")
    assert names(home) == []


def test_an_archive_without_the_part(
    packed: Host, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = replace(CUT, member="package/none.onnx")
    monkeypatch.setitem(CATALOGUE, "double", replace(CATALOGUE["double"], cut=lost))
    with pytest.raises(DownloadError, match=r"cannot be made of weights\.bin") as caught:
        fetching.get("double")
    assert "\n" not in str(caught.value)
    assert names(home) == ["weights.bin"]


def test_without_onnx_nothing_is_fetched(packed: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MendError, match=r"run: pip install 'mendpix\[models\]'"):
        fetching.get("double")
    assert packed.asked == []


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limits there")
def test_a_full_disk_is_one_line_and_the_next_try_goes_on(unhashed: Host, home: Path) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(DownloadError, match=r"cannot be written: .*; make room"):
            fetching.get("secret", confirm=lambda digest: True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert fetching.get("secret", confirm=lambda digest: True).read_bytes() == unhashed.body
    assert unhashed.asked == [None, "bytes=10000-"]


def test_a_file_without_a_hash_is_kept_only_if_confirmed(unhashed: Host, home: Path) -> None:
    shown: list[str] = []

    def refuse(digest: str) -> bool:
        shown.append(digest)
        return False

    with pytest.raises(DownloadError, match="was not confirmed"):
        fetching.get("secret", confirm=refuse)
    assert shown == [hashlib.sha256(unhashed.body).hexdigest()]
    assert names(home) == []
    with pytest.raises(MendError, match="mendpix models get secret"):
        catalogue.find("secret")
    assert fetching.get("secret", confirm=lambda digest: True) == home / "secret.pt"


def test_two_at_once_both_end_well(packed: Host, home: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        paths = list(pool.map(fetching.get, ["double"] * 3))
    assert paths == [home / "double.onnx"] * 3
    assert names(home) == ["double.onnx"] and packed.asked == [None]


def test_what_a_killed_get_has_left_is_cleared_away(packed: Host, home: Path) -> None:
    (home / "double.cutting-abc").mkdir(parents=True)
    (home / "double.cutting-abc" / "whole.onnx").write_bytes(b"half")
    fetching.get("double")
    assert names(home) == ["double.onnx"]


def test_a_download_that_lies_here_is_taken_if_it_is_the_right_one(
    packed: Host, home: Path, tmp_path: Path
) -> None:
    download_, other = tmp_path / "weights.tgz", tmp_path / "other.tgz"
    download_.write_bytes(packed.body)
    other.write_bytes(b"other")
    with pytest.raises(DownloadError, match=r"other\.tgz has sha256 .* was expected; fetch "):
        fetching.get("double", source=other)
    with pytest.raises(DownloadError, match=r"none\.tgz is no file"):
        fetching.get("double", source=tmp_path / "none.tgz")
    assert names(home) == []
    assert fetching.get("double", source=download_) == home / "double.onnx"
    assert names(home) == ["double.onnx"] and packed.asked == []
    assert download_.read_bytes() == packed.body


def test_what_was_fetched_can_be_removed(packed: Host, home: Path) -> None:
    with pytest.raises(MendError, match="double is not on this machine, so there is nothing"):
        fetching.remove("double")
    fetching.get("double")
    assert fetching.remove("double") == home / "double.onnx"
    assert names(home) == [] and not catalogue.is_fetched("double")


def test_scripts_give_the_hash(unhashed: Host, home: Path) -> None:
    digest = hashlib.sha256(unhashed.body).hexdigest()
    with pytest.raises(DownloadError, match=f"mendpix models get secret --sha256 {digest}"):
        fetching.get("secret")
    assert names(home) == ["secret.pt.unconfirmed"]
    with pytest.raises(DownloadError, match=f"its sha256 {digest} is not 0000"):
        fetching.get("secret", sha256="0000")
    assert fetching.get("secret", sha256=digest).read_bytes() == unhashed.body
    assert names(home) == ["secret.pt"] and len(unhashed.asked) == 2


def test_names() -> None:
    with pytest.raises(MendError, match="did you mean 'migan'"):
        catalogue.find_entry("megan")
    with pytest.raises(MendError, match="did you mean migan"):
        mendpix.load("megan")


@pytest.mark.parametrize("name", CATALOGUE)
def test_entries_say_all(name: str) -> None:
    entry = CATALOGUE[name]
    assert all((entry.about, entry.code, entry.weights, entry.data, entry.source, entry.size))
    assert entry.url.startswith("https://")
    assert len(entry.sha256) in (0, 64)
    assert json.loads(json.dumps(catalogue.make_card(name)))["licence"] == entry.weights


def test_migan_fills(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it has been fetched already: the whole picture at once, and no leak of the hole."""
    if fetched := os.environ.get("MENDPIX_TEST_MODELS"):
        monkeypatch.setenv("MENDPIX_HOME", fetched)
    if not catalogue.locate("migan").is_file():
        pytest.skip("MI-GAN has not been fetched here")
    photo = np.random.default_rng(0).random((512, 512, 3), dtype=np.float32)
    photo[:] = photo.mean()
    hole = np.zeros((512, 512), bool)
    hole[200:300, 150:330] = True
    other = photo.copy()
    other[hole] = 1
    filler = mendpix.load("migan")
    filled = filler(photo, hole)
    np.testing.assert_array_equal(filled[hole], filler(other, hole)[hole])
    assert np.abs(filled - photo)[hole].mean() < 0.1
