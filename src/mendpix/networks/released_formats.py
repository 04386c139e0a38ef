"""Other projects' weights formats: how each is recognised, and how its keys map to ours."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mendpix.networks.context_encoder import ContextEncoder, ContextEncoderOptions
from mendpix.networks.crfill import UNUSED, CRFill, CRFillOptions
from mendpix.networks.discriminators import ContextDiscriminator, ContextDiscriminatorOptions
from mendpix.networks.features.feature_network import IMAGENET_MEAN, IMAGENET_STD
from mendpix.networks.partial_unet import PartialUNet, PartialUNetOptions
from mendpix.networks.patch_discriminators import CRFILL, SNPatchGAN, SNPatchOptions

Tensors = Mapping[str, Tensor]


class ReleasedFormat:
    """One format of another project; subclasses recognise it and map its keys.

    Attributes:
        source: where such files come from.
        values: the range in which the network works; the network itself scales [0, 1] to it.
    """

    source = ""
    values = "[-1, 1]"

    def strip_prefix(self, tensors: Tensors) -> Tensors:
        """Remove a prefix of the format's own; those of wrappers are gone already."""
        return tensors

    def matches(self, tensors: Tensors) -> bool:
        """Whether a file with these keys, without prefix, is of this format."""
        raise NotImplementedError

    def build(self, tensors: Tensors) -> nn.Module:
        """Build the network; its sizes are read off the tensors."""
        raise NotImplementedError

    def map_names(self, network: nn.Module) -> dict[str, str]:
        """The file's key for each of the network's keys."""
        raise NotImplementedError

    def is_unused(self, key: str) -> bool:
        """Whether a key of the file holds nothing that the network uses."""
        return False

    def convert(self, key: str, tensor: Tensor) -> Tensor:
        """Convert the tensor at a key of the file to the network's."""
        return tensor


class ContextEncoderPort(ReleasedFormat):
    """``netG`` and ``netD`` of the PyTorch port: ``main.N``, N counting layers of a list."""

    source = "https://github.com/BoyuanJiang/context_encoder_pytorch"

    def matches(self, tensors: Tensors) -> bool:
        return "main.0.weight" in tensors

    def build(self, tensors: Tensors) -> nn.Module:
        width = tensors["main.0.weight"].shape[0]
        if not any(key.startswith("main.14.") for key in tensors):
            return ContextDiscriminator(ContextDiscriminatorOptions(width=width))
        bottleneck = tensors.get("main.14.weight", torch.empty(4000)).shape[0]
        return ContextEncoder(ContextEncoderOptions(width=width, bottleneck=bottleneck))

    def map_names(self, network: nn.Module) -> dict[str, str]:
        names: dict[str, str] = {}
        place, convolution = 0, 0
        for key in network.state_dict():
            owner, leaf = key.rsplit(".", 1)
            if owner.endswith("norm"):
                names[key] = f"main.{convolution + 1}.{leaf}"
                place = convolution + 3
            else:
                convolution = place
                names[key] = f"main.{convolution}.{leaf}"
                place = convolution + 2
        return names


class CRFillGenerator(ReleasedFormat):
    """``*_net_G.pth`` of CR-Fill: the generator, or the two-stage file with the branch.

    In a two-stage file the generator's keys begin with ``baseg.`` and the branch's do not.
    """

    source = "https://github.com/zengxianyu/crfill"

    def strip_prefix(self, tensors: Tensors) -> Tensors:
        if all(key.startswith("baseg.") for key in tensors):
            return _strip_prefix(tensors, "baseg.")
        return tensors

    def matches(self, tensors: Tensors) -> bool:
        return "xconv1.weight" in tensors or "baseg.xconv1.weight" in tensors

    def build(self, tensors: Tensors) -> nn.Module:
        two_stage = "baseg.xconv1.weight" in tensors
        first = "baseg.xconv1.weight" if two_stage else "xconv1.weight"
        return CRFill(CRFillOptions(width=tensors[first].shape[0], branch=two_stage))

    def map_names(self, network: nn.Module) -> dict[str, str]:
        keys = list(network.state_dict())
        before = "baseg." if any(key.startswith("branch.") for key in keys) else ""
        names = {}
        for key in keys:
            *_, layer, _, leaf = key.split(".")
            names[key] = f"{'' if key.startswith('branch.') else before}{layer}.{leaf}"
        return names

    def is_unused(self, key: str) -> bool:
        return key in UNUSED


class CRFillDiscriminator(ReleasedFormat):
    """``*_net_D.pth`` of CR-Fill: six convolutions under torch's old spectral norm."""

    source = "https://github.com/zengxianyu/crfill"

    def matches(self, tensors: Tensors) -> bool:
        return "conv1.weight_orig" in tensors

    def build(self, tensors: Tensors) -> nn.Module:
        width = tensors["conv1.weight_orig"].shape[0]
        return SNPatchGAN(SNPatchOptions(CRFILL.plane, CRFILL.slope, CRFILL.padding, width))

    def map_names(self, network: nn.Module) -> dict[str, str]:
        leaves = {"weight": "weight_orig", "bias": "bias", "u": "weight_u", "v": "weight_v"}
        names = {}
        for key in network.state_dict():
            _, place, leaf = key.split(".")
            names[key] = f"conv{int(place) + 1}.{leaves[leaf]}"
        return names


class PartialConvPort(ReleasedFormat):
    """Checkpoints of a port of the partial U-Net: ``enc_i`` and ``dec_i``.

    Its layer divides by ``sum(M)`` and leaves out eq. 1's ``sum(1)``, so its weights are
    ``c_in * kernel * kernel`` times the paper's; divided by that, the paper's layer gives the
    same output. It was trained on pictures normalised by ImageNet's mean and standard deviation,
    which the network's options take up.
    """

    source = "https://github.com/naoto0804/pytorch-inpainting-with-partial-conv"
    values = "ImageNet mean 0 and deviation 1"

    def matches(self, tensors: Tensors) -> bool:
        return any(key.endswith(".conv.input_conv.weight") for key in tensors)

    def build(self, tensors: Tensors) -> nn.Module:
        levels = sum(
            key.startswith("enc_") and key.endswith("input_conv.weight") for key in tensors
        )
        first = tensors.get("enc_1.conv.input_conv.weight", torch.empty(64))
        return PartialUNet(PartialUNetOptions(levels, first.shape[0], IMAGENET_MEAN, IMAGENET_STD))

    def map_names(self, network: nn.Module) -> dict[str, str]:
        levels = sum(key.startswith("encoder.") and "conv" in key for key in network.state_dict())
        return {key: self._map_name(key, levels) for key in network.state_dict()}

    def _map_name(self, key: str, levels: int) -> str:
        part, rest = key.split(".", 1)
        step = 0
        if part != "last":
            place, rest = rest.split(".", 1)
            step = int(place)
        block = {"encoder": f"enc_{step + 1}", "decoder": f"dec_{levels - step}", "last": "dec_1"}
        rest = rest.replace("conv.", "conv.input_conv.").replace("norm.", "bn.")
        return f"{block[part]}.{rest}"

    def is_unused(self, key: str) -> bool:
        return key.endswith(".mask_conv.weight")  # all ones; PartialConv2d makes its own

    def convert(self, key: str, tensor: Tensor) -> Tensor:
        if key.endswith("input_conv.weight"):
            return tensor / tensor[0].numel()
        return tensor


RELEASED_FORMATS: dict[str, ReleasedFormat] = {
    "context_encoder_pytorch": ContextEncoderPort(),
    "pytorch-inpainting-with-partial-conv": PartialConvPort(),
    "crfill": CRFillGenerator(),
    "crfill-discriminator": CRFillDiscriminator(),
}


WRAPPERS = ("module.", "_orig_mod.", "net.", "network.", "model.", "generator.", "netG.")
"""What DataParallel, torch.compile, Lightning and MMEditing put before all keys."""


def strip_wrappers(tensors: Tensors) -> Tensors:
    """Remove the prefixes of wrappers that all keys share, however many are nested."""
    while tensors:
        prefix = next((p for p in WRAPPERS if all(key.startswith(p) for key in tensors)), None)
        if prefix is None:
            break
        tensors = _strip_prefix(tensors, prefix)
    return tensors


def _strip_prefix(tensors: Tensors, prefix: str) -> Tensors:
    return {key.removeprefix(prefix): value for key, value in tensors.items()}
