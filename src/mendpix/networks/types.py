"""Output types of networks and discriminators, and checks on their input tensors."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mendpix.errors import TensorError

RANGE_TOLERANCE = 0.05
"""How far outside [0, 1] a photo may lie: half precision rounds, cubic resizing overshoots."""


class Prediction(NamedTuple):
    """A network's output for a photo and its hole.

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


class DiscriminatorOutput(NamedTuple):
    """A discriminator's output for a picture.

    Shape:
        logits: ``(N, C, h, w)`` map or ``(N, 1)`` vector; no sigmoid. High means real.
        features: the tapped layers, in order, for feature matching.
    """

    logits: Tensor
    features: tuple[Tensor, ...] = ()


def composite(prediction: Tensor, target: Tensor, hole: Tensor) -> Tensor:
    """The prediction ``(N, C, H, W)`` in the hole ``(N, 1, H, W)``, the target elsewhere."""
    return prediction * hole + target * (1 - hole)


def check_photo(photo: Tensor, values: bool | None = None, name: str = "photo") -> None:
    """Check that a tensor is a batch of photos ``(N, 3, H, W)``, floating point, in [0, 1].

    Args:
        values: also check for NaN and values outside [0, 1]. Reading values makes a GPU wait, so
            None (the default) does it on the CPU only; never while ``torch.compile`` traces.
        name: what the error calls the tensor.

    Raises:
        TensorError: wrong shape, dtype or values.
    """
    _check_batch(photo, 3, name)
    if not _should_check_values(photo, values):
        return
    low, high = (float(value) for value in photo.detach().aminmax())
    if low != low or high != high:  # only NaN differs from itself; aminmax passes it on
        raise TensorError(f"{name} holds NaN; fill the missing pixels with any number in [0, 1]")
    if low < -RANGE_TOLERANCE or high > 1 + RANGE_TOLERANCE:
        raise TensorError(
            f"{name} spans [{low:g}, {high:g}] but must lie in [0, 1]; {_suggest_scaling(low)}"
        )


def check_hole(hole: Tensor, photo: Tensor, values: bool | None = None, name: str = "hole") -> None:
    """Check that a tensor is a hole ``(N, 1, H, W)`` of 0 and 1 for a photo ``(N, 3, H, W)``.

    Args:
        values: also check that every value is 0 or 1; None as in :func:`check_photo`.

    Raises:
        TensorError: shape, dtype, device or values do not fit the photo.
    """
    _check_batch(hole, 1, name)
    wanted = (photo.shape[0], 1, *photo.shape[2:])
    if tuple(hole.shape) != wanted:
        raise TensorError(
            f"{name} is {_format_shape(hole)} but the photo is {_format_shape(photo)}; "
            f"give the {name} the shape {wanted}"
        )
    if hole.device != photo.device:
        raise TensorError(
            f"{name} is on {hole.device} but the photo is on {photo.device}; move one of them"
        )
    if _should_check_values(hole, values) and not bool(((hole == 0) | (hole == 1)).all()):
        low, high = (float(value) for value in hole.detach().aminmax())
        raise TensorError(
            f"{name} holds values other than 0 and 1 (from {low:g} to {high:g}); "
            "make it binary, for example with (hole > 0.5).float()"
        )


def check_pair(photo: Tensor, hole: Tensor, values: bool | None = None) -> None:
    """Check a photo and its hole: :func:`check_photo`, then :func:`check_hole`.

    Raises:
        TensorError: one line that names the value found and the one needed.
    """
    check_photo(photo, values)
    check_hole(hole, photo, values)


def check_input(photo: Tensor, hole: Tensor, network: nn.Module) -> None:
    """:func:`check_pair`, and that the pair suits the network's ``multiple``, ``size`` and device.

    Raises:
        TensorError: one line that names the value found and the one needed.
    """
    check_pair(photo, hole)
    check_device(photo, network)
    height, width = photo.shape[2:]
    given, name = _format_shape(photo), type(network).__name__
    size = getattr(network, "size", None)
    if size is not None and (height, width) != (size, size):
        raise TensorError(
            f"photo is {given} but {name} works at {size}x{size} only; "
            "resize it, or let mendpix.inpainting.torch.NetworkFiller do it"
        )
    multiple: int = getattr(network, "multiple", 1)
    if height % multiple or width % multiple:
        up = f"{width + -width % multiple}x{height + -height % multiple}"
        raise TensorError(
            f"photo is {given} but {name} needs multiples of {multiple}; "
            f"pad it to {up}, or let mendpix.inpainting.torch.NetworkFiller do it"
        )


def check_device(photo: Tensor, network: nn.Module) -> None:
    """Check that a photo is on the network's device (that of its first parameter).

    Raises:
        TensorError: names both devices.
    """
    for parameter in network.parameters():
        if parameter.device != photo.device:
            raise TensorError(
                f"photo is on {photo.device} but {type(network).__name__} is on "
                f"{parameter.device}; move one of them"
            )
        return


def check_batch_norm_values(values: int) -> None:
    """Check that batch norm trains on more than one value per channel: else the variance is 0.

    Raises:
        TensorError: ``values`` is 1.
    """
    if values == 1:
        raise TensorError(
            "batch norm cannot train on 1 value per channel (1 photo, 1x1 map); "
            "give 2 photos or more, or call eval()"
        )


def _check_batch(tensor: Tensor, channels: int, name: str) -> None:
    if not isinstance(tensor, Tensor):
        raise TensorError(f"{name} is a {type(tensor).__name__}, not a tensor")
    if tensor.ndim != 4 or tensor.shape[1] != channels:
        raise TensorError(
            f"{name} has shape {tuple(tensor.shape)} but must be (N, {channels}, H, W)"
        )
    if not tensor.is_floating_point():
        raise TensorError(f"{name} is {tensor.dtype} but must be floating point; call .float()")
    if not tensor.numel():
        raise TensorError(f"{name} has shape {tuple(tensor.shape)}: it holds no pixel")


def _should_check_values(tensor: Tensor, values: bool | None) -> bool:
    if torch.compiler.is_compiling():
        return False
    return tensor.device.type == "cpu" if values is None else values


def _suggest_scaling(low: float) -> str:
    return "divide by 255" if low >= 0 else "if it is in [-1, 1], use (photo + 1) / 2"


def _format_shape(tensor: Tensor) -> str:
    return f"{tensor.shape[0]}x{tensor.shape[1]}x{tensor.shape[2]}x{tensor.shape[3]}"
