"""What the command says: one line for a mistake, nothing raw from names, and where it made what."""

import ast
import importlib
import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mendpix import cli
from mendpix.cli import terminal
from mendpix.errors import MendError, escape
from mendpix.inpainting import options as limits
from mendpix.inpainting.registry import load
from mendpix.types import LARGEST_SEED

COMMAND = (sys.executable, "-m", "mendpix")
PHOTO = (np.random.default_rng(0).random((40, 60, 3)) * 60 + 90).astype(np.uint8)
MASK = np.zeros((40, 60), np.uint8)
MASK[10:20, 20:32] = 255


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(PHOTO).save("photo.png")
    Image.fromarray(MASK).save("mask.png")
    return tmp_path


def run(*words: str | bytes, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONIOENCODING": "utf-8:strict", **environment}
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, env=env, timeout=120)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a plain name, with é and 漢字", "a plain name, with é and 漢字"),
        ("two\nlines\r", r"two\nlines\r"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("\x9b2J", r"\x9b2J"),
        ("caf\udce9.png", r"caf\xe9.png"),
        ("gnp.\u202e.exe", r"gnp.\u202e.exe"),
        ("\ud800", r"\ud800"),
        ("C:\\photos", "C:\\photos"),
    ],
)
def test_what_steers_a_terminal_is_escaped(text: str, line: str) -> None:
    assert escape(text) == line
    assert str(MendError(text)) == line
    assert len(escape(text).splitlines()) <= 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--seed", "-1"), "Invalid value for '--seed'"),
        (("--seed", "9" * 20), "Invalid value for '--seed'"),
        (("--grow", "9" * 20), "Invalid value for '--grow'"),
        (("--tries", "1000000"), "Invalid value for '--tries'"),
        (("--threads", "9" * 20), "Invalid value for '--threads'"),
        (("--model", "~nobody-of-that-name/x"), "~nobody-of-that-name has no home folder here"),
        (("--model", "a\nb\x1b[2J"), r"a\nb\x1b[2J is neither a filler's name"),
        (("--mo\x1bdel", "x"), r"No such option: --mo\x1bdel"),
    ],
)
def test_mistakes_are_one_line(words: tuple[str, ...], message: str, folder: Path) -> None:
    """In this process, as the command runs them."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["mendpix", "fill", "photo.png", "mask.png", *words])
        with pytest.raises(SystemExit, match="2"):
            cli.main()
    assert message in err.getvalue()
    assert err.getvalue().count("\n") == 1 and "\x1b" not in err.getvalue()
    assert sorted(path.name for path in folder.iterdir()) == ["mask.png", "photo.png"]


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"seed": -1}, "seed is -1 but must be 0 to 2147483647"),
        ({"seed": LARGEST_SEED + 1}, "but must be 0 to 2147483647"),
        ({"grow": 10**20}, "but must be 0 to 10000"),
        ({"tries": 10**6}, "tries is 1000000 but must be 1 to 64"),
    ],
)
def test_python_refuses_the_same_numbers(keywords: dict[str, int], message: str) -> None:
    import mendpix

    with pytest.raises(MendError, match=message):
        mendpix.fill(PHOTO, MASK, model="telea", **keywords)  # type: ignore[call-overload]
    if "seed" in keywords:
        with pytest.raises(MendError, match=message):
            load("telea", **keywords)


def test_options_state_the_range_of_the_library() -> None:
    options = importlib.import_module("mendpix.cli.options")  # the package has a verb of that name

    def most(option: object) -> object:
        return option.__metadata__[0].max  # type: ignore[attr-defined]

    assert most(options.Seed) == LARGEST_SEED
    assert most(options.GrowPixels) == limits.LARGEST_GROWTH
    assert most(options.Tries) == limits.MOST_TRIES


def test_only_the_terminal_prints() -> None:
    """Every other file of the command line prints through it, so that nothing is printed raw."""
    for path in Path(cli.__file__).parent.glob("*.py"):
        if path.name == "terminal.py":
            continue
        calls = [n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Call)]
        names = [ast.unparse(call.func) for call in calls]
        raw = [name for name in names if name in ("print", "typer.echo", "typer.secho")]
        assert raw == (["typer.echo"] if path.name == "__init__.py" else []), path  # the version


def test_a_name_that_is_no_utf8(folder: Path) -> None:
    name = b"caf\xe9.png"
    os.rename(b"photo.png", name)  # noqa: PTH104  (bytes)
    filled = run("fill", name, "mask.png", "--model", "telea")
    assert (filled.returncode, filled.stderr) == (0, "")
    assert filled.stdout.startswith(r"caf\xe9-filled.png: 5 % of 60x40 filled in ")
    summary = run("fill", name, "mask.png", "--model", "telea", "--json", "--force")
    assert os.fsencode(json.loads(summary.stdout)["fills"][0]["photo"]) == name


def test_names_from_files_are_printed_escaped(folder: Path) -> None:
    """A stranger's card, as info prints it."""
    from safetensors.numpy import save_file

    card = {"kind": "network", "\x1b[2Jkey": "line\none", "data": {"\x07": ["a\x9b"]}}
    tensors = {"w": np.zeros(1, np.float32)}
    save_file(tensors, "w.safetensors", {"mendpix": json.dumps(card)})
    told = run("info", "w.safetensors", "--all")
    assert told.stdout.splitlines() == [
        "kind: network",
        r"\x1b[2Jkey: line\none",
        "data:",
        r"  \x07: ['a\x9b']",
    ]


def test_print_text_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_text("one\n\ttwo\x1b\n")
    assert capsys.readouterr().out == "one\n\ttwo\\x1b\n"


def test_the_reader_of_the_output_may_go(folder: Path) -> None:
    """The end of a pipe is a failure, but none to print."""
    command = subprocess.Popen(
        [*COMMAND, "models"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert command.stdout is not None
    command.stdout.close()
    _, err = command.communicate(timeout=60)
    assert (command.returncode, err) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_the_output_is_one_line(folder: Path) -> None:
    with Path("/dev/full").open("w") as full:
        told = subprocess.run([*COMMAND, "models"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (told.returncode, told.stderr) == (2, "error: No space left on device\n")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_closed_stream_is_no_mistake(stream: str, folder: Path) -> None:
    redirect = ">&-" if stream == "stdout" else "2>&-"
    words = f"'{sys.executable}' -m mendpix fill photo.png mask.png -m telea {redirect}"
    told = subprocess.run(["sh", "-c", words], capture_output=True, text=True, timeout=60)
    assert (told.returncode, told.stderr) == (0, "")
    assert (folder / "photo-filled.png").is_file()


def test_without_a_home_folder(folder: Path) -> None:
    """A user whom nobody knows, as in many containers: what needs no downloads works."""
    try:
        subprocess.run(["unshare", "--user", "--map-user=54321", "true"], check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs a user namespace")
    gone = ("HOME", "MENDPIX_HOME", "XDG_CACHE_HOME")
    env = {name: value for name, value in os.environ.items() if name not in gone}

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        command = ["unshare", "--user", "--map-user=54321", *COMMAND, *words]
        return subprocess.run(command, capture_output=True, text=True, env=env, timeout=120)

    assert call("fill", "photo.png", "mask.png", "-m", "telea").returncode == 0
    assert call("models").returncode == 0
    got = call("models", "get", "migan")
    assert got.returncode == 2
    assert got.stderr.splitlines()[-1] == (
        "error: no home folder to keep downloads in is known; name one in MENDPIX_HOME"
    )


def test_a_folder_that_was_made_is_named(folder: Path) -> None:
    (folder / "photos").mkdir()
    (folder / "photo.png").rename(folder / "photos" / "a.png")
    words = ("fill", "photos", "mask.png", "-m", "telea", "--out")
    assert run(*words, "filled").stderr == "made filled/\n"
    assert run(*words, "filled").stderr == ""
    assert run(*words, "filed").stderr == "made filed/; did you mean filled?\n"
    assert not (folder / "new").exists()
    wrong = run("fill", "photoss", "mask.png", "-m", "telea", "--out", "new")
    assert wrong.stderr == "error: photoss does not exist; did you mean photos?\n"
    assert not (folder / "new").exists()


def test_a_mistyped_picture_has_a_neighbour(folder: Path) -> None:
    told = run("fill", "photo.pgn", "mask.png", "-m", "telea")
    assert told.stderr == "error: photo.pgn does not exist; did you mean photo.png?\n"
