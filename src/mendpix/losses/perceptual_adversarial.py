"""PAN's perceptual adversarial loss: a feature distance on the discriminator's own layers.

Wang, Xu, Wang, Tao 2018, https://arxiv.org/abs/1706.09138
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mendpix.losses.adversarial import Adversarial, check_layer_weights, check_tapped_layers
from mendpix.losses.base import On, Part
from mendpix.networks.types import DiscriminatorOutput


class PerceptualAdversarial(Adversarial):
    """Adversarial loss in which G also minimises, and D maximises, the distance of D's layers.

    With ``P = sum_j lambda_j mean|D_j(y) - D_j(T(x))|`` over D's tapped layers:

    - G's loss (the call): ``J_T = log(1 - D(T(x))) + P``
    - D's loss: ``J_D = -log D(y) - log(1 - D(T(x))) + max(0, m - P)``

    In D, the gradient of ``P`` flows through the layers of the real and of the fake picture.
    One pass of D per picture gives the logits and the layers.

    Args:
        discriminator: must tap as many layers as there are weights.
        weights: the ``lambda_j``.
        margin: ``m``, the distance up to which D maximises ``P``; 0 for a D without this term.
        game: ``"minimax"`` is the paper's saturating form.
        real_label: the released code trains D with one-sided labels of 0.9.
        game_weight: what G's ``log(1 - D(T(x)))`` is multiplied by; 0 leaves ``P`` alone, the
            plain sum over D's layers.
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
        game_weight: float = 1.0,
    ) -> None:
        super().__init__(
            discriminator, game, on, part, together, real_label, r1=r1, r1_every=r1_every
        )
        if game_weight < 0:
            raise ValueError(f"game_weight is {game_weight:g} but must be >= 0")
        self.game_weight = game_weight
        if margin < 0:
            raise ValueError(f"margin is {margin:g} but must be >= 0; 0 switches the term off")
        self.margin = margin
        self.register_buffer(
            "weights", torch.tensor(check_layer_weights(weights)), persistent=False
        )

    def match(self, fake: DiscriminatorOutput, real: DiscriminatorOutput) -> Tensor:
        """``P``: the weighted mean absolute differences of the tapped layers."""
        check_tapped_layers(fake, len(self.weights))
        pairs = zip(real.features, fake.features, strict=True)
        distances = torch.stack([F.l1_loss(a, b) for a, b in pairs])
        return (self.weights.to(distances) * distances).sum()

    def _matches_features(self) -> bool:
        return True

    def _generator_game(self, fake: DiscriminatorOutput, hole: Tensor) -> Tensor:
        return self.game_weight * super()._generator_game(fake, hole)

    def _adversarial_loss(
        self, real: DiscriminatorOutput, fake: DiscriminatorOutput, hole: Tensor
    ) -> Tensor:
        loss = super()._adversarial_loss(real, fake, hole)
        # The hinge stops D once P exceeds m: without it D could let the distance grow forever.
        return loss + F.relu(self.margin - self.match(fake, real)) if self.margin else loss
