"""mendpix fills holes in pictures, and trains, measures and serves the networks that do it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mendpix.errors import MendError
    from mendpix.evaluation import evaluate
    from mendpix.inpainting.api import fill
    from mendpix.inpainting.onnx.export import export
    from mendpix.inpainting.registry import Filler, load
    from mendpix.io.picture import Picture
    from mendpix.training import Recipe, train

__version__ = "0.1.0"

_HOMES = {
    "Filler": "inpainting.registry",
    "MendError": "errors",
    "Recipe": "training",
    "Picture": "io.picture",
    "evaluate": "evaluation",
    "export": "inpainting.onnx.export",
    "fill": "inpainting.api",
    "load": "inpainting.registry",
    "train": "training",
}
_PARTS = ("losses", "metrics", "networks")

__all__ = [
    "Filler",
    "MendError",
    "Picture",
    "Recipe",
    "__version__",
    "evaluate",
    "export",
    "fill",
    "load",
    "train",
]


def __getattr__(name: str) -> Any:
    """Load a public name on first use, so that importing the package costs nothing (PEP 562)."""
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    if name in _PARTS:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_PARTS])
