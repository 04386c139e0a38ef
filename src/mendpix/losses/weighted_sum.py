"""Sums of named terms that share one look at each step's pictures, and the papers' ready sums."""

from collections.abc import Iterator, Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from mendpix.losses.adversarial import Adversarial
from mendpix.losses.base import Loss, LossInputs, Part, Terms
from mendpix.losses.partial_conv import PartialConvPerceptual, PartialConvStyle
from mendpix.losses.pixel import L1, L2, OverlapL2, TotalVariation
from mendpix.networks.features import FeatureNetwork
from mendpix.networks.types import Prediction

Named = Mapping[str, tuple[float, Loss]]

PARTIAL_CONV_WEIGHTS = {
    "valid": 1.0,
    "hole": 6.0,
    "perceptual": 0.05,
    "style_output": 120.0,
    "style_composite": 120.0,
    "tv": 0.1,
}


class WeightedSum(Loss):
    """``sum_i weight_i * term_i``, each feature pyramid computed once however many terms read it.

    :attr:`values` says after each call what each term came to.

    Args:
        terms: name -> (weight, loss). A sum may hold sums; their terms are then called
            ``outer/inner``. A term of weight 0 is not computed.

    Shape:
        as every loss; returns a scalar.

    Raises:
        ValueError: no terms, or a name with a dot.
    """

    def __init__(self, terms: Named) -> None:
        super().__init__()
        if not terms:
            raise ValueError("a sum needs one term or more")
        for name in terms:
            if "." in name:
                raise ValueError(f"a term is called {name!r}; use a name without a dot")
        self.terms = Terms({name: term for name, (_, term) in terms.items()})
        self.weights = {name: float(weight) for name, (weight, _) in terms.items()}
        self.photos = all(term.photos for _, term in terms.values())
        self.values: dict[str, Tensor] = {}
        """Each term's weighted value in the last call, without gradient."""

    def announce(self, scene: LossInputs) -> None:
        """Tell the scene what all terms will read, before the first of them reads."""
        for _, _, term in self.counting():
            term.announce(scene)

    def judge(self, scene: LossInputs) -> Tensor:
        """The sum; what each term came to is kept in :attr:`values`."""
        parts = self.parts(scene)
        self.values = {name: value.detach() for name, value in parts.items()}
        if not parts:
            return scene.target.new_zeros(())
        return torch.stack(list(parts.values())).sum()

    def parts(self, scene: LossInputs) -> dict[str, Tensor]:
        """Each term's weighted value, with gradient."""
        found: dict[str, Tensor] = {}
        for name, weight, term in self.counting():
            if isinstance(term, WeightedSum):
                inner = term.parts(scene)
                found |= {f"{name}/{key}": weight * value for key, value in inner.items()}
            else:
                found[name] = weight * term.judge(scene)
        return found

    def counting(self) -> Iterator[tuple[str, float, Loss]]:
        """The terms whose weight is not 0: name, weight, term."""
        for name, term in self.terms.items():
            assert isinstance(term, Loss)
            if self.weights[name]:
                yield name, self.weights[name], term

    def discriminator_loss(
        self, prediction: Prediction | Tensor, target: Tensor, hole: Tensor
    ) -> Tensor:
        """D's side of every adversarial term that counts, added up without the terms' weights.

        Raises:
            TensorError: shapes, ranges, kinds or devices that do not fit.
        """
        return self.discriminate(LossInputs(prediction, target, hole, self.photos))

    def discriminate(self, scene: LossInputs) -> Tensor:
        """D's side on a scene; 0 without adversarial terms."""
        prices = [scene.target.new_zeros(())]
        for _, _, term in self.counting():
            if isinstance(term, Adversarial | WeightedSum):
                prices.append(term.discriminate(scene))
        return torch.stack(prices).sum()


class PartialConvSum(WeightedSum):
    """The six-term objective of partial convolutions (Liu et al. 2018, section 3.3).

    https://arxiv.org/abs/1804.07723. One pass of VGG-16 over output, composite and target each.

    Args:
        network: the feature network, by name or itself.
        tv_region: ``"hole"`` as in the paper, ``"whole"`` as in a well-known port.
        normalise_input: False for pictures that already have ImageNet's mean and deviation.
        weights: other weights than :data:`PARTIAL_CONV_WEIGHTS`, by name.
        part: which picture of the Prediction is judged.

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
        weigh = {**PARTIAL_CONV_WEIGHTS, **(weights or {})}
        if weigh.keys() != terms.keys():
            odd = next(iter(weigh.keys() - terms.keys()))
            raise ValueError(f"weights names {odd!r}; the terms are {', '.join(terms)}")
        super().__init__({name: (weigh[name], term) for name, term in terms.items()})


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
        game = Adversarial(discriminator, "non-saturating", on="output")
        super().__init__({"l2": (wtl2, reconstruction), "adversarial": (1 - wtl2, game)})
