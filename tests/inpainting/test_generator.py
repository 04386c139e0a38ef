"""The default filler with a generator: which one, when it fills first and when it guides."""

import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from graphs import constant
from typer.testing import CliRunner

import mendpix
from mendpix.cli import app
from mendpix.errors import MendError, WeightsError
from mendpix.inpainting.hybrid.filler import HybridFiller
from mendpix.inpainting.hybrid.generator import GeneratorFile, choose_generator
from mendpix.inpainting.hybrid.leading import COMPACT, Leader, choose_window
from mendpix.inpainting.options import FillOptions, FillSettings
from mendpix.inpainting.registry import choose_parts
from mendpix.inpainting.windows import Region, Window
from mendpix.types import Hole, Photo
from mendpix.weights import catalogue
from mendpix.weights.catalogue import CATALOGUE

CARD = {"adapter": {"inputs": {"photo": ["photo"], "hole": ["hole"]}, "multiple": 8}}


def scene(height: int = 90, width: int = 110) -> tuple[Photo, Hole]:
    photo = np.random.default_rng(3).random((height, width, 3), np.float32)
    hole = np.zeros((height, width), np.bool_)
    hole[30:60, 40:80] = True
    return photo, hole


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A network of the catalogue, "grey", that has been fetched: it fills with 0.25."""
    monkeypatch.setenv("MENDPIX_HOME", str(tmp_path))
    entry = replace(CATALOGUE["migan"], file="grey.onnx", cut=None)
    for name in list(CATALOGUE):
        monkeypatch.delitem(CATALOGUE, name)
    monkeypatch.setitem(CATALOGUE, "grey", entry)
    (tmp_path / "models").mkdir()
    return constant(catalogue.locate("grey"), card=CARD)


def test_auto_takes_what_has_been_fetched_and_none_does_not(fetched: Path) -> None:
    chosen = choose_generator("auto")
    assert chosen is not None and (chosen.name, chosen.path) == ("grey", fetched)
    assert choose_generator("none") is choose_generator(None) is None
    assert choose_generator(chosen) is chosen
    fetched.unlink()
    assert choose_generator("auto") is None


@pytest.mark.parametrize("change", [{"sha256": ""}, {"program": True}])
def test_auto_takes_no_program_and_nothing_without_a_hash(
    fetched: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, object]
) -> None:
    monkeypatch.setitem(CATALOGUE, "grey", replace(CATALOGUE["grey"], **change))  # type: ignore[arg-type]
    assert choose_generator("auto") is None


def test_what_is_no_generator_is_refused(fetched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CATALOGUE, "script", replace(CATALOGUE["grey"], program=True))
    with pytest.raises(MendError, match=r"^script is a program \(TorchScript\)"):
        choose_generator("script")
    with pytest.raises(MendError, match=r"^telea is a filler without a network"):
        choose_generator("telea")
    with pytest.raises(MendError, match=r"^grei is neither .* did you mean grey"):
        mendpix.load("auto", generator="grei")
    with pytest.raises(MendError, match=r"patchmatch has no option 'generator'"):
        mendpix.fill(*scene(), model="patchmatch", generator="grey")


def test_in_a_small_picture_the_generator_fills_first(fetched: Path) -> None:
    photo, hole = scene()
    filled = HybridFiller(None, generator="auto")(photo, hole)
    np.testing.assert_array_equal(filled[hole], np.float32(0.25))
    np.testing.assert_array_equal(filled[~hole], photo[~hole])
    alone = HybridFiller(None, generator="none")(photo, hole)
    assert (alone[hole] != 0.25).any()
    np.testing.assert_array_equal(alone, mendpix.load("patchmatch", radius=2)(photo, hole))


def test_unusable_pixels_and_other_channels_reach_it_too(fetched: Path) -> None:
    photo, hole = scene()
    photo = np.concatenate([photo, photo[..., :1]], axis=2)
    photo[2, 3] = np.nan
    filled = mendpix.load("auto", generator="grey")(photo, hole)
    assert np.isfinite(filled[hole]).all() and np.isnan(filled[2, 3]).all()


def test_in_a_large_picture_a_compact_hole_is_guided_and_a_thin_one_is_not() -> None:
    seen: list[tuple[int, ...]] = []

    def generate(photo: Photo, hole: Hole, progress: object) -> Photo:
        seen.append(photo.shape)
        return np.where(hole[..., None], np.float32(0.5), photo)

    photo = np.zeros((1600, 2000, 3), np.float32)
    hole = np.zeros((1600, 2000), np.bool_)
    hole[700:900, 900:1100] = True
    hole[100:300, 100 : 100 + COMPACT] = True
    leader = Leader(generate, photo, hole, None)
    thick, thin = Window(500, 700, 600, 600), Window(0, 0, 500, 400)
    leads = [
        leader.lead(window, Region(photo[part], hole[part], np.zeros_like(hole[part])))
        for window in (thick, thin)
        for part in [window.slices]
    ]
    assert seen == [(512, 512, 3)] and leads[1] is None
    assert leads[0] is not None and not leads[0].final
    assert leads[0].photo.shape == (600, 600, 3)
    inner = np.s_[202:398, 202:398]  # a shrunken pixel reaches over the rim
    np.testing.assert_allclose(leads[0].photo[inner], 0.5, atol=1e-6)
    assert not leads[0].photo[:190].any()


def test_the_window_is_three_times_the_hole_and_lies_in_the_picture() -> None:
    hole = np.ones((400, 100), np.bool_)
    place = choose_window(hole, Window(0, 1900, 400, 100), (3000, 2000))
    assert place == Window(0, 800, 1200, 1200)
    assert choose_window(hole, Window(0, 100, 400, 100), (900, 700)) == Window(0, 0, 900, 700)


def test_workers_use_the_file_that_was_chosen_or_fail(fetched: Path) -> None:
    settings = choose_parts(FillSettings(options=FillOptions(generator="auto")))
    assert isinstance(settings.options.generator, GeneratorFile)
    filler = mendpix.load("auto", generator="auto")
    sent = pickle.dumps(filler)
    photo, hole = scene()
    np.testing.assert_array_equal(pickle.loads(sent)(photo, hole), filler(photo, hole))
    constant(fetched, card={**CARD, "another": True})
    with pytest.raises(WeightsError, match=r"grey \(sha256 .* chosen for this job but .* there; "):
        pickle.loads(sent)(photo, hole)
    fetched.unlink()
    with pytest.raises(WeightsError, match=r"is not there; fetch the same file, or use"):
        pickle.loads(pickle.dumps(settings.options.generator)).check()


def test_the_summary_names_it(fetched: Path, tmp_path: Path) -> None:
    import json

    photo, hole = scene()
    files = [str(tmp_path / name) for name in ("photo.png", "mask.png")]
    for path, pixels in zip(files, (photo * 255, hole * np.float32(255)), strict=True):
        from PIL import Image

        Image.fromarray(pixels.astype(np.uint8)).save(path)
    for choice, name in (("auto", "grey"), ("none", None)):
        run = CliRunner().invoke(app, ["fill", *files, "--json", "--force", "--generator", choice])
        generator = json.loads(run.stdout)["generator"]
        assert (generator and generator["name"]) == name


def test_a_fill_without_one_imports_nothing_for_it(tmp_path: Path) -> None:
    code = (
        "import sys, mendpix; mendpix.load('auto', generator='none');"
        "assert 'mendpix.inpainting.hybrid.leading' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
