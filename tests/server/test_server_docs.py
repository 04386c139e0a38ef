"""What docs/serving.md promises: its curl lines and its Python client, at a real server."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from servers import RunningServer, running

from mendpix.inpainting import filling
from mendpix.inpainting.options import MaskOptions
from mendpix.io import files
from mendpix.server import api_errors, settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/serving.md").read_text()
LINES = re.findall(r"^curl .*$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running(folder=ROOT / "examples") as found:
        yield found


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("line", LINES)
def test_curl_lines_work(server: RunningServer, line: str, tmp_path: Path) -> None:
    assert "http://127.0.0.1:8000/" in line
    words = shlex.split(line.replace("http://127.0.0.1:8000", server.url))
    out = None
    if "-o" in words:
        out = tmp_path / words[words.index("-o") + 1]
        words[words.index("-o") + 1] = str(out)
    words[1:1] = ["--fail", "--silent", "--show-error"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
    if out is None:
        assert done.stdout
    else:
        Image.open(out).load()


def test_there_are_lines_to_run() -> None:
    assert len(LINES) >= 5


def test_the_python_client_works_and_is_short(server: RunningServer) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    body = block[block.index("def tries") :].rstrip().splitlines()
    assert len(body) <= 20
    names: dict[str, Any] = {}
    exec(compile(block, "serving.md", "exec"), names)
    photo, mask = ROOT / "examples/temple.png", ROOT / "examples/temple-mask.png"
    results = names["tries"](server.url, photo, mask, 2)
    assert len(results) == 2 and results[0] != results[1]
    before = np.asarray(Image.open(photo).convert("RGB"))
    hole = filling.read_hole(mask, files.read(photo), MaskOptions()).hole
    for content in results:
        after = files.parse(content, "filled.png").pixels
        assert (after[~hole] == before[~hole]).all()


def test_every_option_and_every_code_is_on_the_page() -> None:
    names = {"hosts": "HOST_NAME"}
    for field in fields(settings.ServerSettings):
        name = names.get(field.name, field.name.upper())
        assert f"`MENDPIX_{name}`" in PAGE, name
    for code in {"mask", "not_a_picture", "gone", "busy", "too_large", "too_slow"}:
        assert f"`{code}`" in PAGE
        assert code in {*api_errors.CODES.values(), "mask", "not_a_picture"}


def test_the_command_takes_every_option_from_the_environment() -> None:
    import typer

    from mendpix.cli import app

    command = typer.main.get_command(app).commands["serve"]  # type: ignore[attr-defined]
    for option in command.params:
        if option.name != "help":
            assert option.envvar and option.envvar.startswith("MENDPIX_"), option.name


def benchmark(name: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / name, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc")
def test_the_load_benchmark_gets_every_answer_right() -> None:
    said = benchmark("serving.py", "--clients", "4", "--seconds", "1")
    assert said.count("wrong 0") == 4
    assert "throughput of many" in said


def test_the_scratches_benchmark_prints_its_table() -> None:
    said = benchmark("scratches.py", "examples/photos", "--count", "1", "--sensitivity", "0.5")
    assert "| sensitivity | 0.5 |" in said
    assert "| precision % |" in said
