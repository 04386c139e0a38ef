"""What ``load`` returns can be sent to another process, which fills to the same bytes."""

import multiprocessing
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from graphs import blurred

from mendpix import load
from mendpix.inpainting.base import CheckedFiller
from mendpix.inpainting.torch import NetworkFiller
from mendpix.networks import NETWORKS
from mendpix.types import Hole, Photo


def scene() -> tuple[Photo, Hole]:
    photo = np.random.default_rng(0).random((60, 70, 3), np.float32)
    hole = np.zeros((60, 70), np.bool_)
    hole[20:35, 30:50] = True
    return photo, hole


def fill(filler: CheckedFiller) -> bytes:
    return filler(*scene()).tobytes()


def test_the_default_filler_and_others_fill_alike_in_another_process(tmp_path: Path) -> None:
    adapter = {"inputs": {"photo": ["photo"], "hole": ["hole"]}, "start": "telea"}
    fillers = [load(name) for name in ("auto", "patchmatch", "telea", "mean-colour")]
    fillers.append(load(blurred(tmp_path / "net.onnx", {"adapter": adapter})))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        outputs = pool.map(fill, fillers)
    assert outputs == [fill(filler) for filler in fillers]


def test_a_network_in_pytorch_is_sent_with_its_weights() -> None:
    torch.manual_seed(0)
    filler = CheckedFiller(NetworkFiller(NETWORKS["context-encoder"]()))
    assert fill(pickle.loads(pickle.dumps(filler))) == fill(filler)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_torchscript_program_is_opened_again(tmp_path: Path) -> None:
    class Darken(torch.nn.Module):
        def forward(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return image * (1 - mask) + 0.25 * mask

    path = tmp_path / "net.pt"
    torch.jit.script(Darken()).save(str(path))
    filler = load(path, trust=True)
    assert fill(pickle.loads(pickle.dumps(filler))) == fill(filler)
