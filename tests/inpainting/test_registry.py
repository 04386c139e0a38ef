"""The contract of fillers: names, channels, checks, and known values that come back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mendpix import MendError, load
from mendpix.errors import MaskError, TensorError
from mendpix.inpainting.opencv import NavierStokes, Telea
from mendpix.inpainting.registry import BUILT_IN, CheckedFiller

NAMES = ["telea", "navier-stokes", "mean-colour", "patchmatch"]


def scene(channels: int = 3, size: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """A smooth photo with grain, and a hole that touches the border."""
    rng = np.random.default_rng(channels)
    y, x = np.mgrid[:size, : size + 8] / (size + 8)
    planes = [np.sin(3 * x + i) * np.cos(5 * y) * 0.4 + 0.5 for i in range(channels)]
    photo = np.stack(planes, axis=2) + rng.normal(0, 0.01, (size, size + 8, channels))
    hole = np.zeros(photo.shape[:2], bool)
    hole[5:14, 8:20] = hole[30:, :6] = True
    return photo.clip(0, 1).astype(np.float32), hole


class Vandal:
    """Changes everything, and remembers what it was shown."""

    channels: ClassVar[Literal[3, "any"]] = "any"

    def __init__(self, value: float = 0.25) -> None:
        self.value = value
        self.seen: list[tuple[np.ndarray, np.ndarray]] = []

    def __call__(
        self, photo: np.ndarray, hole: np.ndarray, progress: Callable[[float], None] | None = None
    ) -> np.ndarray:
        self.seen.append((photo.copy(), hole.copy()))
        photo[:] = self.value
        if progress is not None:
            progress(1.0)
        return photo


class Three(Vandal):
    channels: ClassVar[Literal[3, "any"]] = 3


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_known_values_come_back_and_the_hole_is_filled(name: str, channels: int) -> None:
    photo, hole = scene(channels)
    filled = load(name)(photo, hole)
    assert filled.dtype == np.float32
    np.testing.assert_array_equal(filled[~hole], photo[~hole])
    assert np.isfinite(filled).all()
    assert (filled[hole] >= 0).all()
    assert (filled[hole] <= 1).all()


@pytest.mark.parametrize("name", NAMES)
def test_what_lies_under_the_hole_is_never_looked_at(name: str) -> None:
    photo, hole = scene()
    other = photo.copy()
    other[hole] = np.nan
    np.testing.assert_array_equal(load(name)(photo, hole), load(name)(other, hole))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_missing_is_a_copy(name: str) -> None:
    photo, hole = scene()
    filled = load(name)(photo, np.zeros_like(hole))
    np.testing.assert_array_equal(filled, photo)
    assert filled is not photo


@pytest.mark.parametrize("name", NAMES)
def test_unusable_known_pixels_are_no_source_and_come_back(name: str) -> None:
    photo, hole = scene()
    photo[:, 30:] = np.nan
    filled = load(name)(photo, hole)
    assert np.isfinite(filled[hole]).all()
    np.testing.assert_array_equal(filled[~hole], photo[~hole])


@given(
    photo=arrays.arrays(np.float32, (6, 7, 3), elements=st.floats(0, 1, width=32)),
    hole=arrays.arrays(np.bool_, (6, 7)),
)
@settings(max_examples=60, deadline=None)
def test_any_hole_keeps_the_rest(photo: np.ndarray, hole: np.ndarray) -> None:
    hole[0, 0] = False
    filled = CheckedFiller(Vandal())(photo, hole)
    np.testing.assert_array_equal(filled[~hole], photo[~hole])
    assert (filled[hole] == 0.25).all()


def test_a_filler_for_three_channels_gets_one_at_a_time() -> None:
    photo, hole = scene(2)
    inner = Three()
    filled = CheckedFiller(inner)(photo, hole)
    assert [seen.shape for seen, _ in inner.seen] == [(40, 48, 3)] * 2
    for channel, (seen, _) in enumerate(inner.seen):
        for copy in range(3):
            np.testing.assert_array_equal(seen[~hole][:, copy], photo[~hole][:, channel])
    np.testing.assert_array_equal(filled[~hole], photo[~hole])


def test_progress_of_channels_adds_up() -> None:
    photo, hole = scene(4)
    told: list[float] = []
    CheckedFiller(Three())(photo, hole, told.append)
    assert told == [0.25, 0.5, 0.75, 1.0]


def test_values_that_are_no_numbers_are_refused() -> None:
    photo, hole = scene()
    with pytest.raises(MendError, match="Vandal gave values that are no numbers"):
        CheckedFiller(Vandal(np.nan))(photo, hole)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p, h: (p[..., 0], h), r"must be float32 \(H, W, C\)"),
        (lambda p, h: (p.astype(np.float64), h), "photo is float64"),
        (lambda p, h: (p * 255, h), r"must lie in \[0, 1\]; divide by 255"),
        (lambda p, h: (p, h.astype(np.uint8)), "hole is uint8"),
        (lambda p, h: (p, h[:-1]), r"shape \(39, 48\) but must be bool \(40, 48\)"),
    ],
)
def test_wrong_arrays_are_one_line(change: Any, message: str) -> None:
    with pytest.raises(TensorError, match=message) as caught:
        load("telea")(*change(*scene()))
    assert "\n" not in str(caught.value)


def test_everything_missing_is_refused() -> None:
    photo, hole = scene()
    with pytest.raises(MaskError, match="all 1920 pixels are missing"):
        load("telea")(photo, np.ones_like(hole))


def test_names_that_are_not_there() -> None:
    with pytest.raises(MendError, match="did you mean patchmatch"):
        load("patchmach")
    with pytest.raises(MendError, match="known are auto, patchmatch"):
        load("no/such/file.safetensors")
    with pytest.raises(MendError, match="telea has no option 'guide'; it takes radius"):
        load("telea", guide=None)
    with pytest.raises(MendError, match="runs on the CPU, not on cuda"):
        load("patchmatch", device="cuda")


def test_options_reach_the_filler() -> None:
    assert isinstance(load("navier-stokes", radius=5).inner, NavierStokes)
    assert load("telea", radius=7.0).inner.radius == 7.0  # type: ignore[attr-defined]
    assert load("patchmatch", seed=3, threads=1).inner.seed == 3  # type: ignore[attr-defined]
    assert set(BUILT_IN) >= {"auto", *NAMES}


def test_a_file_that_is_no_weights_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "photo.safetensors"
    path.write_bytes(b"not weights at all")
    with pytest.raises(MendError, match=r"photo\.safetensors") as caught:
        load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("filler", "flag"), [(Telea(), cv2.INPAINT_TELEA), (NavierStokes(), cv2.INPAINT_NS)]
)
def test_eight_bit_colour_is_what_opencv_gives(filler: Telea, flag: int) -> None:
    photo, hole = scene()
    bytes_ = (photo * 255).round().astype(np.uint8)
    expected = cv2.inpaint(bytes_, hole.astype(np.uint8), 3, flag)
    filled = filler(bytes_ / np.float32(255), hole)
    np.testing.assert_array_equal((filled * 255).round().astype(np.uint8), expected)


def test_telea_keeps_more_than_eight_bits() -> None:
    photo = np.linspace(0.5, 0.502, 64, dtype=np.float32)[None, :, None].repeat(32, axis=0)
    hole = np.zeros((32, 64), bool)
    hole[10:20, 20:40] = True
    filled = load("telea")(photo, hole)
    assert np.abs(filled - photo).max() < 1 / 255 / 4
    assert len(np.unique(filled[hole])) > 10


def test_mean_colour_is_the_mean_of_what_is_known() -> None:
    photo, hole = scene()
    filled = load("mean-colour")(photo, hole)
    expected = photo[~hole].astype(np.float64).mean(axis=0)
    np.testing.assert_allclose(filled[hole], np.broadcast_to(expected, (hole.sum(), 3)), atol=1e-6)
