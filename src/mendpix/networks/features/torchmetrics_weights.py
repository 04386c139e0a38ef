"""Weights inside torchmetrics' package, read as data and checked against their hashes."""

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from mendpix.errors import WeightsError
from mendpix.weights import download

SHA256 = {
    "lpips_models/alex.pth": "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
    "lpips_models/vgg.pth": "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
    "dists_models/weights.pt": "f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218",
}
"""Of the files as their authors released them, in PyPI's ``lpips`` 0.1.4, ``DISTS_pytorch`` 0.1."""


def load_weights(name: str, description: str) -> dict[str, Tensor]:
    """Load the tensors of a file inside torchmetrics' package.

    Args:
        name: of :data:`SHA256`.
        description: what errors call it.

    Raises:
        WeightsError: it is not there, or another file.
    """
    spec = find_spec("torchmetrics")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    path = folder / "functional" / "image" / name
    if not path.is_file():
        raise WeightsError(f"{description} are not at {path}; pip install 'mendpix[train]'")
    actual, expected = download.hash_file(path), SHA256[name]
    if actual != expected:
        raise WeightsError(
            f"{description} at {path} have sha256 {actual[:8]}... but {expected[:8]}... was "
            "expected; pip install 'torchmetrics==1.9.0'"
        )
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights
