"""Every network and discriminator by its name: precision, layout, tracing, odd input, refusals."""

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from thin import tensors
from torch import Tensor, nn

from mendpix.errors import TensorError
from mendpix.inpainting.registry import attach_start
from mendpix.inpainting.torch import NetworkFiller
from mendpix.networks import DISCRIMINATORS, NETWORKS
from mendpix.networks.feature_critic import FeatureCritic, FeatureCriticOptions
from mendpix.networks.features import FeatureNetwork
from mendpix.networks.serialization import parse_options
from mendpix.networks.types import DiscriminatorOutput, Prediction

# Narrow forms, so that all of this is quick; what is not named stays the network's default.
SMALL: dict[str, dict[str, Any]] = {
    "context-encoder": {"width": 4, "bottleneck": 16},
    "context-encoder-random": {"width": 4, "bottleneck": 16},
    "pan": {"width": 4},
    "pan-inpainting": {"width": 4, "bottleneck": 16},
    "partial-unet": {"levels": 6, "width": 4},
    "crfill": {"width": 8},
    "mender": {"width": 4},
}
SMALL_DISCRIMINATORS: dict[str, dict[str, Any]] = {
    "context-encoder": {"width": 4},
    "pan": {"width": 4},
    "sn-patchgan": {"width": 4},
    "patchgan": {"width": 4},
    "feature-critic": {"width": 4},
}


def network(name: str) -> nn.Module:
    torch.manual_seed(0)
    made = NETWORKS[name]
    return made(parse_options(made, dict(SMALL.get(name, {})), name))


def discriminator(name: str) -> nn.Module:
    torch.manual_seed(0)
    made = DISCRIMINATORS[name]
    if made is FeatureCritic:  # on a thin network: the released one's weights may not be at hand
        options = FeatureCriticOptions(width=4)
        return FeatureCritic(options, FeatureNetwork("vgg16", tensors("vgg16")))
    return made(parse_options(made, dict(SMALL_DISCRIMINATORS.get(name, {})), name))


@cache
def side(name: str) -> int:
    """256 pixels, or the one size at which a network works."""
    return int(getattr(network(name), "size", None) or 256)


def discriminator_side(module: nn.Module) -> int:
    return int(getattr(module.options, "size", 256))  # type: ignore[union-attr]


def pair(n: int, size: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    hole = torch.zeros(n, 1, size, size)
    hole[..., size // 4 : 3 * size // 4, size // 4 : 3 * size // 4] = 1
    return torch.rand(n, 3, size, size), hole


def pictures(prediction: Prediction) -> list[Tensor]:
    return [part for part in prediction[:3] if isinstance(part, Tensor)]


def gradients(module: nn.Module) -> Iterator[Tensor]:
    for parameter in module.parameters():
        assert parameter.grad is not None
        yield parameter.grad


ALL = pytest.mark.parametrize("name", NETWORKS)
ALL_DISCRIMINATORS = pytest.mark.parametrize("name", DISCRIMINATORS)
KINDS = pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])


def test_every_name_has_a_narrow_form() -> None:
    assert set(SMALL) <= set(NETWORKS)
    assert set(SMALL_DISCRIMINATORS) <= set(DISCRIMINATORS)


@ALL
@KINDS
def test_half_precision_trains(name: str, kind: torch.dtype) -> None:
    made = network(name).train()
    photo, hole = pair(2, side(name))
    given = torch.where(hole > 0, 1 - photo, photo)  # a network that mends a fill gives it back
    with torch.autocast("cpu", kind):
        shown = pictures(made(given, hole))
    assert all(picture.isfinite().all() for picture in shown)
    loss = sum(((picture.float() - photo) * hole).abs().mean() for picture in shown)
    assert isinstance(loss, Tensor)
    (loss * 1024).backward()  # as a gradient scaler does for fp16
    assert all(slope.isfinite().all() for slope in gradients(made))
    assert any(slope.any() for slope in gradients(made))


@ALL
def test_bf16_is_near_single_precision(name: str) -> None:
    made = network(name).eval()
    photo, hole = pair(1, side(name))
    with torch.no_grad():
        exact = made(photo, hole).image
        with torch.autocast("cpu", torch.bfloat16):
            rough = made(photo, hole).image.float()
    assert (exact - rough).abs().mean() < 0.02 * max(1.0, float(exact.abs().max()))


@ALL_DISCRIMINATORS
@KINDS
def test_half_precision_judges(name: str, kind: torch.dtype) -> None:
    made = discriminator(name).train()
    photo, hole = pair(2, discriminator_side(made))
    photo.requires_grad_()
    with torch.autocast("cpu", kind):
        output = made(photo, hole)
    assert isinstance(output, DiscriminatorOutput)
    assert all(part.isfinite().all() for part in (output.logits, *output.features))
    (output.logits.float().mean() * 64).backward()
    assert photo.grad is not None and photo.grad.isfinite().all() and photo.grad.any()
    assert all(slope.isfinite().all() for slope in gradients(made))


@ALL
def test_channels_last_gives_the_same(name: str) -> None:
    made = network(name).eval()
    photo, hole = pair(2, side(name))
    with torch.no_grad():
        wanted = made(photo, hole).image
        made.to(memory_format=torch.channels_last)
        ours = made(photo.contiguous(memory_format=torch.channels_last), hole).image
    torch.testing.assert_close(ours, wanted, rtol=1e-3, atol=1e-4)


@ALL_DISCRIMINATORS
def test_channels_last_judges_the_same(name: str) -> None:
    made = discriminator(name).eval()
    photo, hole = pair(2, discriminator_side(made))
    with torch.no_grad():
        wanted = made(photo, hole).logits
        made.to(memory_format=torch.channels_last)
        ours = made(photo.contiguous(memory_format=torch.channels_last), hole).logits
    torch.testing.assert_close(ours, wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's own tracer
@ALL
@pytest.mark.parametrize("train", [False, True])
def test_traces_in_one_graph(name: str, train: bool) -> None:
    torch.compiler.reset()
    made = network(name).train(train)
    photo, hole = pair(2, side(name))
    if not train:
        wanted = made(photo, hole).image
    traced = torch.compile(made, fullgraph=True, backend="eager")
    shown = pictures(traced(photo, hole))
    if not train:
        torch.testing.assert_close(shown[0], wanted)
    torch.stack([picture.mean() for picture in shown]).sum().backward()
    assert any(slope.any() for slope in gradients(made))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@ALL_DISCRIMINATORS
def test_discriminators_trace_in_one_graph(name: str) -> None:
    torch.compiler.reset()
    made = discriminator(name).eval()
    photo, hole = pair(2, discriminator_side(made))
    traced = torch.compile(made, fullgraph=True, backend="eager")
    torch.testing.assert_close(traced(photo, hole).logits, made(photo, hole).logits)


@ALL
@pytest.mark.parametrize("missing", ["all", "none", "one pixel", "all but one pixel"])
def test_extreme_holes_are_finite(name: str, missing: str) -> None:
    made = network(name).train()
    photo, hole = pair(2, side(name))
    hole.fill_(1.0 if missing.startswith("all") else 0.0)
    if missing.endswith("one pixel"):
        hole[..., 70, 61] = 1 - hole[..., 70, 61]
    shown = pictures(made(photo, hole))
    torch.stack([(picture - photo).abs().mean() for picture in shown]).sum().backward()
    assert all(picture.isfinite().all() for picture in shown)
    assert all(slope.isfinite().all() for slope in gradients(made))


@ALL
def test_a_batch_of_one_is_what_it_is_in_a_batch(name: str) -> None:
    made = network(name).eval()
    photo, hole = pair(2, side(name))
    with torch.no_grad():
        alone, together = made(photo[:1], hole[:1]).image, made(photo, hole).image
    torch.testing.assert_close(alone, together[:1], rtol=1e-3, atol=1e-4)


@ALL
def test_a_batch_of_one_trains_or_says_why_not(name: str) -> None:
    made = network(name).train()
    photo, hole = pair(1, side(name))
    try:
        image = made(photo, hole).image
    except TensorError as problem:
        assert "give 2 photos" in str(problem)
    else:
        assert image.isfinite().all()


@ALL
@pytest.mark.parametrize("shape", [(97, 131), (1, 1), (3, 200)])
@pytest.mark.parametrize("missing", ["all", "one pixel", "half"])
def test_odd_pictures_are_filled(name: str, shape: tuple[int, int], missing: str) -> None:
    photo = np.random.default_rng(0).random((*shape, 3), dtype=np.float32)
    hole = np.zeros(shape, bool)
    if missing == "one pixel":
        hole[shape[0] // 2, shape[1] // 2] = True
    else:
        hole[:, : math.ceil(shape[1] / (1 if missing == "all" else 2))] = True
    filled = attach_start(NetworkFiller(network(name)))(photo, hole)
    assert filled.shape == photo.shape and np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[~hole], photo[~hole])


WRONG: dict[str, tuple[Any, str]] = {
    "0..255": (lambda photo, hole: (photo * 255, hole), "divide by 255"),
    "-1..1": (lambda photo, hole: (photo * 2 - 1, hole), r"use \(photo \+ 1\) / 2"),
    "NaN": (lambda photo, hole: (photo * torch.nan, hole), "holds NaN"),
    "grey": (lambda photo, hole: (photo[:, :1], hole), r"must be \(N, 3, H, W\)"),
    "no batch": (lambda photo, hole: (photo[0], hole), r"must be \(N, 3, H, W\)"),
    "whole numbers": (lambda photo, hole: (photo.byte(), hole), r"call \.float\(\)"),
    "three holes": (lambda photo, hole: (photo, hole.expand(-1, 3, -1, -1)), r"\(N, 1, H, W\)"),
    "hole too small": (lambda photo, hole: (photo, hole[..., 1:]), "give the hole the shape"),
    "grey hole": (lambda photo, hole: (photo, hole * 0.5), "make it binary"),
    "odd size": (lambda photo, hole: (photo[..., 1:], hole[..., 1:]), "NetworkFiller"),
    "elsewhere": (lambda photo, hole: (photo, hole.to("meta")), "move one of them"),
    "both elsewhere": (lambda photo, hole: (photo.to("meta"), hole.to("meta")), "move one of them"),
}


@ALL
@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_input_is_one_line(name: str, wrong: str) -> None:
    spoil, message = WRONG[wrong]
    with pytest.raises(TensorError, match=message) as caught:
        network(name)(*spoil(*pair(2, side(name))))
    assert "\n" not in str(caught.value)


DISCRIMINATORS_REFUSE = [
    w for w in WRONG if w not in ("0..255", "-1..1", "NaN", "grey hole", "odd size")
]


@ALL_DISCRIMINATORS
@pytest.mark.parametrize("wrong", DISCRIMINATORS_REFUSE)
def test_judges_refuse_in_one_line(name: str, wrong: str) -> None:
    spoil, message = WRONG[wrong]
    made = discriminator(name)
    with pytest.raises(TensorError, match=message) as caught:
        made(*spoil(*pair(2, discriminator_side(made))))
    assert "\n" not in str(caught.value)
