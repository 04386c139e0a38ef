"""The command, as a user runs it: what it prints, writes, refuses, and how it exits."""

import io
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image

from mendpix import cli
from mendpix.io import files

PHOTO = (np.random.default_rng(0).random((40, 60, 3)) * 60 + 90).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with photo.png and mask.png, 60x40, a hole of 10x12."""
    mask = np.zeros((40, 60), np.uint8)
    mask[10:20, 20:32] = 255
    Image.fromarray(PHOTO).save(tmp_path / "photo.png")
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return tmp_path


class Run:
    """Runs the command in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *words: str | Path) -> tuple[int, str, str]:
        self.monkeypatch.setattr(sys, "argv", ["mendpix", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
            raise SystemExit(0)
        out, err = self.capsys.readouterr()
        code = left.value.code
        return (code if isinstance(code, int) else 0), out, err


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(monkeypatch, capsys)


def shell(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mendpix", *map(str, words)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
    )


def mask_of(folder: Path, name: str, values: np.ndarray) -> Path:
    Image.fromarray(values).save(folder / name)
    return folder / name


def test_fill_writes_beside_the_photo_and_verify_proves_it(run: Run, folder: Path) -> None:
    photo, mask, out = (folder / n for n in ("photo.png", "mask.png", "photo-filled.png"))
    code, said, _ = run("fill", photo, mask)
    assert code == 0
    assert said.startswith(f"{out}: 5 % of 60x40 filled in ")
    assert (np.asarray(Image.open(out)) != PHOTO).any(axis=2).sum() > 60
    assert run("verify", photo, out, mask)[:2] == (
        0,
        "0 of 2280 pixels outside the hole changed\n",
    )
    code, _, said = run("fill", photo, mask)
    assert (code, said.count("\n")) == (2, 1)
    assert "photo-filled.png is there already; replace it with --force" in said
    assert run("fill", photo, mask, "--force", "--model", "telea")[0] == 0


def test_tries_are_numbered_and_differ(run: Run, folder: Path) -> None:
    photo, mask = folder / "photo.png", folder / "mask.png"
    code, said, _ = run("fill", photo, mask, "--tries", "3")
    assert code == 0
    assert said.startswith(f"{folder / 'photo-filled-1.png'} to photo-filled-3.png: 5 %")
    files = [folder / f"photo-filled-{index}.png" for index in (1, 2, 3)]
    assert len({file.read_bytes() for file in files}) == 3
    for file in files:
        assert run("verify", photo, file, mask)[0] == 0
    code, _, said = run("fill", photo, mask, "--tries", "2")
    assert (code, said.count("\n")) == (2, 1)
    assert "photo-filled-1.png is there already; replace it with --force" in said


def test_tries_never_replace_the_photo(run: Run, folder: Path) -> None:
    photo = (folder / "photo.png").rename(folder / "photo-2.png")
    before = photo.read_bytes()
    code, _, said = run(
        "fill", photo, folder / "mask.png", "--tries", "2", "-o", folder / "photo.png"
    )
    assert code == 2
    assert "photo-2.png is a photo or mask of this fill" in said
    assert photo.read_bytes() == before


def test_one_fill_models_have_no_tries_and_no_quality(run: Run, folder: Path) -> None:
    pair = folder / "photo.png", folder / "mask.png"
    code, _, said = run("fill", *pair, "--tries", "2", "-m", "telea")
    assert (code, said.count("\n")) == (2, 1)
    assert "Telea has 1 fill, not 2" in said
    code, _, said = run("fill", *pair, "--quality", "best", "-m", "telea")
    assert (code, said.count("\n")) == (2, 1)
    assert "telea has no option 'quality'" in said
    assert run("fill", *pair, "--quality", "good")[0] == 2
    assert run("fill", *pair, "--quality", "best")[0] == 0


def test_verify_counts_changes(run: Run, folder: Path) -> None:
    changed = PHOTO.copy()
    changed[0, :3] += 1
    changed[12, 22] = 0  # inside the hole
    other = mask_of(folder, "other.png", changed)
    said = run("verify", folder / "photo.png", other, folder / "mask.png", "--json")
    assert said[0] == 1
    assert json.loads(said[1]) == {"changed": 3, "known": 2280}
    assert run("verify", folder / "photo.png", other, folder / "mask.png", "--invert")[0] == 1


def test_out_replaces_and_takes_folders(run: Run, folder: Path) -> None:
    out = folder / "new" / "result.png"
    for _ in range(2):
        assert run("fill", folder / "photo.png", folder / "mask.png", "-o", out)[0] == 0
    (folder / "here").mkdir()
    run("fill", folder / "photo.png", folder / "mask.png", "-o", folder / "here", "-m", "telea")
    assert (folder / "here" / "photo.png").is_file()


def test_json_summary(run: Run, folder: Path) -> None:
    code, said, _ = run("fill", folder / "photo.png", folder / "mask.png", "--json", "--seed", "4")
    summary = json.loads(said)
    assert code == 0
    assert (summary["model"], summary["seed"], summary["failed"]) == ("auto", 4, 0)
    (fill,) = summary["fills"]
    assert fill["hole_ratio"] == pytest.approx(0.05)
    assert (fill["width"], fill["height"], fill["largest_change"]) == (60, 40, 0)
    assert fill["out"] == str(folder / "photo-filled.png")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_folders_go_on_after_a_failure(run: Run, folder: Path, workers: str) -> None:
    photos, masks = folder / "photos", folder / "masks"
    for name in ("a", "b", "c"):
        for place, source in ((photos, "photo.png"), (masks, "mask.png")):
            place.mkdir(exist_ok=True)
            (place / f"{name}.png").write_bytes((folder / source).read_bytes())
    (photos / "b.png").write_bytes(b"\x89PNG broken")
    (photos / "alone.png").write_bytes((folder / "photo.png").read_bytes())
    code, said, err = run("fill", photos, masks, "-o", folder / "out", "-j", workers, "-m", "telea")
    assert code == 1
    assert sorted(path.name for path in (folder / "out").glob("[!.]*")) == ["a.png", "c.png"]
    assert said.count("filled in") == 2
    assert f"skipped {photos / 'alone.png'}" in err
    assert err.count("error: ") == 1
    assert "b.png" in err
    (photos / "b.png").unlink()
    assert run("fill", photos, masks, "-o", folder / "out", "-j", workers, "-m", "telea")[0] == 0


def test_any_number_of_workers_gives_the_same_bytes(run: Run, folder: Path) -> None:
    photos = folder / "photos"
    photos.mkdir()
    for index in range(2):
        Image.fromarray(np.roll(PHOTO, index, axis=0)).save(photos / f"{index}.png")
    for count in ("1", "2"):
        words = ["fill", photos, folder / "mask.png", "-o", folder / count, "-j", count]
        assert run(*words)[0] == 0
    for index in range(2):
        one, two = ((folder / count / f"{index}.png").read_bytes() for count in ("1", "2"))
        assert one == two


@pytest.mark.parametrize(
    ("verb", "words", "old"),
    [
        ("fill", ["photo.png", "mask.png"], "--jobs"),
        ("evaluate", ["photos"], "--processes"),
        ("train", ["photos", "--out", "run"], "--devices"),
    ],
)
def test_old_names_of_workers_are_accepted_but_not_shown(
    verb: str, words: list[str], old: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = typer.main.get_command(cli.app).commands[verb]  # type: ignore[attr-defined]
    for option in ([old, "3"], [f"{old}=3"], ["--workers", "3"]):
        context = command.make_context(verb, [*words, *option])
        assert context.params["workers"] == 3
    shown = context.get_help() + capsys.readouterr().out
    assert "--workers" in shown
    assert old not in shown


def test_fill_takes_the_old_name_of_workers(run: Run, folder: Path) -> None:
    out = folder / "out.png"
    words = ["fill", folder / "photo.png", folder / "mask.png", "-m", "telea", "-o", out]
    assert run(*words, "--jobs", "2")[0] == 0
    assert out.is_file()


def test_from_alpha(run: Run, folder: Path) -> None:
    alpha = np.full((40, 60), 255, np.uint8)
    alpha[5:9, 5:30] = 0
    photo = mask_of(folder, "cut.png", np.dstack([PHOTO, alpha]))
    assert run("fill", photo, "--from-alpha", "-o", folder / "out.png")[0] == 0
    filled = np.asarray(Image.open(folder / "out.png"))
    assert (filled[..., 3] == 255).all()
    np.testing.assert_array_equal(filled[alpha == 255][:, :3], PHOTO[alpha == 255])


def test_an_empty_mask_copies_with_a_warning(run: Run, folder: Path) -> None:
    mask = mask_of(folder, "empty.png", np.zeros((40, 60), np.uint8))
    code, _, err = run("fill", folder / "photo.png", mask, "-o", folder / "out.png")
    assert code == 0
    assert "warning: " in err
    assert "nothing to fill" in err
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "out.png")), PHOTO)


def test_jpeg_says_what_changed(run: Run, folder: Path) -> None:
    Image.fromarray(PHOTO).save(folder / "photo.jpg", quality=90)
    out = folder / "out.png"
    code, said, _ = run("fill", folder / "photo.jpg", folder / "mask.png", "-o", out)
    assert code == 0
    assert "known pixels" not in said
    assert run("verify", folder / "photo.jpg", out, folder / "mask.png")[0] == 0
    out = folder / "out.webp"
    assert run("fill", folder / "photo.jpg", folder / "mask.png", "-o", out)[0] == 0


MISTAKES = [
    (["fill", "nowhere.png", "mask.png"], "nowhere.png does not exist"),
    (["fill", "photo.png"], "--from-alpha"),
    (["fill", "photo.png", "small.png"], "mask is 30x20 but photo is 60x40; .*--fit-mask"),
    (["fill", "photo.png", "white.png"], "marks everything"),
    (["fill", "photo.png", "mask.png", "-m", "patchmach"], "did you mean patchmatch"),
    (["fill", "photo.png", "mask.png", "-o", "photo.png"], "is a photo or mask"),
    (["fill", "photo.png", "mask.png", "-o", "x.gif"], "x.gif has the extension"),
    (["fill", "photo.png", "mask.png", "--from-alpha"], "choose one of them"),
    (["fill", "photo.png", "mask.png", "-m", "telea", "--device", "cuda"], "runs on the CPU"),
    (["fill", "photo.png", "."], "is a folder"),
    (["fil", "photo.png", "mask.png"], "No such command 'fil'.*see mendpix --help$"),
    (["fill"], "Missing argument 'photo'; see mendpix fill --help$"),
    (["fill", "photo.png", "mask.png", "--nope"], "No such option: --nope"),
    (["fill", "photo.png", "mask.png", "--grow", "x"], "Invalid value for '--grow'.*integer"),
    (["fill", "photo.png", "mask.png", "--tries", "0"], "Invalid value for '--tries'"),
    (["fill", "photo.png", "mask.png", "more.png"], "more.png"),
    (["--nope"], "No such option: --nope; see mendpix --help$"),
    (["verify", "photo.png", "small.png", "mask.png"], "photo.png is 60x40 but .*small.png"),
    (["fill", "photo.png", "mask.png", "-o", "mask.png/x.png"], "mask.png cannot be made"),
    (["fill", "photo.png", "mask.png", "-o", "x" * 300 + ".png"], "File name too long"),
    (["fill", "photo.png", "nowhere.png"], "nowhere.png does not exist"),
    (["info", "nowhere"], "nowhere is neither a weights file nor a run folder"),
    (["info", "photo.png"], "photo.png"),
    (["holes", "--kind", "lama-thik", "-o", "holes"], "did you mean 'lama-thick'"),
    (["train", "nowhere", "-o", "run", "-r", "partial-conv-tinny"], "partial-conv-tiny"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES)
def test_mistakes_are_one_line_and_leave_nothing(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(folder)
    mask_of(folder, "small.png", np.full((20, 30), 255, np.uint8))
    mask_of(folder, "white.png", np.full((40, 60), 255, np.uint8))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    code, said, err = run(*words)
    assert (code, said) == (2, "")
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert re.search(message, errors[0]), errors[0]
    assert "Traceback" not in err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(run: Run, folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
    code, _, err = run("fill", folder / "photo.png", folder / "mask.png", "-o", closed / "x.png")
    assert code == 2
    assert "cannot be written" in err


def test_holes_are_masks_that_fill_takes(run: Run, folder: Path) -> None:
    code, said, _ = run("holes", "-o", folder / "holes", "-n", "2", "--size", "64", "--preview")
    assert code == 0
    assert "2 masks" in said
    masks = sorted((folder / "holes").iterdir())
    for path in masks:
        with Image.open(path) as mask:
            assert mask.size == (64, 64)
    words = ["fill", folder / "photo.png", masks[0], "--fit-mask", "-o", folder / "out.png"]
    assert run(*words, "-m", "telea")[0] == 0


def test_the_core_never_imports_torch(folder: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from mendpix import cli\n"
        "sys.argv = ['mendpix', 'fill', 'photo.png', 'mask.png', '-o', 'out.png']\n"
        "try: cli.main()\n"
        "except SystemExit as left: assert not left.code, left.code\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "out.png").is_file()


@pytest.mark.parametrize(
    "verb", [["recipes"], ["recipes", "print", "pan"], ["weights"], ["info", "mender"]]
)
def test_lists_need_no_torch(verb: list[str], folder: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from mendpix import cli\n"
        f"sys.argv = ['mendpix', *{verb!r}]\n"
        "cli.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("verb", [["check", "."], ["convert", "a.pth", "-o", "b"]])
def test_without_torch_one_line_names_the_extra(verb: list[str], folder: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from mendpix import cli\n"
        f"sys.argv = ['mendpix', *{verb!r}]\n"
        "cli.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "pip install 'mendpix[train]'" in done.stderr


def test_help_waits_for_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from mendpix import cli\n"
        "sys.argv = ['mendpix', '--help']\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'cv2', 'numba', 'PIL', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "Fill the white parts of MASK" in done.stdout


def test_version_and_module(run: Run) -> None:
    assert run("--version")[1] == "mendpix 0.1.0\n"
    done = shell("--version")
    assert (done.returncode, done.stdout) == (0, "mendpix 0.1.0\n")


def test_the_bare_command_shows_help(run: Run) -> None:
    code, said, err = run()
    assert code == 2
    assert "Usage: mendpix" in said
    assert err == ""


def pipe(content: bytes, *words: str | Path) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "mendpix", *map(str, words), "--model", "telea"]
    return subprocess.run(command, input=content, capture_output=True, timeout=120)


def test_a_pipe_gives_what_files_give(run: Run, folder: Path) -> None:
    photo, mask, out = (folder / name for name in ("photo.png", "mask.png", "out.png"))
    assert run("fill", photo, mask, "-o", out, "-m", "telea")[0] == 0
    done = pipe(photo.read_bytes(), "fill", "-", mask)
    assert done.stdout == out.read_bytes()
    assert b"filled in" in done.stderr
    done = pipe(mask.read_bytes(), "fill", photo, "-", "--out", "-", "--format", "tif")
    np.testing.assert_array_equal(
        np.asarray(Image.open(io.BytesIO(done.stdout))), np.asarray(Image.open(out))
    )
    assert done.stdout[:2] in (b"II", b"MM")
    for words in (
        ["fill", "-", "-"],
        ["fill", "-", mask, "--json"],
        ["fill", "-", mask, "-o", folder],
    ):
        done = pipe(b"", *words)
        assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)


def test_boxes_need_no_mask(run: Run, folder: Path) -> None:
    photo, out, mask = folder / "photo.png", folder / "out.png", folder / "mask.png"
    code, said, _ = run("fill", photo, "--box", "20,10,12,10", "-m", "telea", "-o", out)
    assert code == 0
    assert "5 % of 60x40" in said
    boxes = out.read_bytes()
    run("fill", photo, mask, "-m", "telea", "-o", out)
    assert out.read_bytes() == boxes
    assert run("verify", photo, out, "--box", "20,10,12,10")[0] == 0
    assert run("verify", photo, out, "--polygon", "20,10,26,10,26,20,20,20")[0] == 1
    assert "is not X,Y,W,H" in run("fill", photo, "--box", "1,2,3", "--force")[2]


def test_what_a_folder_holds_is_filled_or_named(run: Run, folder: Path) -> None:
    photos = folder / "photos"
    (photos / "day-2").mkdir(parents=True)
    for name in ("a.jfif", "b.jpe", "day-2/c.png"):
        Image.fromarray(PHOTO).save(photos / name, "PNG" if "png" in name else "JPEG")
    (photos / "notes.txt").write_text("x")
    words = ["fill", photos, folder / "mask.png", "-m", "telea", "-o"]
    code, _, err = run(*words, folder / "out")
    assert code == 0
    assert sorted(path.name for path in (folder / "out").glob("[!.]*")) == ["a.jfif", "b.jpe"]
    assert "left out 1 file (notes.txt)" in err
    assert "left out 1 subfolder (day-2); --recursive" in err
    assert run(*words, folder / "all", "--recursive")[0] == 0
    assert (folder / "all" / "day-2" / "c.png").is_file()


def test_mask_makes_what_fill_takes(run: Run, folder: Path) -> None:
    photo, out = folder / "photo.png", folder / "made.png"
    code, said, _ = run("mask", photo, "--box", "20,10,12,10", "--grow", "0", "--out", out)
    assert (code, said) == (0, f"{out}: 5 % of {photo}\n")
    np.testing.assert_array_equal(files.read(out).pixels, files.read(folder / "mask.png").pixels)
    assert run("mask", photo, "--at", "30,20", "--out", out)[0] == 0
    for words, message in (
        (["--at", "30"], "is not X,Y"),
        (["--at", "90,5"], "lies outside"),
        ([], "nothing says what to mark"),
        (["--box", "1,1,5,5", "--out", photo], "is a photo or mask of this fill"),
    ):
        code, _, said = run("mask", photo, "--out", out, *words)
        assert (code, said.count("\n")) == (2, 1)
        assert message in said


def test_a_shape_in_alpha_becomes_a_mask(run: Run, folder: Path) -> None:
    strokes = np.zeros((40, 60, 4), np.uint8)
    strokes[10:20, 20:32, 3] = 255
    path = mask_of(folder, "strokes.png", strokes)
    out = folder / "made.png"
    assert run("mask", path, "--from-alpha", "--invert", "--out", out)[0] == 0
    np.testing.assert_array_equal(files.read(out).pixels, files.read(folder / "mask.png").pixels)
