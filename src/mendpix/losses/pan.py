"""PAN's perceptual adversarial loss: the discriminator's own layers say what looks alike.

Wang, Xu, Wang, Tao 2018, https://arxiv.org/abs/1706.09138
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mendpix.losses.adversarial import Adversarial, check_taps, weights_of
from mendpix.losses.base import On, Part
from mendpix.networks.types import DiscriminatorOutput


class PerceptualAdversarial(Adversarial):
    """A game in which G also closes, and D keeps open, the gap between D's layers.

    With ``P = sum_j lambda_j mean|D_j(y) - D_j(T(x))|`` over D's tapped layers:

    - G's side (called): ``J_T = log(1 - D(T(x))) + P``
    - D's side: ``J_D = -log D(y) - log(1 - D(T(x))) + max(0, m - P)``

    ``P`` reaches both players: in D through the layers of the real and of the fake picture alike.
    One pass of D per picture gives the logits and the layers.

    Args:
        discriminator: must tap as many layers as there are weights.
        weights: the ``lambda_j``.
        margin: ``m``, the gap beyond which D no longer widens it; 0 for a D without this term.
        game: ``"minimax"`` is the paper's saturating form.
        real_label: the released code trains D with one-sided labels of 0.9.
        on, part, together, r1, r1_every: as in :class:`Adversarial`.

    Shape:
        as every loss; returns a scalar, which may be negative.
    """

    weights: Tensor

    def __init__(
        self,
        discriminator: nn.Module,
        weights: Sequence[float] = (5.0, 1.5, 1.5, 1.0),
        margin: float = 3.0,
        game: str = "minimax",
        on: On = "output",
        part: Part = "image",
        together: bool = False,
        real_label: float = 0.9,
        r1: float = 0.0,
        r1_every: int = 1,
    ) -> None:
        super().__init__(
            discriminator, game, on, part, together, real_label, r1=r1, r1_every=r1_every
        )
        if margin < 0:
            raise ValueError(f"margin is {margin:g} but must be >= 0; 0 switches the term off")
        self.margin = margin
        self.register_buffer("weights", torch.tensor(weights_of(weights)), persistent=False)

    def match(self, fake: DiscriminatorOutput, real: DiscriminatorOutput) -> Tensor:
        """``P``: the weighted mean absolute differences of the tapped layers."""
        check_taps(fake, len(self.weights))
        pairs = zip(real.features, fake.features, strict=True)
        gaps = torch.stack([F.l1_loss(a, b) for a, b in pairs])
        return (self.weights.to(gaps) * gaps).sum()

    def _matches(self) -> bool:
        return True

    def _price(self, real: DiscriminatorOutput, fake: DiscriminatorOutput, hole: Tensor) -> Tensor:
        price = super()._price(real, fake, hole)
        return price + F.relu(self.margin - self.match(fake, real)) if self.margin else price
