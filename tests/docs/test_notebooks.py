"""The notebooks: committed without outputs, and their cells run in order, at tiny size."""

import json
import math
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
import torch

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
TINY = "STEPS, WIDTH, BATCH = 2, 4, 2"


def read_cells(path: Path) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return cells


def test_each_paper_has_one() -> None:
    papers = {page.stem for page in (FOLDER.parent / "papers").glob("*.md")}
    assert {path.stem for path in NOTEBOOKS} == papers - {"checkpoints"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_run_in_order(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    names: dict[str, Any] = {}
    set_small = 0
    with plt.rc_context({"backend": "agg"}):
        for number, cell in enumerate(read_cells(path)):
            if cell["cell_type"] != "code":
                continue
            assert cell["outputs"] == [] and cell["execution_count"] is None
            exec(compile("".join(cell["source"]), f"{path.name}, cell {number}", "exec"), names)
            if "parameters" in cell["metadata"].get("tags", ()):
                exec(TINY, names)
                set_small += 1
        assert set_small == 1 and len(plt.get_fignums()) == 2
        plt.close("all")
    assert len(names["history"]) == 2
    assert all(math.isfinite(value) for values in names["history"] for value in values.values())
    if path.stem == "partial-conv":  # the average of what is known, where the window knows any
        assert torch.equal(names["left"][0, 0, 2:5, 2:5], torch.ones(3, 3))
        known = names["left"][0, 0] == 0
        torch.testing.assert_close(names["values"][0, 0][known], torch.full((known.sum(),), 0.5))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_lead_somewhere(path: Path) -> None:
    import re

    text = "".join("".join(c["source"]) for c in read_cells(path) if c["cell_type"] == "markdown")
    for target in re.findall(r"\]\((?!https?://)([^)]+)\)", text):
        assert (FOLDER / target).exists(), target
