"""Losses on a frozen network's features: perceptual, texture, content, style.

Differences and Gram matrices are taken in float32 at least, with autocast off. Layers are called
``conv1_1`` (after its ReLU) ... ``pool5``; the target's features are computed without gradient.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from mendpix.losses.base import Loss, LossInputs, On, Part, check_choice, disable_autocast
from mendpix.losses.pixel_losses import Reduction, compute_differences
from mendpix.networks import features
from mendpix.networks.features import FeatureNetwork, Pooling

Normalize = Literal["none", "channel_mean", "global_mean"]

Layers = Mapping[str, float] | Sequence[str]
"""Layers with the weight of each, or their names alone."""

TINY = 1e-6
"""Against division by zero where no feature of a place fires."""

# EnhanceNet's weights are quoted by an independent replication, from the paper's supplement;
# Gatys' style layers weigh a fifth each.
ENHANCENET_PERCEPTUAL = {"pool2": 0.2, "pool5": 0.02}
ENHANCENET_TEXTURE = {"conv1_1": 3e-7, "conv2_1": 1e-6, "conv3_1": 1e-6}
GATYS_CONTENT = {"conv4_2": 1.0}
GATYS_STYLE = {f"conv{block}_1": 0.2 for block in range(1, 6)}


class FeatureLoss(Loss):
    """Base class of losses on features: a network, layers with weights, and the pictures.

    Subclasses implement :meth:`compare`, the loss of one layer.

    Args:
        network: a name that :func:`mendpix.networks.features.load` knows, or a network. Terms that
            name the same network share its passes over a step's pictures.
        layers: the weight of each layer; names alone share a weight of 1.
        pooling: of a network given by name.
        normalise_input: of a network given by name: False for pictures that already have
            ImageNet's mean and deviation; their range is then not checked.
        on: ``"both"`` adds the losses of the output and of the composite.
        part: which picture of the Prediction.

    Raises:
        ValueError: an unknown layer, or a weight below 0.
        WeightsError: an unknown network, or weights that are not at hand.
    """

    def __init__(
        self,
        network: str | FeatureNetwork,
        layers: Layers,
        pooling: Pooling = "max",
        normalise_input: bool = True,
        on: On | Literal["both"] = "output",
        part: Part = "image",
    ) -> None:
        super().__init__("output" if on == "both" else on, part)
        self.views: tuple[On, ...] = ("output", "composite") if on == "both" else (self.on,)
        if isinstance(network, str):
            network = features.load(network, pooling, normalise_input)
        self.network = network
        self.photos = network.normalise
        self.layers = check_layers(network, layers)

    def request_features(self, inputs: LossInputs) -> None:
        """Request the layers of the pictures that this term reads."""
        for view in self.views:
            inputs.request(self.network, f"{self.part}/{view}", self.layers)
        inputs.request(self.network, "target", self.layers)

    def compute(self, inputs: LossInputs) -> Tensor:
        """The weighted sum over layers and pictures."""
        expected = inputs.compute_target_features(self.network, self.layers)
        terms = []
        for view in self.views:
            predicted = inputs.compute_features(self.network, self.layers, self.part, view)
            with disable_autocast(inputs.target):
                for layer, weight in self.layers.items():
                    terms.append(weight * self.compare(predicted[layer], expected[layer]))
        return torch.stack(terms).sum()

    def compare(self, predicted: Tensor, expected: Tensor) -> Tensor:
        """The loss of one layer's features ``(N, C, h, w)``, a scalar."""
        raise NotImplementedError


class Perceptual(FeatureLoss):
    """Differences of features: ``sum_l w_l mean|phi_l(x) - phi_l(y)|^p``, p = 2 or 1.

    ``L_P`` of EnhanceNet (Sajjadi et al. 2017, https://arxiv.org/abs/1612.07919): VGG-19's second
    and fifth pooling layers, activations scaled to a mean of one, p = 2.

    Args:
        normalize: scale features by their mean over channels at each place (``"channel_mean"``),
            over the whole map (``"global_mean"``), or not (``"none"``, which goes with weights
            of 1). The default weights are for ``"channel_mean"``.
        power: p, 2 or 1.
        reduction: ``"mean"``, or ``"sum"``: a picture's sum, averaged over the batch.
        network, layers, pooling, normalise_input, on, part: as in :class:`FeatureLoss`.

    Shape:
        as every loss; returns a scalar >= 0.
    """

    def __init__(
        self,
        network: str | FeatureNetwork = "vgg19-caffe",
        layers: Layers = ENHANCENET_PERCEPTUAL,
        normalize: Normalize = "channel_mean",
        power: int = 2,
        reduction: Reduction = "mean",
        pooling: Pooling = "max",
        normalise_input: bool = True,
        on: On | Literal["both"] = "output",
        part: Part = "image",
    ) -> None:
        super().__init__(network, layers, pooling, normalise_input, on, part)
        check_choice("normalize", normalize, ("none", "channel_mean", "global_mean"))
        check_choice("reduction", reduction, ("mean", "sum"))
        if power not in (1, 2):
            raise ValueError(f"power is {power} but must be 1 or 2")
        self.normalize: Normalize = normalize
        self.power = power
        self.reduction: Reduction = reduction

    def compare(self, predicted: Tensor, expected: Tensor) -> Tensor:
        """The mean or summed difference of one layer."""
        predicted, expected = (scale_features(x, self.normalize) for x in (predicted, expected))
        error = compute_differences(predicted, expected, self.power)
        return reduce_error(error, self.reduction, len(predicted))


class Texture(FeatureLoss):
    """Squared differences of Gram matrices of feature patches.

    ``L_T`` of EnhanceNet (Sajjadi et al. 2017, https://arxiv.org/abs/1612.07919):
    ``sum_l w_l mean (G_l(x) - G_l(y))^2``, G = F F^T of every 16x16 patch of features, the mean
    over batch, patches and entries.

    Args:
        patch_size: side of the patches; what fills no patch is left out, a map smaller than a
            patch is one patch. None: the whole map.
        normalize, reduction: as in :class:`Perceptual`.
        network, layers, pooling, normalise_input, on, part: as in :class:`FeatureLoss`.

    Shape:
        as every loss; returns a scalar >= 0.
    """

    def __init__(
        self,
        network: str | FeatureNetwork = "vgg19-caffe",
        layers: Layers = ENHANCENET_TEXTURE,
        patch_size: int | None = 16,
        normalize: Normalize = "channel_mean",
        reduction: Reduction = "mean",
        pooling: Pooling = "max",
        normalise_input: bool = True,
        on: On = "output",
        part: Part = "image",
    ) -> None:
        super().__init__(network, layers, pooling, normalise_input, on, part)
        check_choice("normalize", normalize, ("none", "channel_mean", "global_mean"))
        check_choice("reduction", reduction, ("mean", "sum"))
        if patch_size is not None and patch_size < 1:
            raise ValueError(f"patch_size is {patch_size} but must be >= 1, or None")
        self.patch_size = patch_size or None
        self.normalize: Normalize = normalize
        self.reduction: Reduction = reduction

    def compare(self, predicted: Tensor, expected: Tensor) -> Tensor:
        """The squared differences of one layer's Gram matrices."""
        grams = [
            gram(scale_features(x, self.normalize), self.patch_size) for x in (predicted, expected)
        ]
        return reduce_error((grams[0] - grams[1]).square(), self.reduction, len(predicted))


class Content(FeatureLoss):
    """Half the squared distance of features: Gatys' ``1/2 sum (A(x) - A(y))^2``.

    Gatys et al. 2016, https://arxiv.org/abs/1508.06576, eq. 1; averaged over the batch.

    Args:
        factor: ``"gatys"`` 1/2, or ``"course"`` 1/(4 n_H n_W n_C) as deeplearning.ai teaches it.
        network, layers, pooling, normalise_input, on, part: as in :class:`FeatureLoss`.

    Shape:
        as every loss; ``target`` is the content picture; returns a scalar >= 0.
    """

    def __init__(
        self,
        network: str | FeatureNetwork = "vgg19-caffe",
        layers: Layers = GATYS_CONTENT,
        factor: Literal["gatys", "course"] = "gatys",
        pooling: Pooling = "max",
        normalise_input: bool = True,
        on: On = "output",
        part: Part = "image",
    ) -> None:
        super().__init__(network, layers, pooling, normalise_input, on, part)
        check_choice("factor", factor, ("gatys", "course"))
        self.factor = factor

    def compare(self, predicted: Tensor, expected: Tensor) -> Tensor:
        """The distance of one layer."""
        share = 0.5 if self.factor == "gatys" else 1 / (4 * predicted[0].numel())
        return share * reduce_error((predicted - expected).square(), "sum", len(predicted))


class Style(FeatureLoss):
    """Squared differences of whole Gram matrices, by Gatys' factor.

    ``sum_l lambda_l 1/(2 n_H n_W n_C)^2 sum_kk' (G_l(x) - G_l(y))^2``, G = F F^T; Gatys et al.
    2016, https://arxiv.org/abs/1508.06576, eq. 4-5; averaged over the batch.

    Args:
        squared: False leaves the square out, as some notes do: no distance then, may be negative.
        network, layers, pooling, normalise_input, on, part: as in :class:`FeatureLoss`.

    Shape:
        as every loss; ``target`` is the style picture; returns a scalar, >= 0 where squared.
    """

    def __init__(
        self,
        network: str | FeatureNetwork = "vgg19-caffe",
        layers: Layers = GATYS_STYLE,
        squared: bool = True,
        pooling: Pooling = "max",
        normalise_input: bool = True,
        on: On = "output",
        part: Part = "image",
    ) -> None:
        super().__init__(network, layers, pooling, normalise_input, on, part)
        self.squared = squared

    def compare(self, predicted: Tensor, expected: Tensor) -> Tensor:
        """The distance of one layer's Gram matrices."""
        size = 2 * predicted[0].numel()  # divide before squaring: the sums come near float32's max
        if self.squared:
            return reduce_error(
                (gram(predicted) / size - gram(expected) / size).square(), "sum", len(predicted)
            )
        return reduce_error(gram(expected) - gram(predicted), "sum", len(predicted)) / size**2


def gram(x: Tensor, patch_size: int | None = None) -> Tensor:
    """Gram matrices F F^T, not divided by anything.

    Shape:
        ``(N, C, h, w) -> (N * patches, C, C)``, patch by patch of each picture.
    """
    n, channels, height, width = x.shape
    if patch_size is None:
        rows = x.flatten(2)
    else:
        tall, wide = min(patch_size, height), min(patch_size, width)
        down, across = height // tall, width // wide
        x = x[..., : down * tall, : across * wide].reshape(n, channels, down, tall, across, wide)
        rows = x.permute(0, 2, 4, 1, 3, 5).reshape(n * down * across, channels, tall * wide)
    return rows @ rows.mT


def scale_features(x: Tensor, normalize: Normalize) -> Tensor:
    """Scale features to mean one: over channels at each place, over the whole map, or not."""
    if normalize == "none":
        return x
    over = (1,) if normalize == "channel_mean" else (1, 2, 3)
    return x / (x.mean(over, keepdim=True) + TINY)


def reduce_error(error: Tensor, reduction: Reduction, pictures: int) -> Tensor:
    """The mean, or the sum over each picture averaged over the batch."""
    return error.mean() if reduction == "mean" else error.sum() / pictures


def check_layers(network: FeatureNetwork, layers: Layers) -> dict[str, float]:
    """Check layers and their weights; return them as floats, names alone with equal shares of 1.

    Raises:
        ValueError: an unknown layer, none, or a weight below 0.
    """
    if not isinstance(layers, Mapping):
        names = [layers] if isinstance(layers, str) else list(layers)
        layers = dict.fromkeys(names, 1 / max(1, len(names)))
    network.check_layers(layers)
    if not layers or min(layers.values()) < 0:
        raise ValueError(f"layers is {dict(layers)} but needs one or more, with weights >= 0")
    return {name: float(weight) for name, weight in layers.items()}
