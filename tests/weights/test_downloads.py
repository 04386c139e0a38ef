"""Downloads against a server on this machine: ranges, broken connections, wrong files."""

import hashlib
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filehost import Host, hosting

from mendpix.errors import DownloadError
from mendpix.weights import download

BODY = bytes(range(256)) * 4096  # 1 MiB
SHA = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with hosting(BODY) as made:
        yield made


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_fetched_once(server: Host, tmp_path: Path) -> None:
    path = tmp_path / "new" / "weights.bin"
    told: list[tuple[int, int]] = []
    fetched = download.fetch(server.url, path, SHA[:8], lambda *said: told.append(said))
    assert fetched.read_bytes() == BODY
    assert told[-1] == (len(BODY), len(BODY))
    assert download.fetch(server.url, path, SHA) == path
    assert server.asked == [None]
    assert files(path.parent) == ["weights.bin"]


def test_a_broken_connection_is_taken_up_where_it_broke(server: Host, tmp_path: Path) -> None:
    server.breaks = 2
    path = download.fetch(server.url, tmp_path / "w.bin", SHA)
    assert path.read_bytes() == BODY
    half, quarter = len(BODY) // 2, len(BODY) * 3 // 4
    assert server.asked == [None, f"bytes={half}-", f"bytes={quarter}-"]


def test_a_later_call_goes_on(server: Host, tmp_path: Path) -> None:
    server.breaks = download.TRIES
    with pytest.raises(DownloadError, match=r"the connection broke .* bytes are kept"):
        download.fetch(server.url, tmp_path / "w.bin", SHA)
    kept = (tmp_path / "w.bin.part").stat().st_size
    assert files(tmp_path) == ["w.bin.part"]
    assert download.fetch(server.url, tmp_path / "w.bin", SHA).read_bytes() == BODY
    assert server.asked[-1] == f"bytes={kept}-"
    assert files(tmp_path) == ["w.bin"]


def test_a_server_without_ranges_sends_it_all_again(server: Host, tmp_path: Path) -> None:
    server.ranges = False
    server.breaks = 1
    assert download.fetch(server.url, tmp_path / "w.bin", SHA).read_bytes() == BODY


def test_a_whole_part_needs_nothing_more(server: Host, tmp_path: Path) -> None:
    (tmp_path / "w.bin.part").write_bytes(BODY)
    assert download.fetch(server.url, tmp_path / "w.bin", SHA).read_bytes() == BODY


def test_a_part_of_an_older_file_is_given_up(server: Host, tmp_path: Path) -> None:
    (tmp_path / "w.bin.part").write_bytes(b"older" * 100)
    assert download.fetch(server.url, tmp_path / "w.bin", SHA).read_bytes() == BODY
    assert server.asked == ["bytes=500-", None]


def test_another_file_is_refused_and_leaves_nothing(server: Host, tmp_path: Path) -> None:
    server.body = b"not it"
    found = hashlib.sha256(b"not it").hexdigest()
    with pytest.raises(DownloadError, match=f"has sha256 {found[:8]}.* but {SHA[:8]} was expected"):
        download.fetch(server.url, tmp_path / "w.bin", SHA[:8])
    assert files(tmp_path) == []


@pytest.mark.parametrize(("says", "asked"), [(404, 1), (503, download.TRIES)])
def test_an_answer_that_lasts_is_not_asked_again(
    server: Host, tmp_path: Path, says: int, asked: int
) -> None:
    server.says = says
    with pytest.raises(DownloadError, match=f"could not be fetched: the server says {says}"):
        download.fetch(server.url, tmp_path / "w.bin", SHA)
    assert len(server.asked) == asked
    assert files(tmp_path) == []


def test_nobody_there(server: Host, tmp_path: Path) -> None:
    url = server.url
    server.server_close()
    with pytest.raises(DownloadError) as caught:
        download.fetch(url, tmp_path / "w.bin", SHA)
    assert str(caught.value) == f"{url} could not be fetched: Connection refused"


@pytest.mark.skipif(sys.platform == "win32", reason="no file locks there")
def test_two_at_once_fetch_once(server: Host, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(download.fetch, server.url, tmp_path / "w", SHA) for _ in range(4)]
    assert {call.result().read_bytes() for call in calls} == {BODY}
    assert server.asked == [None]
    assert files(tmp_path) == ["w"]


def test_a_folder_that_cannot_be_made(server: Host, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DownloadError, match=r"cannot be written: .*MENDPIX_HOME"):
        download.fetch(server.url, tmp_path / "file" / "w.bin", SHA)


def test_the_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MENDPIX_HOME", str(tmp_path))
    assert download.cache_folder() == tmp_path
    monkeypatch.delenv("MENDPIX_HOME")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert download.cache_folder() == tmp_path / "cache" / "mendpix"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert download.cache_folder().parts[-3:] == ("Library", "Caches", "mendpix")
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert download.cache_folder() == tmp_path / "local" / "mendpix" / "Cache"


def test_the_bar_says_nothing_without_a_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with download.show_progress("weights") as progress:
        progress(5, 0)
        progress(10, 10)
    assert capfd.readouterr() == ("", "")
