"""Any kind of picture in, the same kind out, and no value outside the hole changed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import mendpix
from mendpix.errors import MaskError, PictureError, TensorError
from mendpix.inpainting.filling import fill_picture
from mendpix.inpainting.registry import load
from mendpix.io import files
from mendpix.io.picture import Picture

SHAPE = (24, 30)


def hole() -> np.ndarray:
    marked = np.zeros(SHAPE, bool)
    marked[6:14, 8:19] = marked[20:, 25:] = True
    return marked


def values(dtype: Any, channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(channels)
    made = rng.random((*SHAPE, channels))
    if np.issubdtype(dtype, np.integer):
        return (made * np.iinfo(dtype).max).astype(dtype)
    return made.astype(dtype)


def same_outside(before: np.ndarray, after: np.ndarray) -> None:
    assert after.dtype == before.dtype
    assert after.shape == before.shape
    np.testing.assert_array_equal(after[~hole()], before[~hole()])


@pytest.mark.parametrize("model", ["patchmatch", "telea", "navier-stokes", "mean-colour"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("channels", [0, 1, 3, 4])
def test_arrays_keep_their_kind(model: str, dtype: Any, channels: int) -> None:
    before = values(dtype, channels) if channels else values(dtype, 1)[..., 0]
    after = mendpix.fill(before, hole(), model=model)
    same_outside(before, after)
    assert (after[hole()] != before[hole()]).any()


def test_eight_bands_are_eight_bands() -> None:
    before = values(np.uint16, 8)
    same_outside(before, mendpix.fill(before, hole(), model="telea"))


def test_floats_beyond_the_unit_range_survive() -> None:
    before = values(np.float32) * 5000 - 100
    before[0, 0] = np.nan
    before[0, 1] = np.inf
    after = mendpix.fill(before, hole(), model="telea")
    same_outside(before, after)
    known = before[~hole()]
    known = known[np.isfinite(known)]
    assert known.min() <= after[hole()].min()
    assert after[hole()].max() <= known.max()


def test_alpha_is_kept_and_the_colour_under_it_filled() -> None:
    before = values(np.uint8, 4)
    before[..., :3] = 90
    before[hole(), :3] = 200
    after = mendpix.fill(before, hole(), model="patchmatch")
    np.testing.assert_array_equal(after[..., 3], before[..., 3])
    assert (after[hole()][:, :3] == 90).all()


def test_transparent_pixels_are_no_source() -> None:
    before = np.full((*SHAPE, 4), 90, np.uint8)
    before[:, 22:] = (255, 0, 255, 0)
    before[..., 3][:, :22] = 255
    for model in ("patchmatch", "telea", "mean-colour"):
        after = mendpix.fill(before, hole(), model=model)
        same_outside(before, after)
        assert (np.abs(after[hole()][:, :3].astype(int) - 90) <= 3).all(), model


def test_where_all_is_transparent_its_colours_are_the_source() -> None:
    before = np.full((*SHAPE, 4), 90, np.uint8)
    before[..., 3] = 0
    after = mendpix.fill(before, hole(), model="mean-colour")
    assert (after[hole()] == (90, 90, 90, 0)).all()


def test_from_alpha_makes_the_filled_opaque_and_nothing_else() -> None:
    before = np.full((*SHAPE, 4), 90, np.uint8)
    before[..., 3] = 200
    before[hole()] = (0, 0, 0, 127)
    before[0, :, 3] = 128
    with pytest.warns(UserWarning, match="partly transparent, apart from what is marked"):
        after = mendpix.fill(before, from_alpha=True, model="mean-colour")
    assert (after[hole()][:, 3] == 255).all()
    assert (after[hole()][:, 0] == 90).all()
    same_outside(before, after)


def test_paths_give_a_pillow_image_and_write_only_when_asked(tmp_path: Path) -> None:
    photo, mask, out = (tmp_path / name for name in ("photo.png", "mask.png", "out.png"))
    Image.fromarray(values(np.uint8)).save(photo)
    Image.fromarray(hole().astype(np.uint8) * 255).save(mask)
    filled: Any = mendpix.fill(photo, mask, model="telea")
    assert isinstance(filled, Image.Image)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mask.png", "photo.png"]
    same_outside(values(np.uint8), np.asarray(filled))
    mendpix.fill(str(photo), mask, model="telea", out=out)
    np.testing.assert_array_equal(np.asarray(Image.open(out)), np.asarray(filled))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "I;16", "F"])
def test_pillow_images_keep_their_mode(mode: str) -> None:
    made = {"I;16": values(np.uint16, 1)[..., 0], "F": values(np.float32, 1)[..., 0]}
    before = Image.fromarray(made[mode]) if mode in made else Image.fromarray(values(np.uint8, 4))
    before = before if before.mode == mode else before.convert(mode)
    after = mendpix.fill(before, hole(), model="telea")
    assert after.mode == mode
    same_outside(np.asarray(before), np.asarray(after))


def test_a_picture_stays_a_picture() -> None:
    before = Picture(values(np.uint16), name="scan")
    after = mendpix.fill(before, hole(), model="telea")
    assert after.name == "scan"
    same_outside(before.pixels, after.pixels)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_tensors_keep_their_kind_and_each_its_own_hole(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    photo = torch.rand(2, 3, *SHAPE).to(dtype)
    mask = torch.zeros(2, 1, *SHAPE)
    mask[0, :, 4:9, 5:12] = mask[1, :, 15:20, 20:] = 1
    filled = mendpix.fill(photo, mask, model="telea")
    assert filled.dtype == dtype
    known = (mask == 0).expand_as(photo)
    assert torch.equal(filled[known], photo[known])
    assert (filled[~known] != photo[~known]).float().mean() > 0.9
    whole = mendpix.fill(photo, mask[:1], model="telea")
    assert torch.equal(whole[0], filled[0])
    assert not torch.equal(whole[1], filled[1])


def test_a_tensor_is_filled_like_its_array() -> None:
    array = values(np.float32)
    tensor = torch.from_numpy(array.transpose(2, 0, 1).copy())[None]
    filled = mendpix.fill(tensor, hole(), model="telea")
    expected = mendpix.fill(array, hole(), model="telea")
    np.testing.assert_array_equal(filled[0].permute(1, 2, 0).numpy(), expected)


def test_masks_of_every_kind_mark_the_same() -> None:
    before = values(np.uint8)
    expected = mendpix.fill(before, hole(), model="telea")
    grey = hole().astype(np.uint8) * 255
    for mask in (grey, Image.fromarray(grey), hole().astype(np.float32), Picture(grey[..., None])):
        np.testing.assert_array_equal(mendpix.fill(before, mask, model="telea"), expected)
    inverted = mendpix.fill(before, ~hole(), invert=True, model="telea")
    np.testing.assert_array_equal(inverted, expected)


def test_growing_and_fitting_the_mask() -> None:
    before = values(np.uint8)
    double = np.kron(hole(), np.ones((2, 2), bool))
    np.testing.assert_array_equal(
        mendpix.fill(before, double, fit_mask=True, model="telea"),
        mendpix.fill(before, hole(), model="telea"),
    )
    grown = mendpix.fill(before, hole(), grow=2, model="mean-colour")
    assert 1.3 < (grown != before).any(axis=2).sum() / hole().sum() < 2.5


def test_any_callable_is_a_filler() -> None:
    class Black:
        channels = "any"

        def __call__(self, photo: Any, hole: Any, progress: Any = None) -> Any:
            return np.zeros_like(photo)

    before = values(np.uint8)
    after = mendpix.fill(before, hole(), model=Black())  # type: ignore[arg-type]
    same_outside(before, after)
    assert not after[hole()].any()


def test_an_empty_mask_warns_and_copies() -> None:
    before = values(np.uint8)
    with pytest.warns(UserWarning, match="nothing to fill"):
        after = mendpix.fill(before, np.zeros(SHAPE, bool))
    np.testing.assert_array_equal(after, before)


def test_what_cannot_be_done_is_one_line() -> None:
    before = values(np.uint8)
    with pytest.raises(MaskError, match="has no mask"):
        mendpix.fill(before)
    with pytest.raises(MaskError, match="choose one of them"):
        mendpix.fill(before, hole(), from_alpha=True)
    with pytest.raises(MaskError, match="marks everything"):
        mendpix.fill(before, np.ones(SHAPE, bool))
    with pytest.raises(PictureError, match="a list is no photo"):
        mendpix.fill([1, 2], hole())
    with pytest.raises(TensorError, match=r"floating point \(N, C, H, W\)"):
        mendpix.fill(torch.zeros(3, 4, 4), hole())
    with pytest.raises(MaskError, match=r"must be \(2, 1, H, W\)"):
        mendpix.fill(torch.zeros(2, 3, *SHAPE), torch.zeros(3, 1, *SHAPE))
    with pytest.raises(TensorError, match="leave these options out"):
        mendpix.fill(torch.zeros(1, 3, *SHAPE), hole(), from_alpha=True)


def test_same_seed_same_bytes() -> None:
    before = values(np.uint8)
    first, second = (mendpix.fill(before, hole(), seed=5) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_cancelled_fill_stops() -> None:
    def stop(share: float) -> None:
        raise mendpix.errors.Cancelled  # type: ignore[attr-defined]

    with pytest.raises(mendpix.errors.Cancelled):  # type: ignore[attr-defined]
        fill_picture(Picture(values(np.uint8)), hole(), load("patchmatch"), progress=stop)


def test_a_photo_is_never_written_over(tmp_path: Path) -> None:
    photo, mask = tmp_path / "photo.png", tmp_path / "mask.png"
    Image.fromarray(values(np.uint8)).save(photo)
    Image.fromarray(hole().astype(np.uint8) * 255).save(mask)
    before = photo.read_bytes()
    for out in (photo, mask):
        with pytest.raises(mendpix.MendError, match="write to another file"):
            mendpix.fill(photo, mask, out=out)
    assert photo.read_bytes() == before


def test_a_path_to_deep_colour_warns_that_pillow_rounds(tmp_path: Path) -> None:
    photo = tmp_path / "photo.tif"
    files.write(photo, Picture(values(np.uint16)))
    with pytest.warns(UserWarning, match="rounds uint16 colours to 8 bits"):
        mendpix.fill(photo, hole(), model="telea")
    mendpix.fill(photo, hole(), model="telea", out=tmp_path / "out.tif")
    filled = files.read(tmp_path / "out.tif")
    same_outside(values(np.uint16), filled.pixels)


def test_a_model_is_a_name_a_path_or_a_filler() -> None:
    with pytest.raises(mendpix.MendError, match="model is a int"):
        mendpix.fill(values(np.uint8), hole(), model=3)  # type: ignore[arg-type]
