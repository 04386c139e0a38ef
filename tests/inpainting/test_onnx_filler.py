"""Exported networks as fillers, without torch."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from graphs import blurred, constant, saved
from numpy.typing import NDArray
from onnx import TensorProto, helper

import mendpix
from mendpix.errors import Cancelled, MendError, WeightsError
from mendpix.inpainting.onnx.filler import OnnxFiller
from mendpix.weights import cards

ADAPTER = {"inputs": {"photo": ["photo"], "hole": ["hole"]}}


def scene(height: int = 45, width: int = 61) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    photo = np.random.default_rng(1).random((height, width, 3), dtype=np.float32)
    hole = np.zeros((height, width), bool)
    hole[5:20, 7:30] = hole[40:, :4] = True
    return photo, hole


def test_a_file_that_describes_itself_fills(tmp_path: Path) -> None:
    card = {"network": "constant", "data": ["nothing"], "adapter": {**ADAPTER, "multiple": 8}}
    path = constant(tmp_path / "net.onnx", card=card)
    photo, hole = scene()
    filler = mendpix.load(path)
    filled = filler(photo, hole)
    assert (filled[hole] == 0.25).all()
    np.testing.assert_array_equal(filled[~hole], photo[~hole])
    assert filler.card["data"] == ["nothing"]
    assert cards.read_card(path) == card


def test_any_other_is_described_beside_it_or_by_an_option(tmp_path: Path) -> None:
    path = constant(tmp_path / "net.onnx")
    photo, hole = scene()
    with pytest.raises(WeightsError, match=r"describe it in net\.toml beside it"):
        mendpix.load(path)
    filled = mendpix.load(path, adapter=ADAPTER)(photo, hole)
    (tmp_path / "net.toml").write_text('[inputs]\nphoto = "photo"\nhole = "hole"\n')
    np.testing.assert_array_equal(mendpix.load(path)(photo, hole), filled)
    with pytest.raises(MendError, match="has no option radius; it takes adapter"):
        mendpix.load(path, radius=3)


def test_a_start_is_found_by_its_name(tmp_path: Path) -> None:
    nodes = [helper.make_node("Identity", ["photo"], ["image"])]
    shape = ["n", 3, "h", "w"]
    card = {"adapter": {"inputs": {"photo": ["photo"]}, "start": "telea"}}
    path = saved(tmp_path / "net.onnx", nodes, {"photo": shape}, {"image": shape}, card=card)
    photo, hole = scene()
    wanted = mendpix.load("telea")(photo, hole)
    np.testing.assert_array_equal(mendpix.load(path)(photo, hole), wanted)
    with pytest.raises(WeightsError, match="wants holes filled by 'telea' first"):
        OnnxFiller(path)(photo, hole)
    adapter = {"inputs": {"photo": ["photo"]}, "start": "magic"}
    with pytest.raises(MendError, match="'magic' first, which is no built-in filler"):
        mendpix.load(path, adapter=adapter)


def test_a_fill_is_refined_as_it_is_even_where_nothing_is_known(tmp_path: Path) -> None:
    """The network halves what it is shown, so that shows."""
    nodes = [helper.make_node("Mul", ["photo", "half"], ["image"])]
    shape = ["n", 3, "h", "w"]
    card = {"adapter": {"inputs": {"photo": ["photo"]}, "start": "telea", "multiple": 8}}
    path = tmp_path / "net.onnx"
    saved(path, nodes, {"photo": shape}, {"image": shape}, {"half": 0.5}, card)
    photo, hole = scene()
    for missing in (hole, np.ones_like(hole)):
        refined = OnnxFiller(path).refine(photo, missing)
        np.testing.assert_array_equal(refined[missing], photo[missing] / 2)
        np.testing.assert_array_equal(refined[~missing], photo[~missing])


def test_bytes_in_and_out(tmp_path: Path) -> None:
    nodes = [helper.make_node("Identity", ["photo"], ["image"])]
    shape = ["n", 3, "h", "w"]
    path = saved(
        tmp_path / "net.onnx", nodes, {"photo": shape}, {"image": shape}, kind=TensorProto.UINT8
    )
    photo, hole = scene()
    adapter = {"inputs": {"photo": ["photo"]}, "values": [0, 255]}
    filled = OnnxFiller(path, adapter)(photo, hole)
    mean = photo[~hole].mean(axis=0)
    np.testing.assert_allclose(filled[hole], np.broadcast_to(mean, (hole.sum(), 3)), atol=0.5 / 255)


def test_the_same_bytes_for_any_number_of_threads(tmp_path: Path) -> None:
    path = blurred(tmp_path / "net.onnx", {"adapter": ADAPTER})
    photo, hole = scene(150, 211)
    made = [OnnxFiller(path, threads=threads)(photo, hole) for threads in (1, 2, 3, 5)]
    for other in made[1:]:
        np.testing.assert_array_equal(other, made[0])


def test_progress_is_told_and_may_stop_the_network(tmp_path: Path) -> None:
    path = blurred(tmp_path / "net.onnx", {"adapter": ADAPTER}, channels=8)
    photo, hole = scene()
    filler = OnnxFiller(path)
    told: list[float] = []
    filled = filler(photo, hole, told.append)
    assert told == sorted(told) and told[-1] == 1
    np.testing.assert_array_equal(filled, filler(photo, hole))

    def stop(share: float) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        filler(photo, hole, stop)
    np.testing.assert_array_equal(filled, filler(photo, hole))


def test_what_a_network_cannot_do_is_one_line(tmp_path: Path) -> None:
    photo, hole = scene()
    path = constant(tmp_path / "net.onnx")
    wrong = {"inputs": {"image": ["photo"], "mask": ["hole"]}}
    with pytest.raises(WeightsError, match="has the inputs photo, hole but image, mask are"):
        OnnxFiller(path, wrong)
    with pytest.raises(WeightsError, match="has the outputs image, not picture"):
        OnnxFiller(path, {**ADAPTER, "output": "picture"})
    nan = constant(tmp_path / "nan.onnx", float("nan"))
    with pytest.raises(WeightsError, match="gave values that are no numbers"):
        OnnxFiller(nan, ADAPTER)(photo, hole)
    swapped = {"inputs": {"photo": ["hole"], "hole": ["photo"]}}
    with pytest.raises(WeightsError) as caught:
        OnnxFiller(path, swapped)(photo, hole)
    assert "cannot run" in str(caught.value) and "\n" not in str(caught.value)
    shapes = {"photo": ["n", 3, "h", "w"], "hole": ["n", 1, "h", "w"]}
    nodes = [helper.make_node("Concat", ["photo", "photo"], ["image"], axis=3)]
    wide = saved(tmp_path / "wide.onnx", nodes, shapes, {"image": ["n", 3, "h", "v"]})
    with pytest.raises(WeightsError, match="set 'size', 'multiple' or 'layout'"):
        OnnxFiller(wide, ADAPTER)(photo, hole)


def test_files_that_are_no_networks(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    for content in (b"", b"\x08", b"not a graph at all", constant(path).read_bytes()[:-20]):
        path.write_bytes(content)
        with pytest.raises(WeightsError) as caught:
            OnnxFiller(path, ADAPTER)
        assert "\n" not in str(caught.value)
    with pytest.raises(WeightsError, match="does not exist"):
        OnnxFiller(tmp_path / "absent.onnx")
    with pytest.raises(MendError, match=r"runs on cpu.* here, not on mps"):
        OnnxFiller(constant(path), ADAPTER, device="mps")


def test_cards_that_are_broken(tmp_path: Path) -> None:
    path = constant(tmp_path / "net.onnx", card={"adapter": {"inputs": {"photo": "colour"}}})
    with pytest.raises(WeightsError, match="makes the input photo of 'colour'"):
        OnnxFiller(path)
    content = path.read_bytes().replace(b'{"adapter"', b'["adapter"')
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="a card that is no JSON"):
        cards.read_card(path)


def test_no_torch_is_needed(tmp_path: Path) -> None:
    path = constant(tmp_path / "net.onnx", card={"adapter": ADAPTER})
    code = (
        "import sys, numpy as np, mendpix;"
        f"fill = mendpix.load({str(path)!r});"
        "hole = np.zeros((20, 20), bool); hole[3:9, 3:9] = True;"
        "made = fill(np.ones((20, 20, 3), np.float32), hole);"
        "print(float(made[4, 4, 0]), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0.25", "False"]


def test_nobody_is_told(tmp_path: Path) -> None:
    """The runtime's own telemetry keeps an id in the home folder from its import on."""
    home = tmp_path / "home"
    home.mkdir()
    say = (
        "from mendpix.inpainting.onnx.filler import OnnxFiller\n"
        "from mendpix.weights import cards\n"
        "OnnxFiller(cards.list_bundled()['mender'])"
    )
    where = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    subprocess.run([sys.executable, "-c", say], env={**where, "HOME": str(home)}, check=True)
    assert [path for path in home.rglob("*") if path.is_file()] == []
