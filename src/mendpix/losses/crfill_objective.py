"""CR-Fill's contextual reconstruction loss, and its whole objective.

Zeng, Lin, Lu, Patel 2021, https://arxiv.org/abs/2011.12836. The branch belongs to the network
and exists in training only; its picture, rebuilt from known patches, is ``Prediction.aux``. It is
good only where the network's features match the hole to the right known patches, and where the
fill is such that similar patches exist.
"""

from collections.abc import Mapping

from torch import nn

from mendpix.losses.adversarial import Adversarial
from mendpix.losses.base import On, Part
from mendpix.losses.pixel_losses import L1
from mendpix.losses.weighted_sum import WeightedSum

CRFILL_WEIGHTS = {
    "coarse": 1.0,
    "fine": 1.0,
    "adversarial": 1.0,
    "contextual": 0.5,
    "contextual_adversarial": 0.5,
}


class ContextualReconstruction(L1):
    """``mean|aux - X|`` over the whole picture, known pixels too, in [-1, 1] as in the source.

    The L1 half of CR-Fill's contextual reconstruction loss. The other half is a hinge loss with
    a discriminator of its own, ``Adversarial(D_aux, "hinge", part="aux")``; in the released code
    both weigh 0.5. How patches are compared and copied is an option of the branch
    (``ContextualOptions``).

    Args:
        span: length of the source's range of values; 1 for photos in [0, 1].
        on, part: the branch's own picture by default.

    Shape:
        prediction: a :class:`~mendpix.networks.types.Prediction` with ``aux`` ``(N, 3, H, W)``,
        which CR-Fill returns in training mode; otherwise as every loss. Returns a scalar >= 0.

    Raises:
        TensorError: the prediction has no such picture.
    """

    def __init__(self, span: float = 2.0, on: On = "output", part: Part = "aux") -> None:
        super().__init__(span=span, on=on, part=part)


class CRFillSum(WeightedSum):
    """CR-Fill's whole objective for the generator and its two discriminators.

    ``L_G = L1(coarse) + L1(fine) - mean D(comp) + 0.5 (L1(aux) - mean D_aux(comp_aux))``, L1 in
    [-1, 1]; D's loss is a hinge for each discriminator, unweighted. Released code of Zeng et al.
    2021, https://arxiv.org/abs/2011.12836

    Args:
        discriminator: judges the composite of the fine picture.
        aux_discriminator: judges the composite of the branch's picture; a network of its own.
        weights: others than :data:`CRFILL_WEIGHTS`, by name; 0 leaves a term out, as the source
            does with the last two until its last stage.

    Shape:
        prediction: with every part that a term of weight > 0 reads; returns a scalar.

    Raises:
        ValueError: a weight's name is not known.
    """

    def __init__(
        self,
        discriminator: nn.Module,
        aux_discriminator: nn.Module,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        all_weights = {**CRFILL_WEIGHTS, **(weights or {})}
        for name in all_weights:
            if name not in CRFILL_WEIGHTS:
                known = ", ".join(CRFILL_WEIGHTS)
                raise ValueError(f"weights names {name!r}; the terms are {known}")
        terms = {
            "coarse": L1(span=2.0, part="coarse"),
            "fine": L1(span=2.0),
            "adversarial": Adversarial(discriminator, "hinge", together=True),
            "contextual": ContextualReconstruction(),
            "contextual_adversarial": Adversarial(
                aux_discriminator, "hinge", part="aux", together=True
            ),
        }
        super().__init__({name: (all_weights[name], term) for name, term in terms.items()})
