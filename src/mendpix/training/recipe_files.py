"""The recipes that ship with the package, as text: nothing here needs PyTorch."""

from importlib import resources
from pathlib import Path

from mendpix.errors import RecipeError, did_you_mean


def list_recipes() -> list[str]:
    """Names of the recipes in the package."""
    folder = resources.files("mendpix.training") / "recipes"
    return sorted(
        f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")
    )


def read_recipe_text(name: str | Path) -> str:
    """The TOML text of a recipe, by name or file.

    Raises:
        RecipeError: there is none.
    """
    path = Path(name)
    if path.suffix == ".toml":
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as problem:
            raise RecipeError(f"recipe {name} cannot be read: {problem}") from None
    known = list_recipes()
    if str(name) not in known:
        raise RecipeError(f"there is no recipe {str(name)!r}; {did_you_mean(str(name), known)}")
    return (resources.files("mendpix.training") / "recipes" / f"{name}.toml").read_text(
        encoding="utf-8"
    )


def describe_recipe(name: str | Path) -> str:
    """A recipe's own description: the comment in its first line; empty where there is none.

    Raises:
        RecipeError: there is no such recipe.
    """
    first = read_recipe_text(name).partition("\n")[0]
    return first.lstrip("# ").strip() if first.startswith("#") else ""
