"""What a network is shown of a picture, and what becomes of its answer."""

import numpy as np
import pytest

from mendpix.errors import TensorError
from mendpix.inpainting import input_requirements
from mendpix.inpainting.input_requirements import InputRequirements
from mendpix.types import Hole, Photo, Progress


class Shown:
    """A network that answers with one value, and remembers what it was shown."""

    def __init__(self, value: float = 0.75) -> None:
        self.value = value
        self.photos: list[Photo] = []
        self.holes: list[Hole] = []

    def __call__(self, photo: Photo, hole: Hole, progress: Progress | None) -> Photo:
        self.photos.append(photo.copy())
        self.holes.append(hole.copy())
        return np.full_like(photo, self.value)


def noise(height: int, width: int) -> Photo:
    return np.random.default_rng(0).random((height, width, 3), dtype=np.float32)


def holed(shape: tuple[int, int], *boxes: tuple[int, int, int, int]) -> Hole:
    hole = np.zeros(shape, bool)
    for top, left, height, width in boxes:
        hole[top : top + height, left : left + width] = True
    return hole


def test_a_picture_of_the_very_size_is_shown_as_it_is() -> None:
    photo, hole = noise(64, 64), holed((64, 64), (0, 0, 9, 9), (30, 40, 20, 24))
    network = Shown()
    filled = input_requirements.fill(photo, hole, InputRequirements(size=64), network)
    assert len(network.photos) == 1
    np.testing.assert_array_equal(network.holes[0], hole)
    np.testing.assert_array_equal(network.photos[0][~hole], photo[~hole])
    assert (filled[hole] == 0.75).all()
    np.testing.assert_array_equal(filled[~hole], photo[~hole])


def test_a_smaller_picture_lies_in_the_middle_of_its_mirror_images() -> None:
    photo, hole = noise(40, 50), holed((40, 50), (10, 10, 5, 5))
    network = Shown()
    input_requirements.fill(photo, hole, InputRequirements(size=64), network)
    (seen,), (missing,) = network.photos, network.holes
    known = ~missing[12:52, 7:57]
    np.testing.assert_array_equal(missing[12:52, 7:57], hole)
    np.testing.assert_array_equal(seen[12:52, 7:57][known], photo[known])
    np.testing.assert_array_equal(seen[:12, 30:57], photo[:12, 23:][::-1])


def test_a_square_stays_within_a_larger_picture() -> None:
    photo, hole = noise(200, 200), holed((200, 200), (0, 150, 20, 50))
    network = Shown()
    input_requirements.fill(photo, hole, InputRequirements(size=128), network)
    np.testing.assert_array_equal(network.holes[0], hole[:128, 72:])
    known = ~hole[:128, 72:]
    np.testing.assert_array_equal(network.photos[0][known], photo[:128, 72:][known])


def test_parts_near_each_other_share_a_square_and_far_ones_do_not() -> None:
    hole = holed((300, 300), (10, 10, 8, 8), (10, 50, 8, 8), (40, 30, 8, 8), (200, 200, 9, 9))
    network = Shown()
    input_requirements.fill(noise(300, 300), hole, InputRequirements(size=128), network)
    assert len(network.holes) == 2
    assert network.holes[0].sum() == 3 * 64


def test_a_square_is_no_larger_than_the_picture_unless_the_network_is() -> None:
    photo, hole = noise(150, 180), holed((150, 180), (10, 10, 130, 160))
    network = Shown()
    input_requirements.fill(photo, hole, InputRequirements(size=64), network)
    assert 0.5 < network.holes[0].mean() < 0.85  # of 180x180, mirrored above and below


def test_a_start_is_made_before_padding_and_at_the_networks_scale() -> None:
    photo, hole = noise(30, 45), holed((30, 45), (5, 5, 6, 6), (24, 39, 6, 6))
    first, network = Shown(0.5), Shown()
    told: list[float] = []
    filled = input_requirements.fill(
        photo, hole, InputRequirements(multiple=16), network, first, told.append
    )
    assert first.photos[0].shape == (30, 45, 3) and network.photos[0].shape == (32, 48, 3)
    started = network.photos[0][:30, :45]
    assert (started[hole] == 0.5).all() and network.holes[0][30:, 40:].any()
    np.testing.assert_array_equal(started[~hole], photo[~hole])
    assert (filled[hole] == 0.75).all()
    assert told == [1.0]

    large = InputRequirements(multiple=16, largest=32 * 32)
    first, network = Shown(0.5), Shown()
    input_requirements.fill(
        noise(100, 100), holed((100, 100), (10, 10, 80, 80)), large, network, first
    )
    assert first.photos[0].shape[0] == 32


@pytest.mark.parametrize("size", [None, 64])
def test_nothing_known_is_no_work_for_a_start(size: int | None) -> None:
    first = Shown()
    input_requirements.fill(
        noise(40, 40), np.ones((40, 40), bool), InputRequirements(size=size), Shown(), first
    )
    assert not first.photos


@pytest.mark.parametrize("size", [None, 64])
@pytest.mark.parametrize("known", [0, 8])
def test_a_refiner_is_shown_what_fills_the_hole(size: int | None, known: int) -> None:
    """Though no pixel of the piece may be known."""
    photo, hole = noise(64, 64), holed((64, 64), (known, known, 64 - known, 64 - known))
    network = Shown()
    refined = input_requirements.refine(
        photo, hole, InputRequirements(multiple=16, size=size), network
    )
    np.testing.assert_array_equal(network.photos[0], photo)
    np.testing.assert_array_equal(network.holes[0], hole)
    assert (refined[hole] == 0.75).all()
    np.testing.assert_array_equal(refined[~hole], photo[~hole])


def test_a_refiner_wants_a_filled_photo() -> None:
    photo, hole = noise(40, 40), holed((40, 40), (10, 10, 8, 8))
    photo[12, 12] = np.nan
    with pytest.raises(TensorError, match="NaN or Inf in the hole; fill it before"):
        input_requirements.refine(photo, hole, InputRequirements(), Shown())
    photo[12, 12] = 1.5
    network = Shown()
    input_requirements.refine(photo, hole, InputRequirements(), network)
    assert (network.photos[0][12, 12] == 1).all()


def test_a_refiner_has_no_work_without_a_hole() -> None:
    photo, network = noise(40, 40), Shown()
    refined = input_requirements.refine(
        photo, np.zeros((40, 40), bool), InputRequirements(), network
    )
    np.testing.assert_array_equal(refined, photo)
    assert refined is not photo and not network.photos


def test_steps_are_told_in_order() -> None:
    hole = holed((400, 400), (10, 10, 8, 8), (300, 300, 8, 8))
    told: list[float] = []

    def run(photo: Photo, hole: Hole, progress: Progress | None) -> Photo:
        assert progress is not None
        progress(0.5)
        progress(1.0)
        return photo

    input_requirements.fill(
        noise(400, 400), hole, InputRequirements(size=64), run, progress=told.append
    )
    assert told == [0.25, 0.5, 0.5, 0.75, 1.0, 1.0]
