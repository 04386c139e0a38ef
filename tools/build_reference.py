"""Write the API reference as HTML, from the docstrings of what can be imported from each package.

    python tools/build_reference.py FOLDER

Needs the extra `docs` (pdoc). Every warning, such as a type that cannot be resolved, ends it.
"""

import importlib
import re
import sys
import warnings
from pathlib import Path
from types import ModuleType

from pdoc import doc, docstrings, render

MODULES = (
    "mendpix",
    "mendpix.errors",
    "mendpix.types",
    "mendpix.losses",
    "mendpix.networks",
    "mendpix.networks.features",
    "mendpix.metrics",
    "mendpix.masks.generate",
    "mendpix.training",
    "mendpix.evaluation",
)
ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):`[~.!]*([^`]+)`")
"""What Sphinx would link; here the name alone is enough."""

INHERITED = "Initialize internal Module state"
"""How the docstring of ``nn.Module.__init__`` begins, which a constructor without one inherits."""


def convert_docstring(text: str) -> str:
    """Markdown of a docstring: roles as names, ``code`` as `code`, sections as pdoc has them."""
    if text.startswith(INHERITED):
        return ""
    text = ROLE.sub(r"`\1`", text)
    return GOOGLE(re.sub(r"``([^`\n]+)``", r"`\1`", text))


GOOGLE = docstrings.google


def import_whole(name: str) -> ModuleType:
    """A module with what it imports on first use: pdoc looks without calling `__getattr__`."""
    module = importlib.import_module(name)
    for public in getattr(module, "__all__", ()):
        setattr(module, public, getattr(module, public))
    return module


def build(folder: Path) -> list[Path]:
    """Write the pages; returns them.

    Raises:
        Warning: a docstring or type that pdoc cannot take.
    """
    docstrings.google = convert_docstring
    render.configure(docformat="google", math=True, show_source=False)
    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        modules = {name: doc.Module(import_whole(name)) for name in MODULES}
        pages = {name: render.html_module(module, modules) for name, module in modules.items()}
        pages["index"] = render.html_index(modules)
    for name, page in pages.items():
        path = folder.joinpath(*name.split(".")).with_suffix(".html")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    return sorted(folder.rglob("*.html"))


if __name__ == "__main__":
    for page in build(Path(sys.argv[1])):
        print(page)
