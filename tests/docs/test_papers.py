"""The papers' pages: their code runs, and what they point to is there."""

import re
from pathlib import Path
from typing import Any

import pytest

from mendpix.networks import DISCRIMINATORS, NETWORKS
from mendpix.networks.released_formats import RELEASED_FORMATS

FOLDER = Path(__file__).parents[2] / "docs" / "papers"
TEXTS = {page.stem: page.read_text(encoding="utf-8") for page in sorted(FOLDER.glob("*.md"))}


@pytest.mark.parametrize("page", [name for name, text in TEXTS.items() if "```python" in text])
def test_code_on_a_page_runs(page: str) -> None:
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", TEXTS[page], re.DOTALL):
        exec(compile(block, page, "exec"), names)
    if page == "context-encoder":
        assert names["image"].shape == (2, 3, 128, 128)
    if page == "pan":
        assert names["network_loss"].isfinite() and names["discriminator_loss"] > 0


@pytest.mark.parametrize("page", TEXTS)
def test_a_page_s_figures_and_pages_are_there(page: str) -> None:
    prose = re.sub(r"```.*?```", "", TEXTS[page], flags=re.DOTALL)
    links = re.findall(r"\]\((?!https?://)([^)#]+)", prose)
    assert links
    assert [link for link in links if not (FOLDER / link).exists()] == []


def test_the_list_of_checkpoints_has_every_format_and_no_hash_that_nobody_checked() -> None:
    text = TEXTS["checkpoints"]
    rows = re.findall(r"^\| `([\w-]+)` \|(.*)\|$", text, re.MULTILINE)
    assert {name for name, _ in rows} == set(RELEASED_FORMATS)
    for released in RELEASED_FORMATS.values():
        assert released.source in text
    known = {*NETWORKS, *DISCRIMINATORS}
    for name, row in rows:
        becomes = row.split("|")[-1]
        assert known & set(re.findall(r"`([\w-]+)`", becomes)), name
    assert not re.search(r"\b[0-9a-f]{32,}\b", text)
