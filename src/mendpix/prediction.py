"""What networks and discriminators return, and losses read."""

from typing import NamedTuple

from torch import Tensor


class Prediction(NamedTuple):
    """What a network made of a photo and its hole.

    Shape:
        image: ``(N, 3, H, W)`` in [0, 1] nominally: the network's own output, also where pixels
            are known; never composited. A network that predicts only a square sets it into the
            photo.
        coarse: the first stage's picture, same shape, where there are two stages.
        aux: a training-only branch's picture, same shape (CR-Fill).
        features: tapped layers for losses that need them (CR-Fill's similarity features).
    """

    image: Tensor
    coarse: Tensor | None = None
    aux: Tensor | None = None
    features: tuple[Tensor, ...] | None = None


class Judgement(NamedTuple):
    """What a discriminator thinks of a picture.

    Shape:
        logits: ``(N, C, h, w)`` map or ``(N, 1)`` vector; no sigmoid.
        features: the tapped layers, in order.
    """

    logits: Tensor
    features: tuple[Tensor, ...] = ()


def composite(prediction: Tensor, target: Tensor, hole: Tensor) -> Tensor:
    """Prediction ``(N, C, H, W)`` where ``hole`` ``(N, 1, H, W)`` is 1, target elsewhere."""
    return prediction * hole + target * (1 - hole)
