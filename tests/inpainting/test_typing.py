"""The README's own lines, as a strict type checker sees them."""

import os
import subprocess
import sys
from pathlib import Path

SNIPPET = """
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import mendpix


class Tensor:
    def detach(self) -> Self:
        return self


def check(array: NDArray[np.uint8], photo: NDArray[np.float32], tensor: Tensor) -> None:
    image: Image.Image = mendpix.fill("photo.jpg", "mask.png")
    image = mendpix.fill("photo.jpg", "mask.png", out="out.jpg", quality="best", threads=2)
    images: list[Image.Image] = mendpix.fill("photo.jpg", "mask.png", tries=4)
    array = mendpix.fill(array, array[..., 0] > 0, seed=3)
    arrays: list[NDArray[np.uint8]] = mendpix.fill(array, array[..., 0] > 0, tries=2)
    tensor = mendpix.fill(tensor, tensor)
    photo = mendpix.load("telea")(photo, photo[..., 0] > 0)


mendpix.fill(3, "mask.png")
mendpix.fill("photo.jpg", "mask.png", qualty="best")
mendpix.fill("photo.jpg", "mask.png").shape
"""
# what other parts of the package use takes a minute to analyse and changes nothing here
CONFIG = """
[mypy]
strict = true
[mypy-torch.*,torchvision.*,scipy.*,pydantic.*,onnx.*,mendpix.evaluation.*,mendpix.training.*]
follow_imports = skip
"""


def test_fill_returns_the_kind_that_it_was_given(tmp_path: Path) -> None:
    path, config = tmp_path / "snippet.py", tmp_path / "mypy.ini"
    path.write_text(SNIPPET, "utf-8")
    config.write_text(CONFIG, "utf-8")
    options = ["--config-file", str(config), "--cache-dir", str(tmp_path / "cache")]
    source = str(Path(__file__).parents[2] / "src")
    run = subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MYPYPATH": source},
    )
    errors = [line for line in run.stdout.splitlines() if "snippet.py" in line and "error:" in line]
    lines = SNIPPET.splitlines()
    wrong = {lines[int(error.split(":")[1]) - 1] for error in errors}
    assert wrong == set(lines[-3:]), run.stdout
