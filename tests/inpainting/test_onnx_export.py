"""Networks as ONNX files: the same fills, any size, kept only if they are right."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import mendpix
from mendpix.errors import WeightsError
from mendpix.inpainting.onnx import export, graph
from mendpix.networks import serialization
from mendpix.networks.context_encoder import ContextEncoder, ContextEncoderOptions
from mendpix.networks.crfill import CRFill, CRFillOptions
from mendpix.networks.discriminators import ContextDiscriminator, ContextDiscriminatorOptions
from mendpix.networks.partial_unet import PartialUNet, PartialUNetOptions
from mendpix.networks.refinement import RefinementNet, RefinementOptions
from mendpix.weights import cards


def seasoned(network: nn.Module) -> nn.Module:
    """Weights and statistics large enough to be seen in the fill."""
    random = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=random)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2, generator=random)  # type: ignore[union-attr]
    if isinstance(network, RefinementNet):
        nn.init.normal_(network.exit.weight, 0, 0.02, generator=random)
    return network.eval()


def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {
        "mender": RefinementNet(RefinementOptions(4, start="telea")),
        "partial-unet": PartialUNet(PartialUNetOptions(2, 8)),
        "crfill": CRFill(CRFillOptions(8)),
        "context-encoder": ContextEncoder(ContextEncoderOptions(4, 256)),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each network's weights and its export in half precision."""
    folder = tmp_path_factory.mktemp("exports")
    for name, network in networks().items():
        saved = serialization.save(
            folder / f"{name}.safetensors", seasoned(network), {"data": ["x"]}
        )
        export.export(saved, folder / f"{name}.onnx", half=True)
    return folder


NAMES = list(networks())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(150, 131), (40, 300)])
def test_an_export_fills_as_its_network(folder: Path, name: str, shape: tuple[int, int]) -> None:
    photo = np.random.default_rng(0).random((*shape, 3), dtype=np.float32)
    hole = np.zeros(shape, bool)
    hole[5:30, 20:60] = hole[33:39, 90:] = True
    exported = mendpix.load(folder / f"{name}.onnx")
    network, _ = serialization.load(folder / f"{name}.safetensors")
    serialization.save(folder / "rounded.safetensors", graph.round_to_half(network))
    same = mendpix.load(folder / "rounded.safetensors", device="cpu")
    own = mendpix.load(folder / f"{name}.safetensors", device="cpu")
    filled = exported(photo, hole)
    np.testing.assert_allclose(filled, same(photo, hole), rtol=0, atol=export.TOLERANCE)
    assert np.abs(filled - own(photo, hole))[hole].mean() < export.ROUNDING
    np.testing.assert_array_equal(filled[~hole], photo[~hole])


@pytest.mark.parametrize("name", NAMES)
def test_the_same_bytes_for_any_number_of_threads(folder: Path, name: str) -> None:
    photo = np.random.default_rng(0).random((170, 190, 3), dtype=np.float32)
    hole = np.zeros((170, 190), bool)
    hole[50:100, 60:120] = True
    made = [mendpix.load(folder / f"{name}.onnx", threads=n)(photo, hole) for n in (1, 2, 3)]
    for other in made[1:]:
        np.testing.assert_array_equal(other, made[0])


def test_cards_and_sizes(folder: Path) -> None:
    for name in NAMES:
        card, own = (cards.read_card(folder / f"{name}{end}") for end in (".onnx", ".safetensors"))
        assert {key: card[key] for key in own} == own
        assert card["export"]["largest"] <= export.TOLERANCE
        assert card["export"]["weights"] == "half, computed in single"
    assert cards.read_card(folder / "mender.onnx")["adapter"]["start"] == "telea"
    assert cards.read_card(folder / "context-encoder.onnx")["adapter"]["hole_shape"] == "centre"
    big = folder / "context-encoder.onnx"
    assert big.stat().st_size < 0.6 * big.with_suffix(".safetensors").stat().st_size


@pytest.fixture(scope="module")
def pair(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph that points into weights in half precision beside it."""
    pair = tmp_path_factory.mktemp("pair")
    network, card = serialization.load(folder / "mender.safetensors")
    serialization.save(pair / "mender.safetensors", network.half(), card)
    export.export(pair / "mender.safetensors", pair / "mender.onnx", beside=True)
    return pair


def test_tensors_beside_the_graph_give_the_same_bytes(folder: Path, pair: Path) -> None:
    assert onnx.load(pair / "mender.onnx", load_external_data=False).ByteSize() < 100_000
    card = cards.read_card(pair / "mender.onnx")
    assert card.items() >= cards.read_card(pair / "mender.safetensors").items()
    assert card["export"]["weights"] == "half, computed in single" and "tensors" not in card
    photo = np.random.default_rng(0).random((150, 131, 3), dtype=np.float32)
    hole = np.zeros((150, 131), bool)
    hole[40:90, 30:80] = True
    export.export(pair / "mender.safetensors", pair / "whole.onnx", half=True)
    whole, apart = (mendpix.load(pair / f"{name}.onnx") for name in ("whole", "mender"))
    np.testing.assert_array_equal(apart(photo, hole), whole(photo, hole))


def test_a_graph_is_worth_nothing_without_its_own_tensors(
    folder: Path, pair: Path, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match=r"must lie in .*, beside the tensors it points at"):
        export.export(pair / "mender.safetensors", tmp_path / "mender.onnx", beside=True)
    shutil.copy(pair / "mender.onnx", tmp_path)
    with pytest.raises(WeightsError, match=r"mender\.safetensors does not exist"):
        mendpix.load(tmp_path / "mender.onnx")
    shutil.copy(folder / "mender.safetensors", tmp_path)
    with pytest.raises(WeightsError, match="was made for other tensors than"):
        mendpix.load(tmp_path / "mender.onnx")


def test_nothing_of_this_machine_is_in_the_file(folder: Path) -> None:
    model = onnx.load(folder / "mender.onnx")
    assert [p.key for p in model.metadata_props] == [cards.CARD]
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)
    content = (folder / "mender.onnx").read_bytes()
    assert b".py" not in content and str(Path.home()).encode() + b"/" not in content


def test_a_file_that_fills_differently_is_not_kept(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = onnx.load(folder / "context-encoder.onnx")
    for node in other.graph.node:
        if node.op_type == "Tanh":
            node.op_type = "Sigmoid"
    monkeypatch.setattr(graph, "trace", lambda network: other)
    out = tmp_path / "net.onnx"
    with pytest.raises(WeightsError, match=r"fills differently once exported, by 0\.\d+ where"):
        export.export(folder / "context-encoder.safetensors", out)
    assert list(tmp_path.iterdir()) == []


def test_half_precision_is_refused_where_it_shows() -> None:
    with pytest.raises(WeightsError, match="export it without --half"):
        export._accept(export.Parity(0.0, 0.01, 2), "net")
    network = CRFill(CRFillOptions(8))
    with torch.no_grad():
        network.fine.allconv11.conv.weight[0] = 1e6  # type: ignore[union-attr, operator, index]
    with pytest.raises(
        WeightsError, match=r"allconv11\.conv\.weight exceeds half precision's 65504"
    ):
        graph.round_to_half(network)


def test_what_cannot_be_exported(folder: Path, tmp_path: Path) -> None:
    judge = serialization.save(
        tmp_path / "d.safetensors", ContextDiscriminator(ContextDiscriminatorOptions(width=4))
    )
    with pytest.raises(WeightsError, match="holds the discriminator"):
        export.export(judge, tmp_path / "d.onnx")
    with pytest.raises(WeightsError, match=r"is no \.onnx file; use net\.onnx"):
        export.export(folder / "crfill.safetensors", tmp_path / "net.bin")
