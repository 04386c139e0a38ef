"""The discriminators against released numbers, the layer tables and the contract."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mendpix.errors import TensorError
from mendpix.networks import released_files
from mendpix.networks.corruption import crop_centre
from mendpix.networks.discriminators import (
    ContextDiscriminator,
    ContextDiscriminatorOptions,
    PANDiscriminator,
    PANDiscriminatorOptions,
)
from mendpix.networks.patch_discriminators import (
    CRFILL,
    DEEPFILL,
    PatchGAN,
    PatchGANOptions,
    SNPatchGAN,
    SNPatchOptions,
)


def seedgen(reference: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("seedgen", reference / "seedgen.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pair(n: int = 2, size: int = 128) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    hole = torch.zeros(n, 1, size, size)
    hole[..., size // 4 : 3 * size // 4, size // 4 : 3 * size // 4] = 1
    return torch.rand(n, 3, size, size), hole


def load_tensors(reference: Path, file: str, entry: str | None = None) -> dict[str, Tensor]:
    said = json.loads((reference / file).read_text())
    said = said[entry] if entry else said
    made = seedgen(reference).state_dict_for(said["keys"], said["base_seed"], said["gain"])
    return {key: torch.from_numpy(np.asarray(value)) for key, value in made.items()}


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_context_encoder_s_agrees_with_the_released_port(reference: Path, mode: str) -> None:
    numbers = np.load(reference / "ce_small.npz")
    tensors = load_tensors(reference, "ce_small.state.json", "netD")
    discriminator = released_files.build_from_tensors(tensors, "reference")[0]
    assert isinstance(discriminator, ContextDiscriminator)
    discriminator.train(mode == "train")
    hole = torch.zeros(4, 1, 128, 128)
    pictures = (torch.from_numpy(numbers["image"]) + 1) / 2
    # In training mode the reference judged the real pictures first, then the made ones.
    for kind, square in (("real", numbers["center"]), ("fake", numbers[f"fake_{mode}"])):
        photo = pictures.clone()
        crop_centre(photo).copy_((torch.from_numpy(square) + 1) / 2)
        said = discriminator(photo, hole).logits.sigmoid()
        wanted = torch.from_numpy(numbers[f"D_{kind}_{mode}"])
        torch.testing.assert_close(said, wanted, rtol=0, atol=2e-4)


def crfill(reference: Path, plane: str = "ones") -> SNPatchGAN:
    tensors = load_tensors(reference, "crfill_disc.state.json")
    numbers = np.load(reference / "crfill_disc.npz")
    for key in numbers.files:
        if key.startswith("uv/"):
            tensors[key.removeprefix("uv/")] = torch.from_numpy(numbers[key])
    discriminator = released_files.build_from_tensors(tensors, "reference")[0]
    assert isinstance(discriminator, SNPatchGAN)
    if plane == "ones":
        return discriminator
    other = SNPatchGAN(SNPatchOptions("hole", CRFILL.slope, CRFILL.padding))
    other.load_state_dict(discriminator.state_dict())
    return other


@pytest.mark.parametrize("plane", ["ones", "hole"])
def test_crfill_s_agrees_with_the_released_one(reference: Path, plane: str) -> None:
    numbers = np.load(reference / "crfill_disc.npz")
    photo = (torch.from_numpy(numbers["image"]) + 1) / 2
    hole = torch.from_numpy(numbers["mask"])
    discriminator = crfill(reference, plane).eval()
    wanted = torch.from_numpy(numbers[f"out_eval_{'mask' if plane == 'hole' else plane}"])
    torch.testing.assert_close(discriminator(photo, hole).logits, wanted, rtol=1e-4, atol=2e-4)


def test_crfill_s_agrees_through_a_step_of_training(reference: Path) -> None:
    numbers = np.load(reference / "crfill_disc.npz")
    photo = (torch.from_numpy(numbers["image"]) + 1) / 2
    discriminator = crfill(reference).train()
    said = discriminator(photo, torch.from_numpy(numbers["mask"])).logits
    wanted = torch.from_numpy(numbers["out_train_ones"])
    torch.testing.assert_close(said, wanted, rtol=1e-4, atol=2e-4)
    for step, conv in enumerate(discriminator.convs):
        for ours, theirs in (("u", "weight_u"), ("v", "weight_v")):
            after = torch.from_numpy(numbers[f"after_train/conv{step + 1}.{theirs}"])
            torch.testing.assert_close(getattr(conv, ours), after, rtol=1e-4, atol=1e-5)


def test_context_encoder_s_size_is_the_released_one() -> None:
    assert sum(p.numel() for p in ContextDiscriminator().parameters()) == 2_765_568


def test_context_encoder_s_sees_only_the_centre() -> None:
    photo, hole = pair()
    discriminator = ContextDiscriminator(ContextDiscriminatorOptions(width=4)).eval()
    other = torch.rand_like(photo)
    crop_centre(other).copy_(crop_centre(photo))
    torch.testing.assert_close(
        discriminator(photo, hole), discriminator(other, hole), rtol=0, atol=0
    )


@pytest.mark.parametrize(("size", "blocks"), [(128, 5), (64, 4)])
def test_context_encoder_s_sees_the_whole_for_random_regions(size: int, blocks: int) -> None:
    photo, hole = pair(2, size)
    discriminator = ContextDiscriminator(ContextDiscriminatorOptions("whole", size, 4)).eval()
    said = discriminator(photo, hole)
    assert said.logits.shape == (2, 1)
    assert len(said.features) == blocks
    photo[..., 0, 0] = 1 - photo[..., 0, 0].round()
    assert not torch.equal(discriminator(photo, hole).logits, said.logits)


def test_pan_taps_four_layers() -> None:
    photo, hole = pair(2, 256)
    said = PANDiscriminator(PANDiscriminatorOptions(width=4))(photo, hole)
    shapes = [tuple(feature.shape[1:]) for feature in said.features]
    assert shapes == [(4, 256, 256), (16, 64, 64), (32, 32, 32), (32, 16, 16)]
    assert said.logits.shape == (2, 1)
    assert said.features[0].abs().max() <= 1  # tanh


def test_pan_s_square_form_is_unpadded_once_and_sees_only_the_centre() -> None:
    photo, hole = pair()
    discriminator = PANDiscriminator(PANDiscriminatorOptions("centre", 128, 4)).eval()
    said = discriminator(photo, hole)
    assert [f.shape[-1] for f in said.features] == [62, 16, 8, 4]
    assert discriminator.last.in_features == 8 * 4 * 4
    other = torch.rand_like(photo)
    crop_centre(other).copy_(crop_centre(photo))
    torch.testing.assert_close(discriminator(other, hole), said, rtol=0, atol=0)


def test_pan_s_first_layer_is_an_option() -> None:
    torch.manual_seed(0)
    code = PANDiscriminator(PANDiscriminatorOptions(size=64))
    paper = PANDiscriminator(PANDiscriminatorOptions(size=64, first="lrelu"))
    assert code.first.weight.std().item() == pytest.approx(0.5, rel=0.1)
    assert paper.first.weight.std().item() == pytest.approx(0.02, rel=0.1)
    photo, hole = pair(2, 64)
    taps = paper(photo, hole).features
    first = F.conv2d(photo * 2 - 1, paper.first.weight, paper.first.bias, padding=1)
    torch.testing.assert_close(taps[0], F.leaky_relu(first, 0.2))


def test_pan_s_features_are_what_the_next_layer_sees() -> None:
    discriminator = PANDiscriminator(PANDiscriminatorOptions(size=64, width=4)).eval()
    seen: list[Tensor] = []
    discriminator.thin.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    said = discriminator(*pair(2, 64))
    torch.testing.assert_close(said.features[-1], seen[0], rtol=0, atol=0)


@pytest.mark.parametrize("options", [DEEPFILL, CRFILL])
def test_sn_patchgan_maps_a_64th(options: SNPatchOptions) -> None:
    photo, hole = pair(1, 128)
    said = SNPatchGAN(options)(photo, hole)
    assert said.logits.shape == (1, 256, 2, 2)
    assert [f.shape[1] for f in said.features] == [64, 128, 256, 256, 256]
    odd = SNPatchGAN(options)(torch.rand(1, 3, 65, 131), torch.zeros(1, 1, 65, 131))
    assert odd.logits.shape == (1, 256, 2, 3)


def test_same_padding_puts_the_odd_pixel_last() -> None:
    discriminator = SNPatchGAN(SNPatchOptions(plane="none", width=1)).eval()
    conv = discriminator.convs[0]
    assert isinstance(conv, nn.Conv2d)
    photo, hole = pair(1, 8)
    out = discriminator(photo, hole).features[0]
    weight = conv.normalise_weight()  # type: ignore[operator]
    by_hand = F.conv2d(F.pad(photo * 2 - 1, (1, 2, 1, 2)), weight, conv.bias, stride=2)
    torch.testing.assert_close(out, F.leaky_relu(by_hand, 0.2))


def test_plane_decides_whether_the_hole_is_seen() -> None:
    photo, hole = pair()
    sees, blind = (SNPatchGAN(SNPatchOptions(p, width=4)).eval() for p in ("hole", "ones"))
    none = torch.zeros_like(hole)
    assert not torch.equal(sees(photo, hole).logits, sees(photo, none).logits)
    torch.testing.assert_close(blind(photo, hole), blind(photo, none), rtol=0, atol=0)


def test_spectral_norm_holds_the_largest_singular_value_at_one() -> None:
    discriminator = SNPatchGAN(SNPatchOptions(width=4))
    photo, hole = pair(1, 64)
    for _ in range(60):
        discriminator(photo, hole)
    for conv in discriminator.convs:
        matrix = conv.normalise_weight().flatten(1)  # type: ignore[operator]
        top = torch.linalg.svdvals(matrix)[0].item()
        assert top == pytest.approx(1, abs=0.05)


def test_patchgan_of_three_layers_sees_70_pixels() -> None:
    discriminator = PatchGAN(PatchGANOptions(width=2, norm="none"))
    photo = torch.rand(1, 3, 256, 256, requires_grad=True)
    logits = discriminator(photo, torch.zeros(1, 1, 256, 256)).logits
    assert logits.shape == (1, 1, 30, 30)
    logits[0, 0, 15, 15].backward()
    assert photo.grad is not None
    rows = photo.grad.abs().sum(dim=(0, 1, 3)).nonzero()
    assert int(rows.max() - rows.min()) + 1 == 70


@pytest.mark.parametrize("norm", ["batch", "instance", "spectral", "none"])
@pytest.mark.parametrize("layers", [1, 3, 4])
def test_patchgan_gives_one_verdict_at_its_smallest(norm: str, layers: int) -> None:
    discriminator = PatchGAN(PatchGANOptions(layers, 4, norm, plane="hole"))  # type: ignore[arg-type]
    photo, hole = pair(2, discriminator.smallest)
    said = discriminator(photo, hole)
    assert said.logits.shape == (2, 1, 1, 1)
    assert len(said.features) == layers + 1
    with pytest.raises(TensorError, match="pixels a side"):
        discriminator(photo[..., 1:], hole[..., 1:])


torch.manual_seed(0)
CASES: list[tuple[nn.Module, int]] = [
    (ContextDiscriminator(ContextDiscriminatorOptions(width=4)), 128),
    (PANDiscriminator(PANDiscriminatorOptions("centre", 128, 4)), 128),
    (SNPatchGAN(SNPatchOptions(width=4)), 128),
    (SNPatchGAN(SNPatchOptions("ones", 0.01, "symmetric", 4)), 128),
    (PatchGAN(PatchGANOptions(width=4, plane="hole")), 128),
    (PatchGAN(PatchGANOptions(width=4, norm="spectral")), 128),
]


@pytest.mark.parametrize(("discriminator", "size"), CASES)
@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_is_finite(discriminator: nn.Module, size: int, kind: torch.dtype) -> None:
    photo, hole = pair(2, size)
    photo.requires_grad_()
    discriminator.train().zero_grad()
    with torch.autocast("cpu", kind):
        said = discriminator(photo, hole)
    said.logits.float().square().mean().backward()
    assert said.logits.isfinite().all()
    assert all(feature.isfinite().all() for feature in said.features)
    assert photo.grad is not None and photo.grad.isfinite().all()
    for parameter in discriminator.parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all()


@pytest.mark.parametrize(("discriminator", "size"), CASES)
def test_traces_whole_and_in_channels_last(discriminator: nn.Module, size: int) -> None:
    photo, hole = pair(2, size)
    plain = discriminator.eval()(photo, hole).logits
    traced = torch.compile(discriminator, fullgraph=True, backend="eager")
    torch.testing.assert_close(traced(photo, hole).logits, plain)
    last = torch.channels_last
    swapped = discriminator.to(memory_format=last)(photo.to(memory_format=last), hole)  # type: ignore[call-overload]
    torch.testing.assert_close(swapped.logits, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("discriminator", "size"), CASES)
def test_traces_whole_in_training(discriminator: nn.Module, size: int) -> None:
    photo, hole = pair(2, size)
    traced = torch.compile(discriminator.train(), fullgraph=True, backend="eager")
    discriminator.zero_grad()
    traced(photo, hole).logits.mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in discriminator.parameters())


@pytest.mark.parametrize(("discriminator", "size"), CASES)
def test_a_batch_of_one_trains(discriminator: nn.Module, size: int) -> None:
    photo, hole = pair(1, size)
    for missing in (0.0, 1.0):
        assert discriminator.train()(photo, torch.full_like(hole, missing)).logits.isfinite().all()


def test_errors_say_what_is_wrong() -> None:
    photo, hole = pair()
    discriminator = ContextDiscriminator(ContextDiscriminatorOptions(width=4))
    with pytest.raises(TensorError, match="judges 128x128 only"):
        discriminator(photo[..., :64], hole[..., :64])
    with pytest.raises(TensorError, match="give the hole the shape"):
        discriminator(photo, hole[..., :64])
    with pytest.raises(TensorError, match="is on cpu"):
        discriminator(photo.to("meta"), hole.to("meta"))
    with pytest.raises(TensorError, match="means judging 48x48"):
        ContextDiscriminator(ContextDiscriminatorOptions(size=96))
