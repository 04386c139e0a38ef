"""The bundled network and what it is shown: fills that another filler began."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from thin import tensors
from torch.utils.flop_counter import FlopCounterMode
from training_inputs import draw_pictures, refinement_recipe

import mendpix
from mendpix.errors import RecipeError, TensorError, TrainingError
from mendpix.inpainting.torch import NetworkFiller
from mendpix.losses import LearnedPerceptual, learned_perceptual
from mendpix.metrics import lpips
from mendpix.networks import serialization
from mendpix.networks.refinement import RefinementNet, RefinementOptions
from mendpix.training import (
    hole_sampling,
    initialization,
    objective,
)
from mendpix.training.photos import read_photos
from mendpix.training.samples import Samples


def pictures(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(height + width)
    hole = torch.zeros(1, 1, height, width)
    hole[..., 8:24, 10:30] = 1
    return torch.rand(1, 3, height, width, generator=random), hole


def test_a_fresh_network_gives_back_what_it_was_shown() -> None:
    photo, hole = pictures(48, 64)
    assert torch.equal(RefinementNet()(photo, hole).image, photo)


@pytest.mark.parametrize("blocks", [4, 7])
def test_it_costs_at_most_8_gflops_at_256(blocks: int) -> None:
    network = RefinementNet(RefinementOptions(blocks=blocks)).eval()
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(torch.rand(1, 3, 256, 256), torch.zeros(1, 1, 256, 256))
    assert 5e9 < counter.get_total_flops() < 8e9


def test_weights_of_fewer_blocks_are_gone_on_from(tmp_path: Path) -> None:
    torch.manual_seed(0)
    small = RefinementNet(RefinementOptions(width=4, blocks=2)).eval()
    for module in small.modules():
        if isinstance(module, torch.nn.Conv2d) and not module.weight.any():
            torch.nn.init.normal_(module.weight, 0, 0.05)
    file = tmp_path / "small.safetensors"
    serialization.save(file, small, {})
    options = {"width": 4, "blocks": 5}
    made = refinement_recipe(network={"name": "mender", "options": options}, from_weights=str(file))
    large = objective.build_network(made).eval()
    initialization.copy_weights(large, made)
    photo, hole = pictures(48, 64)
    with torch.inference_mode():
        assert torch.equal(large(photo, hole).image, small(photo, hole).image)
    serialization.save(file, large, {})
    made = refinement_recipe(
        network={"name": "mender", "options": options | {"blocks": 2}}
    ).model_copy(update={"from_weights": str(file)})
    with pytest.raises(TrainingError, match="other options"):
        initialization.copy_weights(objective.build_network(made), made)


def test_a_size_that_is_no_multiple_is_refused() -> None:
    with pytest.raises(TensorError, match=r"48x40 .* multiples of 16; pad it to 48x48"):
        RefinementNet()(*pictures(48, 40))


def test_the_global_view_reaches_far(tmp_path: Path) -> None:
    """A change in one corner is felt in the opposite one, once the network has learned anything."""
    torch.manual_seed(0)
    network = RefinementNet(RefinementOptions(width=4)).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d) and not module.weight.any():
            torch.nn.init.normal_(module.weight, 0, 0.05)
    photo, hole = torch.rand(1, 3, 512, 512), torch.zeros(1, 1, 512, 512)
    other = photo.clone()
    other[..., :16, :16] = 1 - other[..., :16, :16]
    with torch.inference_mode():
        change = (network(photo, hole).image - network(other, hole).image).abs()
    assert change[..., -16:, -16:].max() > 0


def test_load_runs_the_start_before_the_network(tmp_path: Path) -> None:
    """A fresh network changes nothing, so its fill is that of its start, bit for bit."""
    random = np.random.default_rng(1)
    photo = random.random((40, 50, 3), np.float32)
    hole = np.zeros((40, 50), bool)
    hole[10:20, 15:30] = True
    for start in ("telea", "patchmatch"):
        path = tmp_path / f"{start}.safetensors"
        serialization.save(path, RefinementNet(RefinementOptions(width=4, start=start)), {})
        wanted = mendpix.load(start)(photo, hole)
        np.testing.assert_array_equal(mendpix.load(path)(photo, hole), wanted)


def samples(folder: Path, made: Any) -> Samples:
    network = objective.build_network(made)
    starts = hole_sampling.make_initial_fills(made, network)
    return Samples(
        read_photos(folder, made), made, hole_sampling.make_hole_sampler(made, network), starts
    )


def test_training_shows_first_fills(tmp_path: Path) -> None:
    draw_pictures(tmp_path / "photos", 6, (80, 120))
    made = refinement_recipe()
    first = samples(tmp_path / "photos", made).load_batch([3, 9])
    again = samples(tmp_path / "photos", made).load_batch([3, 9])
    assert first.initial_fill is not None and again.initial_fill is not None
    for batch in (first, again):
        known = (1 - batch.hole).bool().expand_as(batch.photo)
        assert torch.equal(batch.network_input[known], batch.photo[known])
        assert ((batch.hole.mean((1, 2, 3)) > 0.03) & (batch.hole.mean((1, 2, 3)) < 0.7)).all()
    assert torch.equal(first.network_input, again.network_input)
    missing = first.hole.bool().expand_as(first.photo)
    assert (first.network_input[missing] != first.photo[missing]).float().mean() > 0.5


def test_a_whole_photos_fill_is_made_once_and_cut_often(tmp_path: Path) -> None:
    draw_pictures(tmp_path / "photos", 4, (80, 160))
    made = refinement_recipe()
    several = samples(tmp_path / "photos", made)
    count = len(several.photos.train)
    assert several.initial_fills is not None
    for index in range(3 * count):
        several.load_batch([index])
    assert len(several.initial_fills._fills) == count


def test_first_fills_on_disk_serve_other_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same pixels; a file cut short is made again, and another hole is another file."""
    monkeypatch.setenv("MENDPIX_HOME", str(tmp_path / "home"))
    draw_pictures(tmp_path / "photos", 4, (80, 160))
    on_disk = {"short_side": 80, "cache": "disk"}
    fresh = samples(tmp_path / "photos", refinement_recipe()).load_batch([0, 1])
    first = samples(tmp_path / "photos", refinement_recipe(data=on_disk)).load_batch([0, 1])
    kept = sorted((tmp_path / "home" / "first-fills").iterdir())
    assert len(kept) == 2 and all(file.suffix == ".npy" for file in kept)
    np.save(kept[0], np.load(kept[0]) // 2)
    kept[1].write_bytes(kept[1].read_bytes()[:100])
    again = samples(tmp_path / "photos", refinement_recipe(data=on_disk)).load_batch([0, 1])
    assert torch.equal(fresh.network_input, first.network_input)
    changed = (again.network_input != first.network_input).flatten(1).any(1)
    assert changed.sum() == 1, "one was taken as it lay there, the other made again"
    other = refinement_recipe(data=on_disk, holes=[{"kind": "lama-thin"}])
    samples(tmp_path / "photos", other).load_batch([0])
    assert len(list((tmp_path / "home" / "first-fills").iterdir())) == 3


def test_a_run_resumes_bit_for_bit(tmp_path: Path) -> None:
    draw_pictures(tmp_path / "photos", 8, (80, 96))
    said = refinement_recipe(save_every=2, validate_every=2, sheet_every=4, validate_count=2)
    whole = mendpix.train(tmp_path / "photos", tmp_path / "whole", said)
    half = mendpix.train(tmp_path / "photos", tmp_path / "half", said, max_minutes=0)
    assert not half.finished and whole.finished
    mendpix.train(tmp_path / "photos", tmp_path / "half", said, resume=True)
    a, b = (serialization.load(tmp_path / name)[0].state_dict() for name in ("whole", "half"))
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert (tmp_path / "whole" / "sheets" / "0000004.png").is_file()


def test_an_unknown_start_is_refused(tmp_path: Path) -> None:
    made = refinement_recipe(data={"start_options": {"brush": 3}})
    with pytest.raises(RecipeError, match="telea has no option 'brush'"):
        hole_sampling.make_initial_fills(made, objective.build_network(made))


def test_the_learned_distance_is_the_metric_with_soft_lengths() -> None:
    """On features far from 0 the loss is LPIPS of VGG-16, as the metric computes it."""
    from mendpix.networks.features import FeatureNetwork

    network = FeatureNetwork("vgg16", tensors("vgg16"))
    loss = LearnedPerceptual(network, on="output").double()
    loss.heads = {name: head[:4] for name, head in loss.heads.items()}
    network.double()
    random = torch.Generator().manual_seed(5)
    a, b = torch.rand(2, 2, 3, 32, 32, generator=random, dtype=torch.float64)
    hole = torch.ones_like(a[:, :1])
    sides = [network(x, loss.heads) for x in (a, b)]
    soft = [
        {k: x / (x.square().sum(1, keepdim=True) + 0.01).sqrt() for k, x in side.items()}
        for side in sides
    ]
    wanted = sum(
        float(
            (lpips.load_heads("vgg16")[n][:4].double() * (soft[0][k] - soft[1][k]) ** 2)
            .sum(1)
            .mean()
        )
        for n, k in enumerate(loss.heads)
    )
    assert float(loss(a, b, hole)) == pytest.approx(wanted, rel=1e-9)
    half = hole.clone()
    half[..., :16] = 0
    by_hole = LearnedPerceptual(network, divide="hole", on="output")
    by_hole.heads = loss.heads
    assert float(by_hole(a, b, half)) == pytest.approx(2 * wanted, rel=1e-9)


@pytest.mark.parametrize("shape", [(2, 5, 7, 9), (1, 96, 40, 50)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_learned_distances_gradient_is_autograds(
    shape: tuple[int, ...], layout: torch.memory_format
) -> None:
    random = torch.Generator().manual_seed(8)
    made, wanted = torch.rand(2, *shape, generator=random, dtype=torch.float64)
    made, wanted = (x.sub(0.5).relu().contiguous(memory_format=layout) for x in (made, wanted))
    head = torch.rand(1, shape[1], 1, 1, generator=random)
    kept = made.clone(), wanted.clone()
    made.requires_grad_()
    found = learned_perceptual._distance(made, wanted, head)
    units = [x * (x.square().sum(1, keepdim=True) + 0.01).rsqrt() for x in (made, wanted)]
    plain = ((units[0] - units[1]).square() * head).sum(1).mean()
    torch.testing.assert_close(found, plain, rtol=1e-12, atol=0)
    own, theirs = (torch.autograd.grad(3 * value, made)[0] for value in (found, plain))
    torch.testing.assert_close(own, theirs, rtol=1e-9, atol=1e-15)
    assert torch.equal(made, kept[0])
    assert torch.equal(wanted, kept[1])


def test_the_learned_distance_of_half_precision_maps() -> None:
    """As far from float32's as rounding the maps and the gradient takes it."""
    random = torch.Generator().manual_seed(9)
    made, wanted = torch.rand(2, 2, 64, 24, 24, generator=random)
    head = torch.rand(1, 64, 1, 1, generator=random)
    wide, half = made.clone().requires_grad_(), made.bfloat16().requires_grad_()
    values = (
        learned_perceptual._distance(wide, wanted, head),
        learned_perceptual._distance(half, wanted.bfloat16(), head),
    )
    assert values[1].dtype == torch.float32
    torch.testing.assert_close(values[1], values[0], rtol=0.01, atol=0)
    for value in values:
        value.backward()
    assert half.grad is not None
    assert wide.grad is not None
    assert half.grad.dtype == torch.bfloat16
    error = (half.grad.float() - wide.grad).norm() / wide.grad.norm()
    assert error < 0.02


def test_the_learned_distance_of_smaller_pictures_and_of_some() -> None:
    from mendpix.networks.features import FeatureNetwork

    network = FeatureNetwork("vgg16", tensors("vgg16"))
    whole, small = (LearnedPerceptual(network, shrink=n, on="output") for n in (1, 2))
    for loss in (whole, small):
        loss.heads = {name: head[:4] for name, head in loss.heads.items()}
    random = torch.Generator().manual_seed(6)
    a, b = torch.rand(2, 2, 3, 32, 48, generator=random)
    hole = torch.ones_like(a[:, :1])
    large = [x.repeat_interleave(2, 2).repeat_interleave(2, 3) for x in (a, b, hole)]
    assert float(small(*large)) == pytest.approx(float(whole(a, b, hole)), rel=1e-5)
    one = LearnedPerceptual(network, divide="hole", share=0.4, on="output")
    one.heads = whole.heads
    pairs = [torch.cat(pair) for pair in ((a, b), (b, b), (hole, 0 * hole))]
    assert float(one(*pairs)) == pytest.approx(float(whole(a, b, hole)), rel=1e-5)
    with pytest.raises(ValueError, match="shrink is 0 and share 1 but must be 1 or more"):
        LearnedPerceptual(network, shrink=0)


def test_a_refined_fill_is_what_the_network_makes_of_it() -> None:
    """A PyTorch filler goes over a fill that is there already as the network itself does."""
    photo = np.random.default_rng(0).random((48, 64, 3), np.float32)
    hole = np.zeros((48, 64), bool)
    hole[10:30, 20:40] = True
    network = RefinementNet(RefinementOptions(width=4))
    torch.nn.init.normal_(network.exit.weight, std=0.01)
    refined = NetworkFiller(network).refine(photo, hole)
    with torch.inference_mode():
        seen = torch.from_numpy(photo.transpose(2, 0, 1))[None]
        wanted = network(seen, torch.from_numpy(hole)[None, None].float()).image[0]
    assert np.array_equal(refined[~hole], photo[~hole])
    wanted = wanted.clamp(0, 1).permute(1, 2, 0).numpy()[hole]
    np.testing.assert_allclose(refined[hole], wanted, atol=1e-6)
