"""Terms on features: formulas by hand, released numbers, precision."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from thin import Counting, tensors
from torch import Tensor

from mendpix.errors import TensorError, WeightsError
from mendpix.losses import (
    Content,
    FeatureLoss,
    PartialConvPerceptual,
    PartialConvStyle,
    PartialConvSum,
    Perceptual,
    Style,
    Texture,
)
from mendpix.losses.feature_losses import gram, scale_features
from mendpix.networks.features import LAYOUTS, FeatureNetwork

NETWORK = FeatureNetwork("vgg19", tensors("vgg19"))
LAYERS = {"conv1_1": 0.5, "pool2": 2.0}


def inputs(size: int = 48, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(5)
    prediction, target = torch.rand(2, 2, 3, size, size, generator=random, dtype=dtype)
    hole = torch.zeros(2, 1, size, size, dtype=dtype)
    hole[..., size // 4 : size // 2, size // 4 : size // 2] = 1
    return prediction, target, hole


def seen(picture: Tensor, layer: str) -> Tensor:
    return NETWORK(picture, [layer])[layer]


def by_hand(value: Any) -> Tensor:
    """``sum_l w_l value(x_l, y_l)`` over :data:`LAYERS` of the scene's two pictures."""
    prediction, target, _ = inputs()
    parts = [w * value(seen(prediction, n), seen(target, n)) for n, w in LAYERS.items()]
    return torch.stack(parts).sum()


def test_perceptual_by_hand() -> None:
    plain = Perceptual(NETWORK, LAYERS, normalize="none")
    torch.testing.assert_close(plain(*inputs()), by_hand(F.mse_loss))
    torch.testing.assert_close(
        Perceptual(NETWORK, LAYERS, normalize="none", power=1)(*inputs()), by_hand(F.l1_loss)
    )
    torch.testing.assert_close(
        Perceptual(NETWORK, LAYERS, normalize="none", reduction="sum")(*inputs()),
        by_hand(lambda x, y: (x - y).square().sum() / 2),
    )
    torch.testing.assert_close(
        Perceptual(NETWORK, LAYERS)(*inputs()),
        by_hand(lambda x, y: F.mse_loss(*(f / (f.mean(1, keepdim=True) + 1e-6) for f in (x, y)))),
    )


def test_normalised_features_have_a_mean_of_one() -> None:
    x = torch.rand(2, 5, 4, 4) + 0.1
    torch.testing.assert_close(scale_features(x, "channel_mean").mean(1), torch.ones(2, 4, 4))
    torch.testing.assert_close(scale_features(x, "global_mean").mean((1, 2, 3)), torch.ones(2))
    torch.testing.assert_close(
        scale_features(7 * x, "channel_mean"), scale_features(x, "channel_mean")
    )
    assert scale_features(x, "none") is x


def test_gram_of_a_known_map() -> None:
    """Two channels of two places: rows (1, 2) and (3, 4)."""
    x = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
    assert gram(x).tolist() == [[[5.0, 11.0], [11.0, 25.0]]]


def test_patches_are_cut_without_overlap_and_the_rest_is_left_out() -> None:
    x = torch.rand(2, 3, 9, 7)
    patches = gram(x, 4)
    assert patches.shape == (4, 3, 3)
    torch.testing.assert_close(patches[1], gram(x[:1, :, 4:8, :4])[0])
    torch.testing.assert_close(gram(x, 16), gram(x))


def test_texture_by_hand() -> None:
    def patchwise(x: Tensor, y: Tensor) -> Tensor:
        errors = []
        size = min(16, x.shape[-1])
        for top in range(0, x.shape[-2] - size + 1, size):
            for left in range(0, x.shape[-1] - size + 1, size):
                a, b = (f[..., top : top + size, left : left + size].flatten(2) for f in (x, y))
                errors.append((a @ a.mT - b @ b.mT).square().mean())
        return torch.stack(errors).mean()

    loss = Texture(NETWORK, LAYERS, normalize="none")
    torch.testing.assert_close(loss(*inputs()), by_hand(patchwise), rtol=1e-4, atol=0)
    whole = Texture(NETWORK, LAYERS, patch_size=None, normalize="none", reduction="sum")
    torch.testing.assert_close(
        whole(*inputs()),
        by_hand(lambda x, y: (gram(x) - gram(y)).square().sum() / 2),
        rtol=1e-4,
        atol=0,
    )


def test_texture_does_not_ask_where() -> None:
    """A picture turned upside down has other features at every place but nearly the same texture;
    the Gram matrix of a map is that of the map with its places shuffled."""
    x = torch.rand(1, 3, 6, 6)
    shuffled = x.flatten(2)[..., torch.randperm(36)].view_as(x)
    torch.testing.assert_close(gram(shuffled), gram(x))


def test_content_and_style_by_hand() -> None:
    torch.testing.assert_close(
        Content(NETWORK, LAYERS)(*inputs()),
        by_hand(lambda x, y: 0.5 * (x - y).square().sum() / 2),
    )
    torch.testing.assert_close(
        Content(NETWORK, LAYERS, "course")(*inputs()),
        by_hand(lambda x, y: (x - y).square().sum() / (4 * x[0].numel()) / 2),
    )
    torch.testing.assert_close(
        Style(NETWORK, LAYERS)(*inputs()),
        by_hand(lambda x, y: (gram(x) - gram(y)).square().sum() / (2 * x[0].numel()) ** 2 / 2),
        rtol=1e-4,
        atol=0,
    )
    torch.testing.assert_close(
        Style(NETWORK, LAYERS, squared=False)(*inputs()),
        by_hand(lambda x, y: (gram(y) - gram(x)).sum() / (2 * x[0].numel()) ** 2 / 2),
        rtol=1e-3,
        atol=1e-9,
    )


@pytest.fixture(scope="module")
def vgg16(reference: Path) -> FeatureNetwork:
    """The reference's VGG-16: its weights are a function of key, shape and seed."""
    sys.path.insert(0, str(reference))
    from seedgen import tensor_for

    sys.path.remove(str(reference))
    widths = [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6
    held, channels = {}, 3
    indices = [step.index for step in LAYOUTS["vgg16"] if step.index >= 0]
    for index, width in zip(indices, widths, strict=True):
        shapes = {"weight": (width, channels, 3, 3), "bias": (width,)}
        for kind, shape in shapes.items():
            key = f"features.{index}.{kind}"
            held[key] = torch.from_numpy(tensor_for(key, shape, 16, 1.0))
        channels = width
    return FeatureNetwork("vgg16", held, normalise=False)


def test_the_six_terms_of_a_released_port(reference: Path, vgg16: FeatureNetwork) -> None:
    with np.load(reference / "naoto_losses.npz") as file:
        known = {key: torch.from_numpy(np.asarray(file[key])) for key in file}
    loss = PartialConvSum(vgg16, tv_region="whole")
    out = known["out"].clone().requires_grad_()
    total = loss(out, known["gt"], 1 - known["mask"][:, :1])
    total.backward()
    found = {name: value.item() / loss.weights[name] for name, value in loss.values.items()}
    for ours, theirs in (("hole", "hole"), ("valid", "valid"), ("perceptual", "prc"), ("tv", "tv")):
        assert found[ours] == pytest.approx(known[theirs].item(), rel=1e-5)
    style = found["style_output"] + found["style_composite"]
    assert style == pytest.approx(known["style"].item(), rel=1e-4)
    assert total.item() == pytest.approx(known["total"].item(), rel=1e-5)
    assert out.grad is not None
    torch.testing.assert_close(out.grad, known["grad_out"], rtol=1e-4, atol=1e-8)


def test_a_released_gram(reference: Path) -> None:
    with np.load(reference / "naoto_losses.npz") as file:
        x, wanted = (torch.from_numpy(file[key]) for key in ("gram_in", "gram_out"))
    torch.testing.assert_close(gram(x) / x[0].numel(), wanted)


def test_output_and_composite_add_up() -> None:
    for kind in (PartialConvPerceptual, PartialConvStyle):
        parts = [kind(NETWORK, on=on)(*inputs()) for on in ("output", "composite")]
        torch.testing.assert_close(kind(NETWORK)(*inputs()), parts[0] + parts[1])


ALL: list[tuple[type[FeatureLoss], dict[str, Any]]] = [
    (Perceptual, {"layers": LAYERS}),
    (Perceptual, {"layers": LAYERS, "normalize": "global_mean", "power": 1}),
    (Texture, {"layers": LAYERS}),
    (Texture, {"layers": LAYERS, "patch_size": None, "normalize": "none"}),
    (Content, {"layers": LAYERS}),
    (Style, {"layers": LAYERS}),
    (Style, {"layers": LAYERS, "squared": False}),
    (PartialConvPerceptual, {}),
    (PartialConvStyle, {}),
]


@pytest.mark.parametrize(("kind", "options"), ALL)
def test_equal_pictures_cost_nothing_and_the_target_has_no_gradient(
    kind: type[FeatureLoss], options: dict[str, Any]
) -> None:
    active_terms = Counting()
    loss = kind(active_terms, **options)
    prediction, target, hole = inputs()
    assert loss(target, target, hole) == 0
    active_terms.passes.clear()
    loss(prediction.requires_grad_(), target.requires_grad_(), hole).backward()
    assert target.grad is None or loss.views[-1] == "composite"
    assert prediction.grad is not None
    assert prediction.grad.abs().sum() > 0
    assert active_terms.passes.count(False) == 1
    assert len(active_terms.passes) == 1 + len(loss.views)


def test_the_oxford_network_on_its_own_scale(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unnormalised, its Gram matrices pass float16's largest number; the terms stay finite."""
    monkeypatch.setenv("MENDPIX_HOME", str(shared / "weights"))
    smooth = F.interpolate(torch.rand(2, 3, 6, 6), (64, 64), mode="bicubic").clamp(0, 1)
    hole = torch.ones(1, 1, 64, 64)
    style, texture = Style(), Texture()
    features = style.network(smooth[:1], ["conv3_1"])["conv3_1"]
    assert gram(features).max() > 100 * torch.finfo(torch.float16).max
    assert texture.network is style.network
    for dtype in (torch.bfloat16, torch.float16):
        with torch.autocast("cpu", dtype):
            for loss in (style, texture, Content(), Perceptual()):
                picture = smooth[:1].clone().requires_grad_()
                value = loss(picture, smooth[1:], hole)
                value.backward()
                assert value.isfinite()
                assert picture.grad is not None
                assert picture.grad.isfinite().all()


def test_autocast_does_not_reach_the_differences() -> None:
    """Features of 1000 whose Gram matrix passes float16's range."""
    loud = {
        key: value * 30 if "weight" in key else value for key, value in tensors("vgg19").items()
    }
    network = FeatureNetwork("vgg19", loud)
    loss = Style(network, {"conv2_1": 1.0})
    exact = loss(*inputs())
    for dtype, tolerance in ((torch.bfloat16, 0.2), (torch.float16, 1e-4)):
        with torch.autocast("cpu", dtype):
            value = loss(*inputs())
        assert value.dtype == torch.float32
        assert value.item() == pytest.approx(exact.item(), rel=tolerance)


def test_normalised_input() -> None:
    """normalise_input=False takes what is normalised already, and does not check its range."""
    prediction, target, hole = inputs()
    raw = FeatureNetwork("vgg19", tensors("vgg19"), normalise=False)
    bring = [(x - NETWORK.mean) / NETWORK.std for x in (prediction, target)]
    torch.testing.assert_close(
        Style(raw, LAYERS)(*bring, hole), Style(NETWORK, LAYERS)(prediction, target, hole)
    )
    with pytest.raises(TensorError, match="must lie in"):
        Style(NETWORK, LAYERS)(*bring, hole)


def test_mistaken_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for options, message in (
        ({"layers": {"conv6_1": 1.0}}, "vgg19 has no layer 'conv6_1'"),
        ({"layers": {}}, "needs one or more"),
        ({"layers": {"pool1": -1.0}}, "weights >= 0"),
        ({"normalize": "mean"}, "normalize is 'mean'"),
        ({"reduction": "max"}, "reduction is 'max'"),
    ):
        with pytest.raises(ValueError, match=message):
            Texture(NETWORK, **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="patch_size is -1"):
        Texture(NETWORK, patch_size=-1)
    with pytest.raises(ValueError, match="factor is 'half'"):
        Content(NETWORK, factor="half")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="power is 3"):
        Perceptual(NETWORK, power=3)
    with pytest.raises(WeightsError, match="did you mean 'vgg19"):
        Style("vgg-19")
    with pytest.raises(TensorError, match="16x16 is too small for pool5 of vgg19"):
        Perceptual(NETWORK, {"pool5": 1.0})(*inputs(16))
