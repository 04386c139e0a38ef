"""Weight initialisation."""

from torch import nn


def normal(network: nn.Module, std: float = 0.02) -> None:
    """Draw convolutions and matrices from N(0, std), norm scales from N(1, std); biases 0.

    The initialisation of DCGAN (Radford et al. 2016, https://arxiv.org/abs/1511.06434), which
    Context Encoders, PAN and pix2pix share.
    """
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.normal_(module.weight, 0.0, std)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, std)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
