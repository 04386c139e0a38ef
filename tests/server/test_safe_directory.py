"""No request reads outside the folder: names, encodings, links, devices, pipes."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servers import PHOTO, RunningServer, code, png, running

from mendpix.server import safe_directory
from mendpix.server.api_errors import ApiError
from mendpix.server.safe_directory import SafeDirectory

SECRET = png(PHOTO[::-1])
ESCAPES = [
    "../secret.png",
    "..",
    "../",
    "below/../../secret.png",
    "./a.png",
    "below/./a.png",
    "below//a.png",
    "/a.png",
    "a.png/",
    "//host/share/a.png",
    "\\\\host\\share\\a.png",
    "..\\secret.png",
    "below\\..\\..\\secret.png",
    "C:\\secret.png",
    "C:secret.png",
    "C:/secret.png",
    "file:///etc/passwd.png",
    "a.png::$DATA",
    "a.png:stream.png",
    "CON",
    "nul.png",
    "com1.png",
    "LPT9.tif",
    "a.png.",
    "a.png ",
    "a.png\x00.png",
    "\x00",
    "a\n.png",
    "%2e%2e/secret.png",
    "..%2fsecret.png",
    "%252e%252e%252fsecret.png",
    "%c0%ae%c0%ae/secret.png",
    "..;/secret.png",
    "．．/secret.png",
    "‥/secret.png",
    "~/secret.png",
    "~root",
    "$HOME/secret.png",
    ".hidden.png",
    ".git/config.png",
    "link.png",
    "inside-link.png",
    "linked/secret.png",
    "loop/loop/a.png",
    "pipe.png",
    "notes.txt",
    "below",
    "a.png/b.png",
    "/proc/self/environ.png",
    "a" * 300 + ".png",
    "a/" * 40 + "a.png",
    "x" * 5000,
    "\ud800.png",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a secret beside it, and links of all kinds in it."""
    top = tmp_path_factory.mktemp("outside")
    folder = top / "folder"
    (folder / "below").mkdir(parents=True)
    (top / "secret.png").write_bytes(SECRET)
    (folder / "a.png").write_bytes(png(PHOTO))
    (folder / ".hidden.png").write_bytes(SECRET)
    (folder / "notes.txt").write_text("no picture")
    if sys.platform != "win32":
        (folder / "link.png").symlink_to(top / "secret.png")
        (folder / "inside-link.png").symlink_to(folder / "a.png")
        (folder / "linked").symlink_to(top)
        (folder / "loop").symlink_to(folder)
        os.mkfifo(folder / "pipe.png")
    return folder


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[RunningServer]:
    with running(folder=place) as found:
        yield found


@pytest.mark.parametrize("path", ESCAPES, ids=ascii)
def test_nothing_but_plain_names_is_opened(place: Path, path: str) -> None:
    with pytest.raises(ApiError) as refused:
        SafeDirectory(place).read(path, 1 << 30)
    assert refused.value.status_code == 404
    assert str(place) not in refused.value.detail


@pytest.mark.parametrize("path", ESCAPES[:-1], ids=ascii)
def test_no_route_opens_them_either(server: RunningServer, path: str) -> None:
    once, twice = quote(path, safe=""), quote(quote(path, safe=""), safe="")
    answers = [
        server.client.get(f"/api/v1/folder/preview?path={once}"),
        server.client.get(f"/api/v1/folder/preview?path={twice}"),
        server.client.post("/api/v1/folder/open", json={"path": path}),
    ]
    for answer in answers:
        assert answer.status_code in (404, 422)
        code(answer)
    order = {"folder": [path], "boxes": [[1, 1, 2, 2]], "model": "telea"}
    job = server.client.post("/api/v1/jobs", json=order).json()
    assert server.events(job["id"])[-1][1]["state"] == "failed"


def test_what_is_not_opened_is_not_listed(place: Path) -> None:
    found = SafeDirectory(place).list_folder("")
    assert (found.folders, [one.path for one in found.pictures]) == (("below",), ["a.png"])
    for path in ("..", "linked", "loop", "a.png", "nowhere", "/"):
        with pytest.raises(ApiError):
            SafeDirectory(place).list_folder(path)


def test_a_plain_name_is_opened_up_to_its_limit(place: Path) -> None:
    content = png(PHOTO)
    assert SafeDirectory(place).read("a.png", len(content)) == content
    with pytest.raises(ApiError, match="make it smaller"):
        SafeDirectory(place).read("a.png", len(content) - 1)


def test_a_folder_that_is_itself_a_link_is_served(place: Path, tmp_path: Path) -> None:
    (tmp_path / "here").symlink_to(place)
    assert SafeDirectory(tmp_path / "here").read("a.png", 1 << 20) == png(PHOTO)


def test_a_server_without_a_folder_says_so() -> None:
    with running() as server:
        for answer in (
            server.client.get("/api/v1/folder"),
            server.client.get("/api/v1/folder/preview?path=a.png"),
            server.client.post("/api/v1/folder/open", json={"path": "a.png"}),
            server.client.post("/api/v1/jobs", json={"folder": ["a.png"]}),
        ):
            assert (answer.status_code, code(answer)) == (404, "not_found")


@settings(deadline=None)
@given(st.text(max_size=60))
def test_names_that_pass_stay_below_the_top(path: str) -> None:
    try:
        names = safe_directory.split_path(path)
    except ApiError:
        return
    top = Path("/top/folder")
    joined = os.path.normpath(top.joinpath(*names))
    assert joined == str(top) or joined.startswith(f"{top}/")
    assert len(Path(joined).parts) == len(top.parts) + len(names)
