"""CR-Fill: layer tables, the two stages' wiring, the branch in training, and its loss."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mendpix.errors import TensorError
from mendpix.losses.adversarial import Adversarial
from mendpix.losses.crfill_objective import CRFILL_WEIGHTS, ContextualReconstruction, CRFillSum
from mendpix.networks.contextual_reconstruction import AS_SHIPPED, CLEAN, reconstruct
from mendpix.networks.crfill import CRFill, CRFillOptions
from mendpix.networks.patch_discriminators import CRFILL, SNPatchGAN
from mendpix.networks.types import Prediction, composite


def small(branch: bool = True) -> CRFill:
    torch.manual_seed(0)
    return CRFill(CRFillOptions(8, branch))


def pair(n: int = 2, height: int = 32, width: int = 48) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    hole = torch.zeros(n, 1, height, width)
    hole[..., 8:21, 5:30] = 1
    return torch.rand(n, 3, height, width), hole


def test_sizes_are_the_released_ones() -> None:
    filling = CRFill(CRFillOptions(branch=False))
    assert sum(p.numel() for p in filling.parameters()) == 4_052_478
    assert len(filling.state_dict()) == 84


def test_tensors_are_the_released_ones(reference: Path) -> None:
    released = json.loads((reference / "crfill_twostagend.state.json").read_text())["keys"]
    shapes = sorted(tuple(shape) for key, shape in released if not key.startswith("sconv"))
    assert sorted(tuple(value.shape) for value in CRFill().state_dict().values()) == shapes


def test_the_fine_stage_sees_the_coarse_picture_in_the_hole_alone() -> None:
    network = small(branch=False).eval()
    photo, hole = pair()
    seen: list[Tensor] = []
    network.far.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    made = network(photo, hole)
    assert made.coarse is not None
    wanted = composite(made.coarse * 2 - 1, photo * 2 - 1, hole)
    torch.testing.assert_close(seen[0], wanted, rtol=0, atol=1e-6)


def test_what_hides_in_the_hole_does_not_matter() -> None:
    network = small()
    photo, hole = pair()
    other = torch.where(hole == 1, torch.rand_like(photo), photo)
    for ours, theirs in zip(network(photo, hole)[:3], network(other, hole)[:3], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_the_branch_is_there_in_training_only() -> None:
    network = small()
    photo, hole = pair()
    made = network(photo, hole)
    assert made.aux is not None and made.aux.shape == photo.shape
    assert all(part.min() >= 0 and part.max() <= 1 for part in made[:3] if part is not None)
    assert made.features is not None and made.features[0].shape == (2, 16, 8, 12)
    assert network.eval()(photo, hole).aux is None
    network.train().branch_enabled = False
    assert network(photo, hole).aux is None


def test_the_branch_copies_with_the_generator_s_features() -> None:
    network = small()
    branch = network.branch
    assert branch is not None
    given: list[Tensor] = []
    branch.up_outer.register_forward_hook(lambda _, args, out: given.append(out))
    branch.rebuild.register_forward_pre_hook(lambda _, args: given.append(args[0]))
    photo, hole = pair()
    made = network(photo, hole)
    assert made.features is not None
    values, copied = given
    torch.testing.assert_close(copied, reconstruct(made.features[0], hole, values, AS_SHIPPED))


def test_the_forms_differ_and_are_options() -> None:
    shipped, clean = small(), CRFill(CRFillOptions(8, contextual=replace(CLEAN, tile=7)))
    clean.load_state_dict(shipped.state_dict())
    photo, hole = pair()
    first, second = shipped(photo, hole), clean(photo, hole)
    torch.testing.assert_close(first.image, second.image)
    assert not torch.allclose(first.aux, second.aux, atol=1e-4)


def test_a_photo_without_a_patch_cannot_train_the_branch() -> None:
    photo, hole = torch.rand(1, 3, 12, 32), torch.zeros(1, 1, 12, 32)
    with pytest.raises(TensorError, match="compares 16x16 patches") as caught:
        small()(photo, hole)
    assert "\n" not in str(caught.value)
    assert small().eval()(photo, hole).image.shape == photo.shape


# The loss


def prediction(photo: Tensor) -> Prediction:
    torch.manual_seed(2)
    image, coarse, aux = (torch.rand_like(photo).requires_grad_() for _ in range(3))
    return Prediction(image, coarse, aux)


def test_the_term_is_the_mean_difference_in_the_source_s_range() -> None:
    photo, hole = torch.full((1, 3, 8, 8), 0.25), torch.zeros(1, 1, 8, 8)
    made = Prediction(photo, photo, torch.full_like(photo, 0.75))
    assert ContextualReconstruction()(made, photo, hole).item() == pytest.approx(1.0)
    assert ContextualReconstruction(span=1.0)(made, photo, hole).item() == pytest.approx(0.5)
    assert ContextualReconstruction()(Prediction(photo, aux=photo), photo, hole) == 0


def test_the_term_reaches_the_branch_and_the_generator() -> None:
    network = small()
    photo, hole = pair()
    ContextualReconstruction()(network(photo, hole), photo, hole).backward()
    still = {key for key, p in network.named_parameters() if p.grad is None or not p.grad.any()}
    assert not still


def test_the_term_s_gradient_in_double() -> None:
    photo = torch.rand(1, 3, 6, 5, dtype=torch.float64)
    hole = torch.zeros(1, 1, 6, 5, dtype=torch.float64)
    aux = torch.rand_like(photo).requires_grad_()

    def run(aux: Tensor) -> Tensor:
        return ContextualReconstruction()(Prediction(photo, aux=aux), photo, hole)

    assert torch.autograd.gradcheck(run, (aux,))


def test_a_network_without_a_branch_is_told() -> None:
    photo, hole = pair()
    with pytest.raises(TensorError, match=r"no 'aux' picture.*use part='image'") as caught:
        ContextualReconstruction()(photo, photo, hole)
    assert "\n" not in str(caught.value)
    assert ContextualReconstruction(part="image")(photo, photo, hole) == 0


def discriminators() -> tuple[nn.Module, nn.Module]:
    return SNPatchGAN(replace(CRFILL, width=4)).eval(), SNPatchGAN(replace(CRFILL, width=4)).eval()


def test_the_whole_objective_is_its_formula() -> None:
    photo, hole = pair(height=64, width=64)
    made = prediction(photo)
    d, d_aux = discriminators()
    total = CRFillSum(d, d_aux)(made, photo, hole)
    target = photo * 2 - 1
    coarse, fine, aux = (
        (part * 2 - 1 - target).abs().mean()
        for part in (made.coarse, made.image, made.aux)
        if part is not None
    )
    assert made.aux is not None
    fool = -d(composite(made.image, photo, hole), hole).logits.mean()
    fool_aux = -d_aux(composite(made.aux, photo, hole), hole).logits.mean()
    torch.testing.assert_close(total, coarse + fine + fool + 0.5 * (aux + fool_aux))


def test_both_discriminators_pay_the_hinge_unweighted() -> None:
    photo, hole = pair(height=64, width=64)
    made = prediction(photo)
    d, d_aux = discriminators()
    total = CRFillSum(d, d_aux).discriminator_loss(made, photo, hole)
    wanted = sum(
        Adversarial(discriminator, "hinge", part=part).discriminator_loss(made, photo, hole)
        for discriminator, part in ((d, "image"), (d_aux, "aux"))
    )
    torch.testing.assert_close(total, wanted)


def test_earlier_stages_do_without_the_branch() -> None:
    photo, hole = pair(height=64, width=64)
    made = prediction(photo)._replace(aux=None)
    off = {"contextual": 0.0, "contextual_adversarial": 0.0}
    assert CRFillSum(*discriminators(), weights=off)(made, photo, hole).isfinite()
    with pytest.raises(ValueError, match="weights names 'corse'"):
        CRFillSum(*discriminators(), weights={"corse": 1.0})
    assert set(off) < set(CRFILL_WEIGHTS)
