"""The pages: their Python runs, and what they point to is there."""

import re
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("examples/*.md")]
)


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


RUN = [
    ROOT / "README.md",
    *(ROOT / "docs" / f"{name}.md" for name in ("filling", "losses", "metrics", "own-script")),
]


@pytest.mark.parametrize("page", RUN, ids=named)
def test_python_on_the_pages_runs(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    blocks, names = python_blocks(page), {}
    assert blocks
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # Image.open(...) without a with
        for block in blocks:
            if "import LightningModule" in block and not find_spec("pytorch_lightning"):
                continue  # not among the extras
            exec(compile(block, str(page), "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" not in target and not target.startswith("#"):
            assert (page.parent / target.split("#")[0]).exists(), f"{page.name}: {target}"


def test_commands_on_the_pages_exist() -> None:
    """Every ``mendpix VERB`` in the pages is a verb of the command."""
    from mendpix.cli import app

    known = {c.name or c.callback.__name__ for c in app.registered_commands if c.callback}
    known |= {group.name for group in app.registered_groups if group.name}
    for page in PAGES:
        text = page.read_text()
        blocks = "\n".join(re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))
        said = re.findall(r"`mendpix ([a-z-]+)", text)
        for verb in said + re.findall(r"^mendpix ([a-z-]+)", blocks, re.MULTILINE):
            assert verb in known, f"{page.name}: mendpix {verb}"
