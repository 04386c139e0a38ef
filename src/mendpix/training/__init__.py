"""Training: from a folder of pictures and a recipe to weights that fill."""

from mendpix.training.api import train
from mendpix.training.events import EventCallback, TrainingEvent, TrainingResult
from mendpix.training.progress_display import ProgressDisplay
from mendpix.training.recipe import Recipe
from mendpix.training.recipe_io import (
    describe_recipe,
    diff_recipes,
    list_fields,
    list_recipes,
    parse_recipe,
    read_recipe,
    read_recipe_text,
)

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
