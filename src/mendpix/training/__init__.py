"""Training: from a folder of pictures and a recipe to weights that fill.

Listing and printing recipes needs no PyTorch; everything else does.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mendpix.training.recipe_files import describe_recipe, list_recipes, read_recipe_text

if TYPE_CHECKING:
    from mendpix.training.api import train
    from mendpix.training.events import EventCallback, TrainingEvent, TrainingResult
    from mendpix.training.progress_display import ProgressDisplay
    from mendpix.training.recipe import Recipe
    from mendpix.training.recipe_io import diff_recipes, list_fields, parse_recipe, read_recipe

_LAZY_MODULES = {
    "EventCallback": "events",
    "ProgressDisplay": "progress_display",
    "Recipe": "recipe",
    "TrainingEvent": "events",
    "TrainingResult": "events",
    "diff_recipes": "recipe_io",
    "list_fields": "recipe_io",
    "parse_recipe": "recipe_io",
    "read_recipe": "recipe_io",
    "train": "api",
}

__all__ = [
    "EventCallback",
    "ProgressDisplay",
    "Recipe",
    "TrainingEvent",
    "TrainingResult",
    "describe_recipe",
    "diff_recipes",
    "list_fields",
    "list_recipes",
    "parse_recipe",
    "read_recipe",
    "read_recipe_text",
    "train",
]


def __getattr__(name: str) -> Any:
    """Load what needs PyTorch on first use (PEP 562)."""
    if name in _LAZY_MODULES:
        return getattr(import_module(f".{_LAZY_MODULES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
