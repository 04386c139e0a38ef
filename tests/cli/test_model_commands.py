"""The verbs models, models get, export and info on exported networks, as a user runs them."""

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filehost import Host, hosting
from graphs import constant
from PIL import Image

from mendpix import cli
from mendpix.networks import serialization
from mendpix.networks.context_encoder import ContextEncoder, ContextEncoderOptions
from mendpix.weights import download
from mendpix.weights.catalogue import CATALOGUE

CARD = {"network": "grey", "adapter": {"inputs": {"photo": "photo", "hole": "hole"}}}


class Run:
    """Runs the command in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *words: str | Path) -> tuple[int, str, str]:
        self.monkeypatch.setattr(sys, "argv", ["mendpix", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
            raise SystemExit(0)
        out, err = self.capsys.readouterr()
        code = left.value.code
        return (code if isinstance(code, int) else 0), out, err


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.setenv("MENDPIX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return Run(monkeypatch, capsys)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """Serves a network that paints holes a quarter grey; the entry "grey" has no hash."""
    monkeypatch.setattr(download, "PAUSE", 0.0)
    body = constant(tmp_path / "grey.onnx", card=CARD).read_bytes()
    with hosting(body) as made:
        entry = replace(CATALOGUE["lama"], file="grey.onnx", url=made.url, program=False)
        monkeypatch.setitem(CATALOGUE, "grey", entry)
        yield made


def pictures(folder: Path) -> tuple[Path, Path]:
    Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(folder / "photo.png")
    mask = np.zeros((40, 60), np.uint8)
    mask[10:20, 20:32] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    return folder / "photo.png", folder / "mask.png"


def test_a_fetched_network_fills(run: Run, host: Host, tmp_path: Path) -> None:
    digest = hashlib.sha256(host.body).hexdigest()
    photo, mask = pictures(tmp_path)
    code, _, said = run("fill", photo, mask, "--model", "grey")
    assert code == 2 and "run: mendpix models get grey" in said
    code, _, said = run("models", "get", "grey")  # no terminal to ask
    assert code == 2 and f"--sha256 {digest}" in said.splitlines()[-1]
    assert "licence: " in said and said.index("licence: ") < said.index(digest)
    code, out, _ = run("models", "get", "grey", "--sha256", digest)
    assert (code, out.strip()) == (0, str(tmp_path / "home" / "models" / "grey.onnx"))
    done = tmp_path / "done.png"
    assert run("fill", photo, mask, "-m", "grey", "-o", done, "--threads", "1")[0] == 0
    filled = np.asarray(Image.open(done))
    assert (filled[10:20, 20:32] == 64).all() and (filled[0] == 200).all()


def test_yes_shows_the_hash_and_keeps_the_file(run: Run, host: Host) -> None:
    code, _, said = run("models", "get", "grey", "--yes")
    assert code == 0 and hashlib.sha256(host.body).hexdigest() in said


def test_the_list(run: Run, host: Host, tmp_path: Path) -> None:
    tiny = ContextEncoder(ContextEncoderOptions(4, 16))
    serialization.save(tmp_path / "runs" / "mine" / "best.safetensors", tiny, {"step": 7})
    code, out, _ = run("models", "--runs", tmp_path / "runs")
    assert code == 0
    assert str(tmp_path / "runs" / "mine") in out and "step: 7" in out
    assert "not here; mendpix models get grey" in out and "MIT, Picsart AI Research" in out
    run("models", "get", "grey", "--yes")
    found = json.loads(run("models", "--json", "--runs", tmp_path / "none")[1])
    assert [entry["name"] for entry in found["built in"]][:2] == ["auto", "patchmatch"]
    assert found["trained runs"] == []
    here = {entry["name"]: entry["here"] for entry in found["catalogue"]}
    assert here["grey"] == str(tmp_path / "home" / "models" / "grey.onnx")


def test_info_of_exported_and_listed_networks(run: Run, tmp_path: Path) -> None:
    path = constant(tmp_path / "net.onnx", card=CARD)
    assert json.loads(run("info", path, "--json")[1]) == CARD
    assert "licence: MIT, Picsart AI Research" in run("info", "migan")[1]
    code, _, said = run("info", constant(tmp_path / "bare.onnx"))
    assert code == 2 and "holds no card" in said


def test_info_opens_with_what_a_person_wants(run: Run) -> None:
    short, whole = run("info", "mender")[1], run("info", "mender", "--all")[1]
    assert len(short.splitlines()) <= 10
    assert short.startswith("mender: network mender\n")
    for words in ("CC BY (1636)", "9490 steps", "lpips 0.1074", "--all or --json"):
        assert words in short
    assert "optimiser" in whole and "optimiser" not in short


def test_export_and_fill(run: Run, tmp_path: Path) -> None:
    photo, mask = pictures(tmp_path)
    source = serialization.save(
        tmp_path / "w.safetensors", ContextEncoder(ContextEncoderOptions(4, 16))
    )
    out = tmp_path / "w.onnx"
    code, said, _ = run("export", source, "-o", out, "--half", "--photos", photo.parent)
    assert code == 0 and said.startswith(f"{out}: 0.")
    assert "differs from PyTorch by at most" in said and "on 2 photos" in said
    assert run("fill", photo, mask, "-m", out, "-o", tmp_path / "done.png")[0] == 0
