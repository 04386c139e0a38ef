"""Other people's weights: how each format is recognised, and what its keys mean."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mendpix.networks.context_encoder import ContextEncoder, ContextEncoderOptions
from mendpix.networks.crfill import UNUSED, CRFill, CRFillOptions
from mendpix.networks.discriminators import ContextDiscriminator, ContextDiscriminatorOptions
from mendpix.networks.partial_unet import PartialUNet, PartialUNetOptions
from mendpix.networks.patch_discriminators import CRFILL, SNPatchGAN, SNPatchOptions

Tensors = Mapping[str, Tensor]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Adapter:
    """One foreign format. Children say how it is known and what its keys mean.

    Attributes:
        source: where such files come from.
        values: the range in which the network works; the network itself turns [0, 1] into it.
    """

    source = ""
    values = "[-1, 1]"

    def bare(self, tensors: Tensors) -> Tensors:
        """The tensors without what may stand before all keys, such as what DataParallel adds."""
        return _without(tensors, "module.")

    def knows(self, tensors: Tensors) -> bool:
        """Whether a file with these bare keys is of this format."""
        raise NotImplementedError

    def build(self, tensors: Tensors) -> nn.Module:
        """The network, its sizes read off the tensors."""
        raise NotImplementedError

    def names(self, network: nn.Module) -> dict[str, str]:
        """Their key for each of the network's keys."""
        raise NotImplementedError

    def unused(self, key: str) -> bool:
        """Whether a key of theirs is known to hold nothing that the network uses."""
        return False

    def converted(self, key: str, tensor: Tensor) -> Tensor:
        """What the network takes for the tensor at their key."""
        return tensor


class ContextEncoderPort(Adapter):
    """``netG`` and ``netD`` of the PyTorch port: ``main.N``, N counting layers of a list."""

    source = "https://github.com/BoyuanJiang/context_encoder_pytorch"

    def knows(self, tensors: Tensors) -> bool:
        return "main.0.weight" in tensors

    def build(self, tensors: Tensors) -> nn.Module:
        width = tensors["main.0.weight"].shape[0]
        if not any(key.startswith("main.14.") for key in tensors):
            return ContextDiscriminator(ContextDiscriminatorOptions(width=width))
        bottleneck = tensors.get("main.14.weight", torch.empty(4000)).shape[0]
        return ContextEncoder(ContextEncoderOptions(width=width, bottleneck=bottleneck))

    def names(self, network: nn.Module) -> dict[str, str]:
        found: dict[str, str] = {}
        place, convolution = 0, 0
        for key in network.state_dict():
            owner, leaf = key.rsplit(".", 1)
            if owner.endswith("norm"):
                found[key] = f"main.{convolution + 1}.{leaf}"
                place = convolution + 3
            else:
                convolution = place
                found[key] = f"main.{convolution}.{leaf}"
                place = convolution + 2
        return found


class CRFillGenerator(Adapter):
    """``*_net_G.pth`` of CR-Fill: the generator, or the two-stage file with the branch.

    In a two-stage file the generator's keys begin with ``baseg.`` and the branch's do not.
    """

    source = "https://github.com/zengxianyu/crfill"

    def bare(self, tensors: Tensors) -> Tensors:
        tensors = super().bare(tensors)
        if all(key.startswith("baseg.") for key in tensors):
            return _without(tensors, "baseg.")
        return tensors

    def knows(self, tensors: Tensors) -> bool:
        return "xconv1.weight" in tensors or "baseg.xconv1.weight" in tensors

    def build(self, tensors: Tensors) -> nn.Module:
        two_stage = "baseg.xconv1.weight" in tensors
        first = "baseg.xconv1.weight" if two_stage else "xconv1.weight"
        return CRFill(CRFillOptions(width=tensors[first].shape[0], branch=two_stage))

    def names(self, network: nn.Module) -> dict[str, str]:
        keys = list(network.state_dict())
        before = "baseg." if any(key.startswith("branch.") for key in keys) else ""
        found = {}
        for key in keys:
            *_, layer, _, leaf = key.split(".")
            found[key] = f"{'' if key.startswith('branch.') else before}{layer}.{leaf}"
        return found

    def unused(self, key: str) -> bool:
        return key in UNUSED


class CRFillDiscriminator(Adapter):
    """``*_net_D.pth`` of CR-Fill: six convolutions under torch's old spectral norm."""

    source = "https://github.com/zengxianyu/crfill"

    def knows(self, tensors: Tensors) -> bool:
        return "conv1.weight_orig" in tensors

    def build(self, tensors: Tensors) -> nn.Module:
        width = tensors["conv1.weight_orig"].shape[0]
        return SNPatchGAN(SNPatchOptions(CRFILL.plane, CRFILL.slope, CRFILL.padding, width))

    def names(self, network: nn.Module) -> dict[str, str]:
        leaves = {"weight": "weight_orig", "bias": "bias", "u": "weight_u", "v": "weight_v"}
        found = {}
        for key in network.state_dict():
            _, place, leaf = key.split(".")
            found[key] = f"conv{int(place) + 1}.{leaves[leaf]}"
        return found


class PartialConvPort(Adapter):
    """Checkpoints of the partial U-Net without ``sum(1)``: ``enc_i`` and ``dec_i``.

    Its rule divides by the number of known values in a window and leaves out the window's size,
    so its weights are ``c_in * kernel * kernel`` times the paper's; dividing them by that makes
    the paper's layer give the same. It was trained on pictures less ImageNet's mean and over its
    deviation, which the network's options take up.
    """

    source = "https://github.com/naoto0804/pytorch-inpainting-with-partial-conv"
    values = "ImageNet mean 0 and deviation 1"

    def knows(self, tensors: Tensors) -> bool:
        return any(key.endswith(".conv.input_conv.weight") for key in tensors)

    def build(self, tensors: Tensors) -> nn.Module:
        levels = sum(
            key.startswith("enc_") and key.endswith("input_conv.weight") for key in tensors
        )
        first = tensors.get("enc_1.conv.input_conv.weight", torch.empty(64))
        return PartialUNet(PartialUNetOptions(levels, first.shape[0], IMAGENET_MEAN, IMAGENET_STD))

    def names(self, network: nn.Module) -> dict[str, str]:
        levels = sum(key.startswith("encoder.") and "conv" in key for key in network.state_dict())
        return {key: self._name(key, levels) for key in network.state_dict()}

    def _name(self, key: str, levels: int) -> str:
        part, rest = key.split(".", 1)
        step = 0
        if part != "last":
            place, rest = rest.split(".", 1)
            step = int(place)
        block = {"encoder": f"enc_{step + 1}", "decoder": f"dec_{levels - step}", "last": "dec_1"}
        rest = rest.replace("conv.", "conv.input_conv.").replace("norm.", "bn.")
        return f"{block[part]}.{rest}"

    def unused(self, key: str) -> bool:
        return key.endswith(".mask_conv.weight")  # all ones, and counted without them here

    def converted(self, key: str, tensor: Tensor) -> Tensor:
        if key.endswith("input_conv.weight"):
            return tensor / tensor[0].numel()
        return tensor


ADAPTERS: dict[str, Adapter] = {
    "context_encoder_pytorch": ContextEncoderPort(),
    "pytorch-inpainting-with-partial-conv": PartialConvPort(),
    "crfill": CRFillGenerator(),
    "crfill-discriminator": CRFillDiscriminator(),
}


def _without(tensors: Tensors, prefix: str) -> Tensors:
    return {key.removeprefix(prefix): value for key, value in tensors.items()}
