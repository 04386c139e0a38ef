"""What every loss of the family keeps: one call, gradients, half precision, odd holes, errors."""

from collections.abc import Callable

import pytest
import torch
from thin import tensors
from torch import Tensor, nn

from mendpix import losses
from mendpix.errors import TensorError
from mendpix.losses import LOSSES, Loss
from mendpix.networks.features import FeatureNetwork
from mendpix.networks.types import DiscriminatorOutput, Prediction


class Discriminator(nn.Module):
    """A small smooth discriminator that taps four layers."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(2)
            self.layers = nn.ModuleList(nn.Conv2d(a, 4, 3, 1, 1) for a in (3, 4, 4, 4))
            self.last = nn.Conv2d(4, 1, 1)

    def forward(self, photo: Tensor, hole: Tensor) -> DiscriminatorOutput:
        features, x = [], photo
        for layer in self.layers:
            x = torch.tanh(layer(x))
            features.append(x)
        return DiscriminatorOutput(self.last(x), tuple(features))


def thin(layout: str = "vgg19") -> FeatureNetwork:
    return FeatureNetwork(layout, tensors(layout))


def thin_lpips() -> losses.LearnedPerceptual:
    loss = losses.LearnedPerceptual(thin("vgg16"))
    shallow = ("conv1_2", "conv2_2")  # the small pictures here leave nothing to deeper layers
    loss.layers = dict.fromkeys(shallow, 1.0)
    loss.heads = {name: loss.heads[name][:4] for name in shallow}
    return loss


LAYERS = {"conv1_1": 1.0, "pool2": 1.0}
QUIET = {"conv1_1": 1e-3, "pool2": 1e-3}  # squared sums over a whole map: 1 asks much of a half

FAMILY: dict[str, Callable[[], Loss]] = {
    "l1": lambda: losses.L1(),
    "l1-hole": lambda: losses.L1("hole", "region"),
    "l2": lambda: losses.L2(known_weight=10, span=2),
    "overlap-l2": lambda: losses.OverlapL2(),
    "tv": lambda: losses.TotalVariation(),
    "tv-whole": lambda: losses.TotalVariation("whole"),
    "perceptual": lambda: losses.Perceptual(thin(), LAYERS),
    "perceptual-global": lambda: losses.Perceptual(thin(), LAYERS, "global_mean"),
    "texture": lambda: losses.Texture(thin(), LAYERS, patch_size=4),
    "texture-whole": lambda: losses.Texture(thin(), QUIET, patch_size=None),
    "content": lambda: losses.Content(thin(), LAYERS),
    "style": lambda: losses.Style(thin(), LAYERS),
    "partial-conv": lambda: losses.PartialConvSum(thin("vgg16")),
    "partial-conv-perceptual": lambda: losses.PartialConvPerceptual(thin("vgg16")),
    "partial-conv-style": lambda: losses.PartialConvStyle(thin("vgg16")),
    "adversarial": lambda: losses.Adversarial(Discriminator(), matching=1.0),
    "minimax": lambda: losses.Adversarial(Discriminator(), "minimax"),
    "non-saturating": lambda: losses.Adversarial(Discriminator(), "non-saturating"),
    "lsgan": lambda: losses.Adversarial(Discriminator(), "lsgan", only_hole_is_fake=True),
    "pan": lambda: losses.PerceptualAdversarial(Discriminator()),
    "lpips": lambda: thin_lpips(),
    "contextual": lambda: losses.ContextualReconstruction(),
    "context-encoder": lambda: losses.ContextEncoderSum(Discriminator()),
    "crfill": lambda: losses.CRFillSum(Discriminator(), Discriminator()),
}
SIDES = [name for name, made in FAMILY.items() if hasattr(made(), "compute_discriminator_loss")]


def inputs(
    height: int, width: int, dtype: torch.dtype = torch.float32, missing: str = "square", n: int = 1
) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(height * 1000 + width)
    hole = torch.full((n, 1, height, width), float(missing == "all"), dtype=dtype)
    if missing == "pixel":
        hole[..., height // 2, width // 2] = 1
    if missing == "square":
        hole[..., height // 4 : height // 2, width // 4 : width // 2] = 1
    pictures = torch.rand(2, n, 3, height, width, generator=random, dtype=dtype)
    return pictures[0], pictures[1], hole


def made_of(picture: Tensor) -> Prediction:
    """A prediction whose other pictures follow from the first."""
    return Prediction(picture, coarse=picture * 0.9, aux=picture * 0.8)


def test_every_loss_of_the_table_is_here() -> None:
    kinds = {type(made()) for made in FAMILY.values()}
    assert set(LOSSES.values()) <= kinds


@pytest.mark.parametrize("name", FAMILY)
def test_a_hole_may_be_bool_or_left_out(name: str) -> None:
    """Left out, everything is missing."""
    loss = FAMILY[name]()
    picture, target, hole = inputs(16, 16)
    prediction = made_of(picture)
    torch.testing.assert_close(
        loss(prediction, target, hole > 0.5), loss(prediction, target, hole), rtol=0, atol=0
    )
    torch.testing.assert_close(
        loss(prediction, target), loss(prediction, target, torch.ones_like(hole)), rtol=0, atol=0
    )


def test_names_of_layers_share_a_weight_of_one() -> None:
    picture, target, hole = inputs(16, 16)
    named = losses.Style(thin(), ["conv1_1", "pool2"])
    weighted = losses.Style(thin(), {"conv1_1": 0.5, "pool2": 0.5})
    torch.testing.assert_close(named(picture, target, hole), weighted(picture, target, hole))
    assert losses.Content(thin(), "pool2").layers == {"pool2": 1.0}


@pytest.mark.parametrize("name", FAMILY)
def test_gradients_agree_with_differences(name: str) -> None:
    """In float64, of the network's side."""
    loss = FAMILY[name]().double()
    picture, target, hole = inputs(16, 12, torch.float64)
    assert torch.autograd.gradcheck(
        lambda x: loss(made_of(x), target, hole), picture.requires_grad_(), fast_mode=True
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", FAMILY)
def test_half_precision_is_finite(name: str, dtype: torch.dtype) -> None:
    loss = FAMILY[name]()
    picture, target, hole = inputs(256, 256)
    picture.requires_grad_()
    with torch.autocast("cpu", dtype):
        value = loss(made_of(picture.to(dtype)), target, hole)
    value.backward()
    assert value.dtype == torch.float32
    assert value.isfinite()
    assert picture.grad is not None
    assert picture.grad.isfinite().all()
    assert picture.grad.abs().sum() > 0


@pytest.mark.parametrize("missing", ["all", "none", "pixel"])
@pytest.mark.parametrize("name", FAMILY)
def test_odd_holes_and_sizes_are_defined(name: str, missing: str) -> None:
    loss = FAMILY[name]()
    picture, target, hole = inputs(33, 21, missing=missing)
    picture.requires_grad_()
    value = loss(made_of(picture), target, hole)
    value.backward()
    assert value.shape == ()
    assert value.isfinite()
    assert picture.grad is not None
    assert picture.grad.isfinite().all()


@pytest.mark.parametrize("missing", ["all", "none", "pixel"])
@pytest.mark.parametrize("name", SIDES)
def test_the_discriminators_side_is_defined_too(name: str, missing: str) -> None:
    loss = FAMILY[name]()
    picture, target, hole = inputs(33, 21, missing=missing)
    value = loss.discriminator_loss(made_of(picture), target, hole)  # type: ignore[operator]
    assert value.isfinite()


@pytest.mark.parametrize("name", FAMILY)
def test_memory_format_does_not_matter(name: str) -> None:
    picture, target, hole = inputs(32, 32, n=2)
    loss = FAMILY[name]()
    plain = loss(made_of(picture), target, hole)
    last = [x.to(memory_format=torch.channels_last) for x in (picture, target, hole)]
    torch.testing.assert_close(
        loss(made_of(last[0]), last[1], last[2]), plain, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("name", FAMILY)
def test_a_batch_of_two_equal_scenes_costs_as_much_as_one(name: str) -> None:
    picture, target, hole = inputs(32, 32)
    loss = FAMILY[name]()
    one = loss(made_of(picture), target, hole)
    two = loss(
        made_of(picture.repeat(2, 1, 1, 1)), target.repeat(2, 1, 1, 1), hole.repeat(2, 1, 1, 1)
    )
    torch.testing.assert_close(two, one, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", FAMILY)
def test_mistakes_are_one_line(name: str) -> None:
    loss = FAMILY[name]()
    picture, target, hole = inputs(16, 16)
    broken = target.clone()
    broken[0, 0, 0, 0] = float("nan")
    cases = [
        ((picture, target * 255, hole), "target spans .* divide by 255"),
        ((picture * 255, target, hole), "prediction spans .* divide by 255"),
        ((picture, 2 * target - 1, hole), r"use \(photo \+ 1\) / 2"),
        ((picture, broken, hole), "target holds NaN"),
        ((broken, target, hole), "prediction holds NaN"),
        ((picture, target, 0.5 * hole), "hole holds values other than 0 and 1"),
        ((picture, target, hole[..., :8]), "hole is 1x1x16x8 but the photo is 1x3x16x16"),
        ((picture[:, :1], target, hole), r"must be \(N, 3, H, W\)"),
        ((picture, target, hole.int()), "must be floating point"),
        ((picture, target, hole.to("meta")), "hole is on meta but the photo is on cpu; move one"),
    ]
    for pictures, message in cases:
        with pytest.raises(TensorError, match=message) as caught:
            loss(*pictures)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", FAMILY)
def test_sizes_and_devices_that_differ(name: str) -> None:
    picture, target, hole = inputs(16, 16)
    with pytest.raises(TensorError, match="is on meta but the target is on cpu; move one"):
        FAMILY[name]()(made_of(picture.to("meta")), target, hole)
    with pytest.raises(TensorError, match="give both the same"):
        FAMILY[name]()(made_of(picture[..., :12]), target, hole)
