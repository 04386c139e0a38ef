"""Networks as fillers: any size, any hole, known pixels kept, everything undone in its place."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from layouts import draw_weights, layout
from PIL import Image
from torch import Tensor, nn

import mendpix
from mendpix.errors import Cancelled, MendError, TensorError, WeightsError
from mendpix.inpainting import windows
from mendpix.inpainting.torch import NetworkFiller, load_filler
from mendpix.networks import serialization
from mendpix.networks.context_encoder import (
    ContextEncoder,
    ContextEncoderOptions,
    RandomContextEncoder,
    RandomContextEncoderOptions,
)
from mendpix.networks.crfill import CRFill, CRFillOptions
from mendpix.networks.discriminators import ContextDiscriminator, ContextDiscriminatorOptions
from mendpix.networks.pan import PANInpainting, PANInpaintingOptions, PANOptions, PANUNet
from mendpix.networks.partial_unet import PartialUNet, PartialUNetOptions
from mendpix.networks.types import Prediction
from mendpix.types import Hole, Photo

torch.manual_seed(0)
NETWORKS: list[nn.Module] = [
    ContextEncoder(ContextEncoderOptions(4, 16)),
    RandomContextEncoder(RandomContextEncoderOptions(64, 4, 16, fill="noise")),
    PANUNet(PANOptions(width=4)),
    PANInpainting(PANInpaintingOptions(4, 16)),
    PartialUNet(PartialUNetOptions(5, 4)),
    CRFill(CRFillOptions(width=8)),
]


class Plane(nn.Module):
    """A network that continues a colour ramp: it fits a plane to the known pixels.

    Exact on a ramp, whatever was cut, padded or resized, so a fill that misses the ramp shows a
    mistake in what was done before or after the network.
    """

    multiple = 8

    def __init__(self, size: int | None = None, hole_side: int | None = None) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.asked: list[tuple[Tensor, Tensor]] = []
        if size is not None:
            self.size = size
        if hole_side is not None:
            self.hole_shape, self.hole_side = "centre", hole_side

    def forward(self, photo: Tensor, hole: Tensor) -> Prediction:
        self.asked.append((photo, hole))
        rows, columns = (torch.arange(n, dtype=torch.float64) for n in photo.shape[2:])
        grid = torch.meshgrid(rows, columns, indexing="ij")
        terms = torch.stack([*grid, torch.ones_like(grid[0])], dim=-1)
        known = hole[0, 0] == 0
        values = photo[0].permute(1, 2, 0).double()
        found = torch.linalg.lstsq(terms[known], values[known]).solution
        return Prediction((terms @ found).permute(2, 0, 1)[None].float() * self.scale)


def ramp(height: int, width: int) -> Photo:
    rows, columns = np.mgrid[0:height, 0:width] / max(height, width)
    return np.stack([rows, columns, 1 - (rows + columns) / 2], axis=-1).astype(np.float32)


def noise(height: int, width: int) -> Photo:
    return np.random.default_rng(0).random((height, width, 3), dtype=np.float32)


def holed(shape: tuple[int, int], *boxes: tuple[int, int, int, int]) -> Hole:
    """True in each box (top, left, height, width)."""
    hole = np.zeros(shape, bool)
    for top, left, height, width in boxes:
        hole[top : top + height, left : left + width] = True
    return hole


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: type(network).__name__)
@pytest.mark.parametrize("shape", [(150, 211), (37, 300), (5, 7)])
def test_any_picture_is_filled_and_known_pixels_stay(
    network: nn.Module, shape: tuple[int, int]
) -> None:
    photo = noise(*shape)
    hole = holed(shape, (1, 2, 3, 4), (shape[0] // 2, shape[1] // 2, 2, 9), (0, shape[1] - 1, 1, 1))
    filler = NetworkFiller(network)
    filled = filler(photo, hole)
    assert filled.shape == photo.shape and filled.dtype == np.float32
    np.testing.assert_array_equal(filled[~hole], photo[~hole])
    assert filled.min() >= 0 and filled.max() <= 1
    assert (filled[hole] != photo[hole]).any(axis=1).all()
    np.testing.assert_array_equal(filler(photo, hole), filled)
    hidden = photo.copy()
    hidden[hole] = np.nan
    np.testing.assert_array_equal(filler(hidden, hole), filled)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: type(network).__name__)
def test_no_hole_gives_a_copy_and_all_hole_a_picture(network: nn.Module) -> None:
    photo = noise(40, 60)
    filler = NetworkFiller(network)
    none = filler(photo, np.zeros((40, 60), bool))
    np.testing.assert_array_equal(none, photo)
    assert none is not photo
    assert np.isfinite(filler(photo, np.ones((40, 60), bool))).all()


def test_a_whole_picture_is_given_as_it_is_but_for_padding() -> None:
    network = CRFill(CRFillOptions(width=8)).eval()
    photo, hole = noise(33, 50), holed((33, 50), (10, 12, 9, 20))
    padded, missing = windows.pad(photo, 4), windows.pad(hole, 4)
    with torch.no_grad():
        made = network(
            torch.from_numpy(padded).permute(2, 0, 1)[None],
            torch.from_numpy(missing)[None, None].float(),
        ).image
    wanted = made[0].clamp(0, 1).permute(1, 2, 0).numpy()[:33, :50]
    filled = NetworkFiller(network)(photo, hole)
    np.testing.assert_allclose(filled[hole], wanted[hole], rtol=0, atol=1e-6)


def test_large_pictures_go_by_windows() -> None:
    photo = ramp(700, 900)
    hole = holed((700, 900), (100, 100, 30, 40), (500, 700, 20, 60))
    network = Plane()
    filled = NetworkFiller(network, largest=400 * 400)(photo, hole)
    np.testing.assert_allclose(filled, photo, rtol=0, atol=1e-3)  # mirrored rows bend the ramp
    assert len(network.asked) == 2
    assert all(asked.shape[2] * asked.shape[3] < 400 * 400 for asked, _ in network.asked)


def test_a_window_that_is_too_large_is_filled_at_a_lower_resolution() -> None:
    photo, hole = ramp(600, 800), holed((600, 800), (150, 200, 300, 400))
    network = Plane()
    filled = NetworkFiller(network, largest=256 * 256)(photo, hole)
    np.testing.assert_allclose(filled, photo, rtol=0, atol=5e-3)
    asked, _ = network.asked[0]
    assert asked.shape[2] * asked.shape[3] < 1.1 * 256 * 256


@pytest.mark.parametrize("box", [(180, 250, 40, 30), (150, 200, 90, 140), (200, 300, 1, 1)])
@pytest.mark.parametrize("hole_side", [56, None])
def test_one_size_networks_see_a_square_around_the_hole(
    box: tuple[int, int, int, int], hole_side: int | None
) -> None:
    photo, hole = ramp(420, 600), holed((420, 600), box)
    network = Plane(128, hole_side)
    filled = NetworkFiller(network)(photo, hole)
    np.testing.assert_allclose(filled, photo, rtol=0, atol=6e-3)
    asked, missing = network.asked[0]
    assert asked.shape == (1, 3, 128, 128)
    if hole_side:
        wanted = torch.zeros(128, 128)
        wanted[36:92, 36:92] = 1
        assert int((missing[0, 0] != wanted).sum()) <= 128  # at most a rim of the resizing


def test_a_small_hole_keeps_the_picture_s_own_resolution() -> None:
    photo, hole = noise(300, 400), holed((300, 400), (131, 151, 37, 21))
    network = Plane(128, 56)
    NetworkFiller(network)(photo, hole)
    asked, missing = network.asked[0]
    top, left = 131 + (37 - 128) // 2, 151 + (21 - 128) // 2
    known = (missing[0, 0] == 0).numpy()
    seen = asked[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(seen[known], photo[top:, left:][:128, :128][known])


def test_beyond_the_border_the_picture_is_mirrored() -> None:
    photo, hole = noise(200, 200), holed((200, 200), (0, 90, 20, 20))
    network = Plane(128, 56)
    filled = NetworkFiller(network)(photo, hole)
    np.testing.assert_array_equal(filled[~hole], photo[~hole])
    asked, missing = network.asked[0]
    seen = asked[0].permute(1, 2, 0).numpy()
    assert missing[0, 0, 34:74, 54:74].all()  # the hole and its mirror image above the border
    np.testing.assert_array_equal(seen[:10, :30], photo[44:54, 36:66][::-1])


def test_parts_far_apart_get_a_window_each_and_later_ones_see_earlier_fills() -> None:
    photo = ramp(300, 500)
    hole = holed((300, 500), (100, 100, 20, 20), (110, 170, 20, 20), (140, 400, 20, 20))
    network = Plane(128, 56)
    filled = NetworkFiller(network)(photo, hole)
    np.testing.assert_allclose(filled, photo, rtol=0, atol=1e-4)
    assert len(network.asked) == 3
    assert not network.asked[1][1][..., :36].any()  # the first part is no longer missing


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: type(network).__name__)
def test_progress_rises_to_one_and_may_stop_the_work(network: nn.Module) -> None:
    photo, hole = noise(64, 64), holed((64, 64), (5, 5, 9, 9), (50, 50, 9, 9))
    told: list[float] = []
    filler = NetworkFiller(network)
    filled = filler(photo, hole, told.append)
    assert told == sorted(told) and told[-1] == 1 and len(told) > 10
    np.testing.assert_array_equal(filled, filler(photo, hole))

    def stop(share: float) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        filler(photo, hole, stop)
    assert not any(module._forward_hooks for module in network.modules())
    np.testing.assert_array_equal(filled, filler(photo, hole))


@pytest.mark.parametrize(
    ("photo", "hole", "message"),
    [
        (noise(8, 8) * 255, holed((8, 8), (1, 1, 2, 2)), "must lie in"),
        (noise(8, 8) * np.nan, holed((8, 8), (1, 1, 2, 2)), "must lie in"),
        ((noise(8, 8) * 255).astype(np.uint8), holed((8, 8), (1, 1, 2, 2)), "divide by 255"),
        (noise(8, 8)[..., :1], holed((8, 8), (1, 1, 2, 2)), r"must be \(H, W, 3\)"),
        (noise(8, 8), holed((8, 9), (1, 1, 2, 2)), "resize the hole"),
        (noise(8, 8), np.ones((8, 8), np.uint8), "must be bool"),
    ],
)
def test_wrong_arrays_are_one_line(photo: Any, hole: Any, message: str) -> None:
    with pytest.raises(TensorError, match=message) as caught:
        NetworkFiller(NETWORKS[2])(photo, hole)
    assert "\n" not in str(caught.value)


def test_broken_weights_are_said() -> None:
    network = CRFill(CRFillOptions(width=8))
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    with pytest.raises(WeightsError, match="its weights are broken"):
        NetworkFiller(network)(noise(16, 16), holed((16, 16), (4, 4, 4, 4)))


class Full(Plane):
    """A network on a device without memory to spare."""

    def forward(self, photo: Tensor, hole: Tensor) -> Prediction:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate\nmore")


def test_lack_of_memory_names_the_size_and_the_way_out() -> None:
    with pytest.raises(WeightsError, match=r"^24x16 pixels at once do not fit .* use --device cpu"):
        NetworkFiller(Full())(noise(16, 20), holed((16, 20), (4, 4, 4, 4)))


def test_training_mode_is_left() -> None:
    network = CRFill(CRFillOptions(width=8))
    filler = NetworkFiller(network)
    network.train()
    filler(noise(16, 16), holed((16, 16), (4, 4, 4, 4)))
    assert not network.training


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: type(network).__name__)
def test_weights_files_and_run_folders_become_fillers(network: nn.Module, tmp_path: Path) -> None:
    path = serialization.save(tmp_path / "best.safetensors", network, {"data": ["mine"]})
    photo, hole = noise(70, 90), holed((70, 90), (30, 30, 12, 20))
    wanted = NetworkFiller(network)(photo, hole)
    for name in (path, str(tmp_path)):
        filler = load_filler(name, "cpu")
        assert filler.card["data"] == ["mine"]
        np.testing.assert_array_equal(filler(photo, hole), wanted)


def test_other_people_s_files_become_fillers(tmp_path: Path) -> None:
    network = CRFill(CRFillOptions(8, branch=False))
    theirs = {
        f"{key.split('.')[-3]}.{key.split('.')[-1]}": value
        for key, value in network.state_dict().items()
    }
    torch.save(theirs, tmp_path / "latest_net_G.pth")
    photo, hole = noise(70, 90), holed((70, 90), (30, 30, 12, 20))
    filled = load_filler(tmp_path / "latest_net_G.pth")(photo, hole)
    wanted = NetworkFiller(network)(photo, hole)
    np.testing.assert_allclose(filled, wanted, rtol=0, atol=1e-3)


def test_load_and_fill_take_files_run_folders_and_strangers(tmp_path: Path) -> None:
    torch.save({"state_dict": draw_weights(layout("netG"))}, tmp_path / "netG.pth")
    run = tmp_path / "run"
    run.mkdir()
    serialization.convert(tmp_path / "netG.pth", run / "best.safetensors")
    photo = np.random.default_rng(0).integers(0, 65536, (61, 83, 4)).astype(np.uint16)
    photo[..., 3] = 65535
    photo[:20, 60:, 3] = 0  # what is transparent is no source
    mask = np.zeros((61, 83), np.uint8)
    mask[20:40, 30:44] = 255
    made = []
    for model in (tmp_path / "netG.pth", run / "best.safetensors", run):
        made.append(mendpix.fill(photo, mask, model=mendpix.load(model, device="cpu")))
        np.testing.assert_array_equal(made[-1][mask == 0], photo[mask == 0])
        np.testing.assert_array_equal(made[-1], made[0])
    assert (made[0][mask > 0][:, :3] != photo[mask > 0][:, :3]).any(axis=1).all()


def test_what_cannot_fill_is_refused(tmp_path: Path) -> None:
    judge = ContextDiscriminator(ContextDiscriminatorOptions(width=4))
    path = serialization.save(tmp_path / "d.safetensors", judge)
    with pytest.raises(WeightsError, match="holds the discriminator 'context-encoder'"):
        load_filler(path)
    with pytest.raises(MendError, match="neither a weights file nor a run folder"):
        load_filler(tmp_path / "nothing.pth")
    with pytest.raises(WeightsError, match="use auto"):
        load_filler(path, "cuda:99")


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: type(network).__name__)
def test_a_real_photograph_is_filled(network: nn.Module, shared: Path) -> None:
    source = sorted((shared / "photos" / "facades_spb").glob("*.webp"))[0]
    photo = np.asarray(Image.open(source).convert("RGB"), dtype=np.float32) / 255
    hole = holed(photo.shape[:2], (40, 60, 70, 50), (200, 150, 12, 90))
    filled = NetworkFiller(network)(photo, hole)
    np.testing.assert_array_equal(filled[~hole], photo[~hole])
    assert np.isfinite(filled).all() and not np.array_equal(filled[hole], photo[hole])
