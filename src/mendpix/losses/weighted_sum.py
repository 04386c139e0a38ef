"""Weighted sums of named losses that share their inputs, and the papers' objectives."""

from collections.abc import Iterator, Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from mendpix.losses.adversarial import Adversarial
from mendpix.losses.base import Loss, LossInputs, Part, TermDict
from mendpix.losses.partial_conv_terms import PartialConvPerceptual, PartialConvStyle
from mendpix.losses.pixel_losses import L1, L2, OverlapL2, TotalVariation
from mendpix.networks.features import FeatureNetwork
from mendpix.networks.types import Prediction

WeightedTerms = Mapping[str, tuple[float, Loss]]

# The weights of released ports (Liu et al. 2018, section 3.3).
PARTIAL_CONV_WEIGHTS = {
    "valid": 1.0,
    "hole": 6.0,
    "perceptual": 0.05,
    "style_output": 120.0,
    "style_composite": 120.0,
    "tv": 0.1,
}


class WeightedSum(Loss):
    """``sum_i weight_i * term_i``; terms that read the same features share the forward pass.

    :attr:`values` holds each term's weighted value after a call.

    Args:
        terms: name -> (weight, loss). A sum may hold sums; their terms are then called
            ``outer/inner``. A term of weight 0 is not computed.

    Shape:
        as every loss; returns a scalar.

    Raises:
        ValueError: no terms, or a name with a dot.
    """

    def __init__(self, terms: WeightedTerms) -> None:
        super().__init__()
        if not terms:
            raise ValueError("a sum needs one term or more")
        for name in terms:
            if "." in name:
                raise ValueError(f"a term is called {name!r}; use a name without a dot")
        self.terms = TermDict({name: term for name, (_, term) in terms.items()})
        self.weights = {name: float(weight) for name, (weight, _) in terms.items()}
        self.photos = all(term.photos for _, term in terms.values())
        self.values: dict[str, Tensor] = {}
        """Each term's weighted value in the last call, without gradient."""

    def request_features(self, inputs: LossInputs) -> None:
        """Request what all terms read, before the first of them reads."""
        for _, _, term in self.active_terms():
            term.request_features(inputs)

    def compute(self, inputs: LossInputs) -> Tensor:
        """The sum; sets :attr:`values`."""
        terms = self.compute_terms(inputs)
        self.values = {name: value.detach() for name, value in terms.items()}
        if not terms:
            return inputs.target.new_zeros(())
        return torch.stack(list(terms.values())).sum()

    def compute_terms(self, inputs: LossInputs) -> dict[str, Tensor]:
        """Each term's weighted value, with gradient."""
        values: dict[str, Tensor] = {}
        for name, weight, term in self.active_terms():
            if isinstance(term, WeightedSum):
                inner = term.compute_terms(inputs)
                values |= {f"{name}/{key}": weight * value for key, value in inner.items()}
            else:
                values[name] = weight * term.compute(inputs)
        return values

    def active_terms(self) -> Iterator[tuple[str, float, Loss]]:
        """The terms whose weight is not 0: name, weight, term."""
        for name, term in self.terms.items():
            assert isinstance(term, Loss)
            if self.weights[name]:
                yield name, self.weights[name], term

    def discriminator_loss(
        self, prediction: Prediction | Tensor, target: Tensor, hole: Tensor
    ) -> Tensor:
        """The sum of D's losses of all active adversarial terms, without the terms' weights.

        Raises:
            TensorError: shapes, ranges, dtypes or devices that do not fit.
        """
        return self.compute_discriminator_loss(LossInputs(prediction, target, hole, self.photos))

    def compute_discriminator_loss(self, inputs: LossInputs) -> Tensor:
        """D's loss of one step's inputs; 0 without adversarial terms."""
        losses = [inputs.target.new_zeros(())]
        for _, _, term in self.active_terms():
            if isinstance(term, Adversarial | WeightedSum):
                losses.append(term.compute_discriminator_loss(inputs))
        return torch.stack(losses).sum()


class PartialConvSum(WeightedSum):
    """The six-term objective of partial convolutions (Liu et al. 2018, section 3.3).

    https://arxiv.org/abs/1804.07723. One pass of VGG-16 over output, composite and target each.

    Args:
        network: the feature network, by name or itself.
        tv_region: ``"hole"`` as in the paper, ``"whole"`` as in a well-known port.
        normalise_input: False for pictures that already have ImageNet's mean and deviation.
        weights: other weights than :data:`PARTIAL_CONV_WEIGHTS`, by name.
        part: which picture of the Prediction is compared.

    Shape:
        as every loss; returns a scalar >= 0.
    """

    def __init__(
        self,
        network: str | FeatureNetwork = "vgg16",
        tv_region: Literal["hole", "whole"] = "hole",
        normalise_input: bool = True,
        weights: Mapping[str, float] | None = None,
        part: Part = "image",
    ) -> None:
        def style(on: Literal["output", "composite"]) -> Loss:
            return PartialConvStyle(network, normalise_input=normalise_input, on=on, part=part)

        terms: dict[str, Loss] = {
            "valid": L1("known", part=part),
            "hole": L1("hole", part=part),
            "perceptual": PartialConvPerceptual(
                network, normalise_input=normalise_input, part=part
            ),
            "style_output": style("output"),
            "style_composite": style("composite"),
            "tv": TotalVariation(tv_region, part=part),
        }
        all_weights = {**PARTIAL_CONV_WEIGHTS, **(weights or {})}
        for name in all_weights:
            if name not in terms:
                raise ValueError(f"weights names {name!r}; the terms are {', '.join(terms)}")
        super().__init__({name: (all_weights[name], term) for name, term in terms.items()})


class ContextEncoderSum(WeightedSum):
    """Context Encoders' objective: ``wtl2 * reconstruction + (1 - wtl2) * adversarial``.

    Pathak et al. 2016, https://arxiv.org/abs/1604.07379, with the released code's weights.

    Args:
        discriminator: owned by the adversarial term.
        form: ``"centre"`` weighs the overlap frame, ``"random"`` all known pixels.
        wtl2: share of the reconstruction; in (0, 1).
        known_weight: weight of the frame's (centre) or of all known pixels (random; 1 where the
            released code's ``useOverlapPred`` is off).
        overlap: width of the frame in pixels (centre).

    Shape:
        as every loss; returns a scalar.
    """

    def __init__(
        self,
        discriminator: nn.Module,
        form: Literal["centre", "random"] = "centre",
        wtl2: float = 0.999,
        known_weight: float = 10.0,
        overlap: int = 4,
    ) -> None:
        if not 0 < wtl2 < 1:
            raise ValueError(f"wtl2 is {wtl2:g} but must lie in (0, 1)")
        if form not in ("centre", "random"):
            raise ValueError(f"form is {form!r} but must be 'centre' or 'random'")
        reconstruction: Loss = (
            OverlapL2(overlap, known_weight)
            if form == "centre"
            else L2(known_weight=known_weight, span=2.0)
        )
        adversarial = Adversarial(discriminator, "non-saturating", on="output")
        super().__init__({"l2": (wtl2, reconstruction), "adversarial": (1 - wtl2, adversarial)})
