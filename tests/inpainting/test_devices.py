"""The bundled network on an accelerator: found without PyTorch, run by it, refused in one line."""

import platform
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import mendpix
from mendpix.errors import MendError
from mendpix.inpainting.hybrid import network
from mendpix.types import Hole, Photo
from mendpix.weights import cards

BUNDLED = pytest.mark.skipif(
    not (cards.BUNDLED / "mender.onnx").is_file(), reason="the package holds no network"
)
NO_GPU = pytest.mark.skipif(
    torch.cuda.is_available() or torch.backends.mps.is_available(), reason="a GPU is there"
)


def scene() -> tuple[Photo, Hole]:
    random = np.random.default_rng(0)
    photo = cv2.resize(random.random((5, 6, 3)), (112, 96), interpolation=cv2.INTER_CUBIC)
    hole = np.zeros((96, 112), np.bool_)
    hole[30:60, 40:76] = True
    return photo.clip(0, 1).astype(np.float32), hole


@pytest.fixture
def driven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A driver's file, with nothing behind it."""
    for name in network.HIDING:
        monkeypatch.delenv(name, raising=False)
    device = tmp_path / "device"
    device.touch()
    monkeypatch.setattr(network, "DRIVERS", (str(device),))
    monkeypatch.setattr(sys, "platform", "linux")
    return device


def test_a_driver_makes_a_processor_likely(driven: Path) -> None:
    assert network.has_accelerator_driver()
    driven.unlink()
    assert not network.has_accelerator_driver()


@pytest.mark.parametrize("name", network.HIDING)
@pytest.mark.parametrize("setting", ["", "-1"])
def test_what_is_hidden_is_not_there(
    driven: Path, monkeypatch: pytest.MonkeyPatch, name: str, setting: str
) -> None:
    monkeypatch.setenv(name, setting)
    assert not network.has_accelerator_driver()
    monkeypatch.setenv(name, "1")
    assert network.has_accelerator_driver()


def test_apple_processors_have_one(monkeypatch: pytest.MonkeyPatch, driven: Path) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert network.has_accelerator_driver()
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert not network.has_accelerator_driver()


@BUNDLED
def test_pytorch_mends_as_onnx_runtime_does() -> None:
    photo, hole = scene()
    by_torch = network.open_accelerated("cpu").refine(photo, hole)
    by_onnx = network.open_network("cpu").refine(photo, hole)
    assert np.abs(by_torch - photo)[hole].max() > 1e-3
    np.testing.assert_array_equal(by_torch[~hole], photo[~hole])
    np.testing.assert_allclose(by_torch, by_onnx, atol=1e-4)


@BUNDLED
@NO_GPU
def test_what_only_seemed_to_be_there_leaves_the_bytes_alone(
    driven: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, hole = scene()
    filled = mendpix.load("auto")(photo, hole)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    np.testing.assert_array_equal(filled, mendpix.load("auto", device="cpu")(photo, hole))


@NO_GPU
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_device_that_is_not_there_is_refused_in_one_line(device: str) -> None:
    with pytest.raises(MendError, match=f"^device {device} is not there; use auto, cpu$"):
        mendpix.load("auto", device=device)


@NO_GPU
def test_without_pytorch_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "find_spec", lambda name: None)
    with pytest.raises(MendError, match=r"^auto runs on cuda by PyTorch, .* pip install"):
        mendpix.load("auto", device="cuda")


@pytest.mark.skipif(network.has_accelerator_driver(), reason="a GPU seems to be there")
def test_without_a_gpu_pytorch_is_not_imported() -> None:
    code = (
        "import sys, numpy as np, mendpix\n"
        "hole = np.zeros((64, 64), np.bool_); hole[20:40, 20:40] = True\n"
        "mendpix.load('auto')(np.random.default_rng(0).random((64, 64, 3), np.float32), hole)\n"
        "print('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
