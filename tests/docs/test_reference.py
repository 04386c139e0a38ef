"""The API reference is built without a warning, and each page holds what its package offers."""

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "build_reference.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    pytest.importorskip("pdoc", reason="the extra docs is not installed")
    spec = importlib.util.spec_from_file_location("build_reference", TOOL)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_public_name_has_its_place(tool: ModuleType, tmp_path: Path) -> None:
    pages = {str(page.relative_to(tmp_path)): page.read_text() for page in tool.build(tmp_path)}
    assert len(pages) == len(tool.MODULES) + 1
    for name in tool.MODULES:
        page = pages[name.replace(".", "/") + ".html"]
        assert not tool.ROLE.search(page) and tool.INHERITED not in page
        for public in getattr(importlib.import_module(name), "__all__", ()):
            assert f'id="{public}"' in page, f"{name}.{public}"
    assert "https://arxiv.org/abs/1612.07919" in pages["mendpix/losses.html"]
