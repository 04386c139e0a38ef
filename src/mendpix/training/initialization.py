"""What a run starts from: its own recipe when it is resumed, and weights trained before."""

from dataclasses import asdict
from pathlib import Path

from torch import nn

from mendpix.errors import RecipeError, TrainingError
from mendpix.networks import NETWORKS, serialization
from mendpix.training.recipe import NetworkSettings, Recipe
from mendpix.training.recipe_files import list_recipes


def find_run_recipe(out: Path, resume: bool) -> Path:
    """The recipe file in the folder of a run that is resumed.

    Raises:
        RecipeError: nobody said which recipe, and there is none in the folder.
    """
    path = out / "recipe.toml"
    if resume and path.is_file():
        return path
    if resume:
        raise TrainingError(f"{out} holds no run to resume: it has no recipe.toml; check --out")
    raise RecipeError(f"say which --recipe: a TOML file, or one of {', '.join(list_recipes())}")


def resolve_network(recipe: Recipe) -> Recipe:
    """Complete a recipe that names no network with that of the weights it starts from.

    Raises:
        RecipeError: there are none.
    """
    if recipe.network.name:
        return recipe
    if not recipe.from_weights:
        raise RecipeError(
            "the recipe names no network, so it needs weights to go on from; add --from WEIGHTS"
        )
    source, _ = serialization.load(recipe.from_weights)
    name = next((name for name, kind in NETWORKS.items() if kind is type(source)), None)
    if name is None:
        raise RecipeError(
            f"{recipe.from_weights} holds a {type(source).__name__}, not trained here"
        )
    options = {key: value for key, value in asdict(source.options).items() if value is not None}  # type: ignore[call-overload]
    return recipe.model_copy(update={"network": NetworkSettings(name=name, options=options)})


def copy_weights(network: nn.Module, recipe: Recipe) -> None:
    """Copy the weights that a recipe starts from into its network.

    A network may have parts that the weights lack, if it says that they change nothing yet.

    Raises:
        TrainingError: they are of another network, or of another shape.
    """
    source, _ = serialization.load(recipe.from_weights)
    if type(source) is not type(network):
        raise TrainingError(
            f"{recipe.from_weights} holds a {type(source).__name__} but the recipe trains a "
            f"{type(network).__name__}; choose a recipe for that network"
        )
    state, wanted = source.state_dict(), network.state_dict()
    idle = getattr(network, "starts_as_identity", lambda key: False)
    has_new_parts = state.keys() <= wanted.keys() and all(map(idle, wanted.keys() - state.keys()))
    try:
        network.load_state_dict(state, strict=not has_new_parts)
    except RuntimeError:
        raise TrainingError(
            f"{recipe.from_weights} was made with other options than the recipe's "
            f"network.options; set them alike"
        ) from None
