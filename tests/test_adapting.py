"""A network fine-tuned on the picture that it is to fill."""

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import mendpix
from mendpix import batch, cli, features, fillers
from mendpix.adapting import Adapting, Course, learning, scenes
from mendpix.errors import Cancelled, MaskError, MendError
from mendpix.losses import L1, WeightedSum
from mendpix.networks import Mender, PartialUNet, weights
from mendpix.networks.filler import NetworkFiller
from mendpix.networks.mender import MenderOptions
from mendpix.networks.partial_unet import PartialUNetOptions

Photo = scenes.Photo

QUICK = Course(steps=3, batch=2, size=64)


def grainy(height: int = 160, width: int = 192, channels: int = 3) -> Photo:
    """Soft shades under strong noise: PatchMatch copies noise, and the likeliest fill has none."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    shades = 0.5 + 0.1 * np.sin(columns / 40) * np.cos(rows / 30)
    noise = np.random.default_rng(4).normal(size=(height, width)).astype(np.float32)
    tints = np.linspace(0.7, 1.0, channels, dtype=np.float32)
    return np.asarray((shades + 0.12 * noise)[..., None] * tints, np.float32).clip(0, 1)


def middle(photo: Photo) -> scenes.Hole:
    hole = np.zeros(photo.shape[:2], bool)
    hole[60:90, 70:120] = True
    return hole


def small(path: Path, start: str = "patchmatch") -> Path:
    torch.manual_seed(1)
    return weights.save(path / "small.safetensors", Mender(MenderOptions(width=4, start=start)))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def colours_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Learning goes by colours, for machines without VGG-16's weights."""
    colours = WeightedSum({"pixel": (1.0, L1("hole", divide="region"))})
    monkeypatch.setattr(learning, "objective", lambda: colours)


def test_without_feature_weights_one_line_says_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(features, "find", lambda name: None)
    with pytest.raises(MendError, match=r"VGG-16.*run: mendpix weights get vgg16$"):
        learning.objective()


def test_scenes_are_drawn_in_what_is_known() -> None:
    photo = grainy()
    hole = middle(photo)
    photo[:20, :30] = np.nan
    photo[hole] = 7.0  # whatever lies there must not be looked at
    maker = scenes.Scenes(photo, hole, seed=3)
    for number in range(4):
        scene = maker.scene(number)
        drawn = scene.drawn
        apart = cv2.dilate(hole.astype(np.uint8), np.ones((17, 17), np.uint8)) > 0
        assert drawn.any() and not (drawn & apart).any()
        assert np.array_equal(scene.missing, hole | drawn)
        assert np.array_equal(scene.truth[drawn], photo[drawn])
        assert np.array_equal(scene.truth[~drawn], scene.shown[~drawn])
        assert np.isfinite(scene.shown).all() and scene.shown.max() <= 1
        known = ~scene.missing & np.isfinite(photo[..., 0])
        assert np.array_equal(scene.shown[known], photo[known])


def test_what_is_copied_into_scenes_is_never_the_real_hole() -> None:
    """A colour that only the real hole has comes up nowhere."""
    photo = grainy()
    hole = middle(photo)
    photo[hole] = (1.0, 0.0, 0.0)
    for number in range(3):
        scene = scenes.Scenes(photo, hole, seed=1).scene(number)
        for layer in (scene.shown, scene.truth):
            assert not ((layer[..., 0] > 0.5) & (layer[..., 2] < 0.5)).any()


def test_a_scene_is_the_same_whenever_it_is_asked_for() -> None:
    photo = grainy()
    one, two = (scenes.Scenes(photo, middle(photo), seed=5) for _ in range(2))
    late, other = one.scene(2), two.scene(0)
    for layer, again, third in zip(late, two.scene(2), other, strict=True):
        assert np.array_equal(layer, again)
        assert layer.shape == third.shape
    assert not np.array_equal(late.drawn, other.drawn)


def test_drawn_holes_are_about_as_deep_as_the_real_one() -> None:
    photo = grainy(400, 400)
    thin, thick = (np.zeros((400, 400), bool) for _ in range(2))
    thin[100:104, 50:300] = True
    thick[100:220, 100:220] = True
    depths = [
        np.mean([scenes.depth(scenes.Scenes(photo, hole).scene(n).drawn) for n in range(3)])
        for hole in (thin, thick)
    ]
    assert depths[1] > 1.5 * depths[0]


def test_large_pictures_are_looked_at_near_the_hole() -> None:
    photo = grainy(1500, 700)
    hole = np.zeros(photo.shape[:2], bool)
    hole[40:60, 300:330] = True
    photo[900:] = np.nan  # far from the hole: a window there would find nothing to learn from
    for number in range(3):
        scene = scenes.Scenes(photo, hole).scene(number)
        assert scene.drawn.shape == (scenes.SIDE, scenes.SIDE)
        assert np.array_equal(scene.truth[scene.drawn], scene.truth[scene.drawn].clip(0, 1))


@pytest.mark.parametrize(
    ("shape", "known"), [((200, 200), 60), ((31, 400), None), ((40, 40), None)]
)
def test_too_little_to_learn_from_is_refused(shape: tuple[int, int], known: int | None) -> None:
    photo = grainy(*shape)
    hole = np.zeros(shape, bool)
    hole[5:10, 5:10] = True
    if known is not None:
        hole[:] = True
        hole[:known, :known] = False
    with pytest.raises(MaskError, match=r"too little .* to adapt to .*leave out --adapt$"):
        scenes.Scenes(photo, hole)


def test_no_room_for_another_hole_is_refused() -> None:
    """Known pixels enough, but all of them next to the hole."""
    photo = grainy(256, 256)
    hole = np.ones((256, 256), bool)
    hole[::12] = False
    with pytest.raises(MaskError, match=r"no window has room"):
        scenes.Scenes(photo, hole).scene(0)


def loss_on_fresh_holes(network: nn.Module, maker: scenes.Scenes, measure: nn.Module) -> float:
    """What a network's corrections of scenes that it has not learned from cost."""
    fresh = [maker.scene(number) for number in range(100, 103)]
    course = Course(batch=12, size=64)
    with torch.no_grad():
        return float(learning.error(network, measure, learning.batch(fresh, course, 9, 0)))  # type: ignore[arg-type]


def check_it_learns(network: nn.Module, course: Course) -> None:
    photo = grainy()
    hole = middle(photo)
    photo[hole] = 0
    maker = scenes.Scenes(photo, hole, seed=2)
    measure = learning.objective()
    before = loss_on_fresh_holes(network, maker, measure)
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    made = learning.adapted(network, maker, course)
    after = loss_on_fresh_holes(made, maker, measure)
    assert after < 0.97 * before
    assert all(torch.equal(value, kept[name]) for name, value in network.state_dict().items())
    assert not made.training


def test_the_loss_on_fresh_holes_of_the_picture_falls(colours_only: None) -> None:
    torch.manual_seed(0)
    check_it_learns(Mender(MenderOptions(width=4)), Course(steps=60, rate=3e-3, size=64))


def test_the_bundled_network_learns_from_a_picture(shared: Path) -> None:
    """With VGG-16's features, as the bundled network was trained."""
    if features.find("vgg16") is None:
        pytest.skip("VGG-16's weights are not at hand")
    assert len(learning.objective().terms) == 2  # type: ignore[arg-type]
    check_it_learns(Adapting().network, Course(steps=25, size=64))


def test_steps_give_the_same_weights_again(colours_only: None) -> None:
    photo = grainy()
    hole = middle(photo)
    photo[hole] = 0
    network = Mender(MenderOptions(width=4))
    one, two, more = (
        learning.adapted(network, scenes.Scenes(photo, hole, seed=1), course)
        for course in (QUICK, QUICK, Course(steps=4, batch=2, size=64))
    )
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not all(
        torch.equal(a, b) for a, b in zip(one.parameters(), more.parameters(), strict=True)
    )


def test_seconds_are_kept_and_told(colours_only: None) -> None:
    photo = grainy()
    told: list[float] = []
    maker = scenes.Scenes(photo, middle(photo))
    learning.adapted(Mender(MenderOptions(width=4)), maker, Course(seconds=0.3), told.append)
    assert told == sorted(told) and told[-1] == 1.0 and all(share <= 1 for share in told)


def test_a_loss_that_is_no_number_is_said(colours_only: None) -> None:
    network = Mender(MenderOptions(width=4))
    nn.init.constant_(network.exit.weight, float("nan"))
    photo = grainy()
    with pytest.raises(MendError, match=r"adapting failed at step 1"):
        learning.adapted(network, scenes.Scenes(photo, middle(photo)), QUICK)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_any_channels_and_known_values_as_they_were(
    tmp_path: Path, colours_only: None, channels: int
) -> None:
    photo = grainy(channels=channels)
    hole = middle(photo)
    filler = fillers.Faithful(Adapting(small(tmp_path), QUICK))
    filled = filler(photo, hole)
    assert np.array_equal(filled[~hole], photo[~hole])
    assert np.isfinite(filled).all() and filled.shape == photo.shape
    if channels == 1:
        assert np.array_equal(filled, filler(photo, hole))


def test_learning_changes_the_fill(tmp_path: Path, colours_only: None) -> None:
    """A fresh network gives back PatchMatch's fill; one that has learned corrects it."""
    photo = grainy()
    hole = middle(photo)
    plain = mendpix.load("patchmatch")(photo, hole)
    course = Course(steps=60, size=64, rate=3e-3)
    made = fillers.Faithful(Adapting(small(tmp_path), course))(photo, hole)
    assert not np.array_equal(made[hole], plain[hole])
    assert np.abs(made - photo)[hole].mean() < np.abs(plain - photo)[hole].mean()


def test_candidates_come_from_one_adapted_network(tmp_path: Path, colours_only: None) -> None:
    photo = grainy()
    hole = middle(photo)
    told: list[float] = []
    filler = fillers.Faithful(Adapting(small(tmp_path), QUICK))
    several = list(filler.tries(photo, hole, 2, told.append))
    assert len(several) == 2 and told == sorted(told)
    assert not np.array_equal(*several)


def stopping(at: float) -> Callable[[float], None]:
    def progress(share: float) -> None:
        if share >= at:
            raise Cancelled

    return progress


def test_it_can_be_stopped_while_it_learns(tmp_path: Path, colours_only: None) -> None:
    photo = grainy()
    with pytest.raises(Cancelled):
        Adapting(small(tmp_path), QUICK)(photo, middle(photo), stopping(0.2))


def test_without_a_hole_nothing_is_learned(tmp_path: Path) -> None:
    photo = grainy()
    never = stopping(0.0)
    filled = Adapting(small(tmp_path))(photo, np.zeros(photo.shape[:2], bool), never)
    assert np.array_equal(filled, photo)


def test_a_refined_fill_is_what_the_network_makes_of_it(tmp_path: Path) -> None:
    """A PyTorch filler goes over a fill of any size as the network itself does."""
    photo, network = grainy(48, 64), Mender(MenderOptions(width=4))
    nn.init.normal_(network.exit.weight, std=0.01)
    hole = np.zeros((48, 64), bool)
    hole[10:30, 20:40] = True
    made = weights.load(weights.save(tmp_path / "w.safetensors", network))[0]
    refined = NetworkFiller(made).refine(photo, hole)
    with torch.inference_mode():
        seen = torch.from_numpy(photo.transpose(2, 0, 1))[None]
        wanted = made(seen, torch.from_numpy(hole)[None, None].float()).image[0]
    assert np.array_equal(refined[~hole], photo[~hole])
    np.testing.assert_allclose(
        refined[hole], wanted.clamp(0, 1).permute(1, 2, 0).numpy()[hole], atol=1e-6
    )


@pytest.mark.parametrize("name", ["patchmatch", "migan", "nowhere.safetensors"])
def test_what_cannot_adapt_is_refused(name: str) -> None:
    with pytest.raises(MendError, match=r"--adapt takes auto"):
        Adapting(name)


def test_another_network_is_refused(tmp_path: Path) -> None:
    path = weights.save(
        tmp_path / "u.safetensors", PartialUNet(PartialUNetOptions(levels=2, width=4))
    )
    with pytest.raises(MendError, match=r"partial-unet, which cannot be adapted; --adapt takes"):
        Adapting(path)


def written(folder: Path) -> tuple[Path, Path, scenes.Hole]:
    photo = grainy()
    hole = middle(photo)
    Image.fromarray((photo * 255).astype(np.uint8)).save(folder / "photo.png")
    Image.fromarray(hole).save(folder / "mask.png")
    return folder / "photo.png", folder / "mask.png", hole


def test_the_command_adapts_and_keeps_known_pixels(
    tmp_path: Path, colours_only: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, mask, hole = written(tmp_path)
    model = str(small(tmp_path))
    fills = []
    for name in ("one.png", "two.png"):
        out = tmp_path / name
        words = ["fill", str(photo), str(mask), "-o", str(out), "--adapt-steps", "2", "-m", model]
        monkeypatch.setattr(sys, "argv", ["mendpix", *words])
        with contextlib.suppress(SystemExit):
            cli.main()
        fills.append(np.asarray(Image.open(out)))
    assert np.array_equal(*fills)
    assert np.array_equal(fills[0][~hole], np.asarray(Image.open(photo))[~hole])


def test_the_command_refuses_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, mask, _ = written(tmp_path)
    words = ["fill", str(photo), str(mask), "--adapt", "5", "--model", "telea"]
    monkeypatch.setattr(sys, "argv", ["mendpix", *words])
    with pytest.raises(SystemExit) as left:
        cli.main()
    said = capsys.readouterr().err.strip().splitlines()
    assert left.value.code == 2 and len(said) == 1
    assert "telea" in said[0] and "--adapt takes auto" in said[0]


def test_without_torch_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("mendpix.adapting")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MendError, match=r"--adapt needs PyTorch.*pip install 'mendpix\[train\]'"):
        batch.loaded(batch.Settings(adapt=1.0))
