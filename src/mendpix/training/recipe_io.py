"""Reading recipes: by name or file, with single fields changed, and mistakes said in one line.

Command-line overrides and ``--set`` change single fields. Keys that are not known are refused
with the nearest one that is.
"""

import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from mendpix.errors import RecipeError
from mendpix.training.recipe import Recipe, near


def shipped() -> list[str]:
    """Names of the recipes in the package."""
    folder = resources.files("mendpix.training") / "recipes"
    return sorted(
        f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")
    )


def text(name: str | Path) -> str:
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
    known = shipped()
    if str(name) not in known:
        raise RecipeError(f"there is no recipe {str(name)!r}; {near(str(name), known)}")
    return (resources.files("mendpix.training") / "recipes" / f"{name}.toml").read_text(
        encoding="utf-8"
    )


def about(name: str | Path) -> str:
    """What a recipe says of itself in its first line; empty where it has no comment there.

    Raises:
        RecipeError: there is no such recipe.
    """
    first = text(name).partition("\n")[0]
    return first.lstrip("# ").strip() if first.startswith("#") else ""


def diff(one: str | Path, two: str | Path) -> list[str]:
    """The fields in which two recipes differ, one a line: ``path: this -> that``.

    Raises:
        RecipeError: one cannot be read.
    """
    first, second = (_flat(read(name).model_dump(mode="json")) for name in (one, two))
    paths = list(dict.fromkeys([*first, *second]))
    gone = "(none)"
    return [
        f"{path}: {first.get(path, gone)} -> {second.get(path, gone)}"
        for path in paths
        if first.get(path, gone) != second.get(path, gone)
    ]


def _flat(value: Any, path: str = "") -> dict[str, str]:
    """Nested tables and lists of tables as one, by path; values as text."""
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        value = {str(place): item for place, item in enumerate(value)}
    if not isinstance(value, dict):
        return {path: str(value)}
    found: dict[str, str] = {}
    for key, inner in value.items():
        found |= _flat(inner, f"{path}.{key}" if path else key)
    return found


def read(
    name: str | Path,
    overrides: Mapping[str, Any] | None = None,
    sets: Sequence[str] = (),
) -> Recipe:
    """A recipe by name or file, with single fields changed.

    Args:
        overrides: values of top-level fields; None leaves a field as it is. ``lr`` is the
            network's; every other rate, of phases and discriminators, changes in proportion.
        sets: ``"losses.style=60"``: any field by its path; values as in TOML, bare words as text.

    Raises:
        RecipeError: no such recipe, no TOML, unknown keys, or values that do not fit.
    """
    try:
        tables = tomllib.loads(text(name))
    except tomllib.TOMLDecodeError as problem:
        raise RecipeError(f"recipe {name} is no valid TOML: {problem}") from None
    for key, value in (overrides or {}).items():
        if value is not None and key != "lr":
            tables[key] = value
    for item in sets:
        _set(tables, item)
    recipe = parse(tables, str(name))
    lr = (overrides or {}).get("lr")
    return recipe if lr is None else _with_rate(recipe, float(lr))


def parse(tables: Mapping[str, Any], name: str = "") -> Recipe:
    """A recipe from tables.

    Raises:
        RecipeError: unknown keys (names the nearest known one) or values that do not fit.
    """
    try:
        return Recipe.model_validate(dict(tables))
    except ValidationError as problem:
        source = f"recipe {name}" if name else "the recipe"
        raise RecipeError(f"{source}: {_explain(problem)}") from None


def _with_rate(recipe: Recipe, lr: float) -> Recipe:
    if lr <= 0:
        raise RecipeError(f"lr is {lr:g} but must be > 0")
    factor = lr / recipe.optimiser.lr

    def scaled(value: float | None) -> float | None:
        return None if value is None else value * factor

    phases = tuple(
        p.model_copy(update={"lr": scaled(p.lr), "discriminator_lr": scaled(p.discriminator_lr)})
        for p in recipe.phases
    )
    judges = recipe.discriminators
    return recipe.model_copy(
        update={
            "optimiser": recipe.optimiser.model_copy(update={"lr": lr}),
            "discriminators": judges.model_copy(update={"lr": judges.lr * factor}),
            "phases": phases,
        }
    )


def _set(tables: dict[str, Any], item: str) -> None:
    """Change one field in place: ``path.to.field=value``."""
    path, equals, value = item.partition("=")
    if not equals or not path.strip():
        raise RecipeError(f"--set {item!r} must look like losses.style=60")
    *way, last = (part.strip() for part in path.split("."))
    place: Any = tables
    for part in way:
        place = _step_into(place, part, item)
    if isinstance(place, list):
        place[_index(place, last, item)] = _value(value)
    elif way == ["losses"] and isinstance(place.get(last), dict) and _is_number(value):
        place[last]["weight"] = _value(value)
    else:
        place[last] = _value(value)


def _step_into(place: Any, part: str, item: str) -> Any:
    if isinstance(place, list):
        return place[_index(place, part, item)]
    inner = place.setdefault(part, {})
    if isinstance(inner, int | float):
        inner = place[part] = {"weight": inner}  # a term that was given as its weight alone
    if not isinstance(inner, dict | list):
        raise RecipeError(f"--set {item!r}: {part} is {inner!r}, it has no fields")
    return inner


def _index(place: list[Any], part: str, item: str) -> int:
    if not part.isdigit() or int(part) >= len(place):
        raise RecipeError(f"--set {item!r}: {part} is not a place from 0 to {len(place) - 1}")
    return int(part)


def _value(written: str) -> Any:
    try:
        return tomllib.loads(f"value = {written}")["value"]
    except tomllib.TOMLDecodeError:
        return written.strip()


def _is_number(written: str) -> bool:
    return isinstance(_value(written), int | float)


def _explain(problem: ValidationError) -> str:
    """The first mistake in one line, with the place and the way out."""
    found = problem.errors(include_url=False)
    # A misspelt key is the cause of the missing one beside it.
    first = min(found, key=lambda error: error["type"] != "extra_forbidden")
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        *way, wrong = first["loc"]
        return f"unknown key {place!r}; {near(str(wrong), _keys_at(way))}"
    message = str(first.get("ctx", {}).get("error") or first["msg"])
    if not place:
        return message
    if first["type"] == "missing":
        return f"{place!r} is missing"
    return f"{place} is {first['input']!r}: {message[0].lower()}{message[1:]}"


def _keys_at(way: Sequence[Any]) -> list[str]:
    """The keys that the table at this place of a recipe may have."""
    table: type[BaseModel] = Recipe
    for part in way:
        if isinstance(part, str) and part in table.model_fields:
            table = _table_in(table.model_fields[part].annotation) or table
    return list(table.model_fields)


def _table_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _table_in(inner)
        if found is not None:
            return found
    return None


def fields(table: type[BaseModel] = Recipe, prefix: str = "") -> list[tuple[str, str, str]]:
    """Every field of a recipe, its default and its description; tables opened up."""
    rows: list[tuple[str, str, str]] = []
    for name, field in table.model_fields.items():
        default = "" if field.is_required() else str(field.default)
        inner = _table_in(field.annotation)
        rows.append((prefix + name, "" if inner else default, field.description or ""))
        if inner is not None:
            rows += fields(inner, f"{prefix}{name}.")
    return rows


def field_lines() -> list[str]:
    """Every field as a row of a Markdown table: what the page on recipes holds."""
    rows = [f"| `{name}` | {_shown(default)} | {words} |" for name, default, words in fields()]
    return ["| field | default | what it says |", "|---|---|---|", *rows]


def _shown(default: str) -> str:
    return f"`{default}`" if default else ""
