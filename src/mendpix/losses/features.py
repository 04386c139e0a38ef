"""Terms that compare what a frozen network sees: perceptual, texture, content, style.

Differences and Gram matrices are taken in float32 at least, with autocast off. Layers are called
``conv1_1`` (after its ReLU) ... ``pool5``; the target's features are computed without gradient.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from mendpix.losses.base import Loss, LossInputs, On, Part, choose, full_precision
from mendpix.losses.pixel import Reduction, differences
from mendpix.networks import features
from mendpix.networks.features import FeatureNetwork, Pooling

Normalize = Literal["none", "channel_mean", "global_mean"]

TINY = 1e-6

ENHANCENET_PERCEPTUAL = {"pool2": 0.2, "pool5": 0.02}
ENHANCENET_TEXTURE = {"conv1_1": 3e-7, "conv2_1": 1e-6, "conv3_1": 1e-6}
GATYS_CONTENT = {"conv4_2": 1.0}
GATYS_STYLE = {f"conv{block}_1": 0.2 for block in range(1, 6)}


class FeatureLoss(Loss):
    """What terms on features share: a network, layers with weights, and which pictures are seen.

    Children say in :meth:`compare` what two pictures' features of one layer cost.

    Args:
        network: a name that :func:`mendpix.networks.features.load` knows, or a network. Terms that
            name the same network share its passes over a step's pictures.
        layers: the weight of each layer.
        pooling: of a network given by name.
        normalise_input: of a network given by name: False for pictures that already have
            ImageNet's mean and deviation; their range is then not checked.
        on: ``"both"`` adds what the output and the composite cost.
        part: which picture of the Prediction.

    Raises:
        ValueError: an unknown layer, or a weight below 0.
        WeightsError: an unknown network, or weights that are not at hand.
    """

    def __init__(
        self,
        network: str | FeatureNetwork,
        layers: Mapping[str, float],
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

    def announce(self, scene: LossInputs) -> None:
        """Tell the scene which layers of which pictures this term reads."""
        for view in self.views:
            scene.expect(self.network, f"{self.part}/{view}", self.layers)
        scene.expect(self.network, "target", self.layers)

    def judge(self, scene: LossInputs) -> Tensor:
        """The weighted sum over layers and pictures."""
        wanted = scene.target_features(self.network, self.layers)
        costs = []
        for view in self.views:
            made = scene.features(self.network, self.layers, self.part, view)
            with full_precision(scene.target):
                for layer, weight in self.layers.items():
                    costs.append(weight * self.compare(made[layer], wanted[layer]))
        return torch.stack(costs).sum()

    def compare(self, made: Tensor, wanted: Tensor) -> Tensor:
        """What the prediction's features ``(N, C, h, w)`` of one layer cost, a scalar."""
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
        layers: Mapping[str, float] = ENHANCENET_PERCEPTUAL,
        normalize: Normalize = "channel_mean",
        power: int = 2,
        reduction: Reduction = "mean",
        pooling: Pooling = "max",
        normalise_input: bool = True,
        on: On | Literal["both"] = "output",
        part: Part = "image",
    ) -> None:
        super().__init__(network, layers, pooling, normalise_input, on, part)
        choose("normalize", normalize, ("none", "channel_mean", "global_mean"))
        choose("reduction", reduction, ("mean", "sum"))
        if power not in (1, 2):
            raise ValueError(f"power is {power} but must be 1 or 2")
        self.normalize: Normalize = normalize
        self.power = power
        self.reduction: Reduction = reduction

    def compare(self, made: Tensor, wanted: Tensor) -> Tensor:
        """The mean or summed difference of one layer."""
        made, wanted = (scaled(x, self.normalize) for x in (made, wanted))
        error = differences(made, wanted, self.power)
        return reduced(error, self.reduction, len(made))


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
        layers: Mapping[str, float] = ENHANCENET_TEXTURE,
        patch_size: int | None = 16,
        normalize: Normalize = "channel_mean",
        reduction: Reduction = "mean",
        pooling: Pooling = "max",
        normalise_input: bool = True,
        on: On = "output",
        part: Part = "image",
    ) -> None:
        super().__init__(network, layers, pooling, normalise_input, on, part)
        choose("normalize", normalize, ("none", "channel_mean", "global_mean"))
        choose("reduction", reduction, ("mean", "sum"))
        if patch_size is not None and patch_size < 1:
            raise ValueError(f"patch_size is {patch_size} but must be >= 1, or None")
        self.patch_size = patch_size or None
        self.normalize: Normalize = normalize
        self.reduction: Reduction = reduction

    def compare(self, made: Tensor, wanted: Tensor) -> Tensor:
        """The squared differences of one layer's Gram matrices."""
        grams = [gram(scaled(x, self.normalize), self.patch_size) for x in (made, wanted)]
        return reduced((grams[0] - grams[1]).square(), self.reduction, len(made))


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
        layers: Mapping[str, float] = GATYS_CONTENT,
        factor: Literal["gatys", "course"] = "gatys",
        pooling: Pooling = "max",
        normalise_input: bool = True,
        on: On = "output",
        part: Part = "image",
    ) -> None:
        super().__init__(network, layers, pooling, normalise_input, on, part)
        choose("factor", factor, ("gatys", "course"))
        self.factor = factor

    def compare(self, made: Tensor, wanted: Tensor) -> Tensor:
        """The distance of one layer."""
        share = 0.5 if self.factor == "gatys" else 1 / (4 * made[0].numel())
        return share * reduced((made - wanted).square(), "sum", len(made))


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
        layers: Mapping[str, float] = GATYS_STYLE,
        squared: bool = True,
        pooling: Pooling = "max",
        normalise_input: bool = True,
        on: On = "output",
        part: Part = "image",
    ) -> None:
        super().__init__(network, layers, pooling, normalise_input, on, part)
        self.squared = squared

    def compare(self, made: Tensor, wanted: Tensor) -> Tensor:
        """The distance of one layer's Gram matrices."""
        size = 2 * made[0].numel()  # divided before squaring: the sums come near float32's end
        if self.squared:
            return reduced((gram(made) / size - gram(wanted) / size).square(), "sum", len(made))
        return reduced(gram(wanted) - gram(made), "sum", len(made)) / size**2


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


def scaled(x: Tensor, normalize: Normalize) -> Tensor:
    """Features of mean one: over channels at each place, over each whole map, or as they are."""
    if normalize == "none":
        return x
    over = (1,) if normalize == "channel_mean" else (1, 2, 3)
    return x / (x.mean(over, keepdim=True) + TINY)


def reduced(error: Tensor, reduction: Reduction, pictures: int) -> Tensor:
    """The mean, or the sum over each picture averaged over the batch."""
    return error.mean() if reduction == "mean" else error.sum() / pictures


def check_layers(network: FeatureNetwork, layers: Mapping[str, float]) -> dict[str, float]:
    """The layers' weights, if the network has those layers.

    Raises:
        ValueError: an unknown layer, none, or a weight below 0.
    """
    network.check_layers(layers)
    if not layers or min(layers.values()) < 0:
        raise ValueError(f"layers is {dict(layers)} but needs one or more, with weights >= 0")
    return {name: float(weight) for name, weight in layers.items()}
