"""Reads recipes by name or file, with single fields changed, and writes them as TOML.

Command-line overrides and ``--set`` change single fields. Keys that are not known are refused
with the nearest one that is.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import BaseModel, ValidationError

from mendpix.errors import RecipeError, did_you_mean
from mendpix.training.recipe import Recipe
from mendpix.training.recipe_files import read_recipe_text


def diff_recipes(one: str | Path, two: str | Path) -> list[str]:
    """The fields in which two recipes differ, one a line: ``path: this -> that``.

    Raises:
        RecipeError: one cannot be read.
    """
    first, second = (_flatten(read_recipe(name).model_dump(mode="json")) for name in (one, two))
    paths = list(dict.fromkeys([*first, *second]))
    gone = "(none)"
    return [
        f"{path}: {first.get(path, gone)} -> {second.get(path, gone)}"
        for path in paths
        if first.get(path, gone) != second.get(path, gone)
    ]


def _flatten(value: Any, path: str = "") -> dict[str, str]:
    """Nested tables and lists of tables as one, by path; values as text."""
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        value = {str(place): item for place, item in enumerate(value)}
    if not isinstance(value, dict):
        return {path: str(value)}
    flat: dict[str, str] = {}
    for key, inner in value.items():
        flat |= _flatten(inner, f"{path}.{key}" if path else key)
    return flat


def read_recipe(
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
        tables = tomllib.loads(read_recipe_text(name))
    except (tomllib.TOMLDecodeError, RecursionError) as problem:
        raise RecipeError(f"recipe {name} is no valid TOML: {problem}") from None
    for key, value in (overrides or {}).items():
        if value is not None and key != "lr":
            tables[key] = value
    for item in sets:
        _set_field(tables, item)
    recipe = parse_recipe(tables, str(name))
    lr = (overrides or {}).get("lr")
    return recipe if lr is None else _scale_rates(recipe, float(lr))


def parse_recipe(tables: Mapping[str, Any], name: str = "") -> Recipe:
    """A recipe from tables.

    Raises:
        RecipeError: unknown keys (names the nearest known one) or values that do not fit.
    """
    try:
        return Recipe.model_validate(dict(tables))
    except ValidationError as problem:
        source = f"recipe {name}" if name else "the recipe"
        raise RecipeError(f"{source}: {_explain(problem)}") from None


def format_recipe(recipe: Recipe) -> str:
    """A recipe as TOML; reading the text gives the same recipe."""
    text = tomli_w.dumps(_drop_none(recipe.model_dump(mode="json")))
    # tomli-w gives each item a line; a pair of numbers reads better on one. Strings in its output
    # hold no line breaks, so that only arrays match.
    return re.sub(r"\[\n(?: {4}\S.*,\n)+\]", _join_array, text)


def _join_array(array: re.Match[str]) -> str:
    items = [line.strip() for line in array[0].splitlines()[1:-1]]
    line = f"[{' '.join(items).removesuffix(',')}]"
    return line if len(line) < 80 else array[0]


def _drop_none(value: Any) -> Any:
    """Tables without the fields that are None, which TOML does not have."""
    if isinstance(value, list | tuple):
        return [_drop_none(item) for item in value]
    if isinstance(value, dict):
        return {key: _drop_none(inner) for key, inner in value.items() if inner is not None}
    return value


def _scale_rates(recipe: Recipe, lr: float) -> Recipe:
    if not 0 < lr < 1e6:
        raise RecipeError(f"lr is {lr:g} but must be > 0, and a number below 1e6")
    factor = lr / recipe.optimiser.lr

    def scale(value: float | None) -> float | None:
        return None if value is None else value * factor

    phases = tuple(
        p.model_copy(update={"lr": scale(p.lr), "discriminator_lr": scale(p.discriminator_lr)})
        for p in recipe.phases
    )
    discriminators = recipe.discriminators
    return recipe.model_copy(
        update={
            "optimiser": recipe.optimiser.model_copy(update={"lr": lr}),
            "discriminators": discriminators.model_copy(update={"lr": discriminators.lr * factor}),
            "phases": phases,
        }
    )


def _set_field(tables: dict[str, Any], item: str) -> None:
    """Change one field in place: ``path.to.field=value``."""
    path, equals, value = item.partition("=")
    if not equals or not path.strip():
        raise RecipeError(f"--set {item!r} must look like losses.style=60")
    *way, last = (part.strip() for part in path.split("."))
    place: Any = tables
    for part in way:
        place = _step_into(place, part, item)
    if isinstance(place, list):
        place[_index(place, last, item)] = _parse_value(value)
    elif way == ["losses"] and isinstance(place.get(last), dict) and _is_number(value):
        place[last]["weight"] = _parse_value(value)
    else:
        place[last] = _parse_value(value)


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


def _parse_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()


def _is_number(text: str) -> bool:
    return isinstance(_parse_value(text), int | float)


def _explain(problem: ValidationError) -> str:
    """The first mistake in one line, with the place and the way out."""
    errors = problem.errors(include_url=False)
    # A misspelt key is the cause of the missing one beside it.
    first = min(errors, key=lambda error: error["type"] != "extra_forbidden")
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        *way, wrong = first["loc"]
        return f"unknown key {place!r}; {did_you_mean(str(wrong), _list_keys(way))}"
    message = str(first.get("ctx", {}).get("error") or first["msg"])
    if not place:
        return message
    if first["type"] == "missing":
        return f"{place!r} is missing"
    return f"{place} is {repr(first['input'])[:60]}: {message[0].lower()}{message[1:]}"


def _list_keys(way: Sequence[Any]) -> list[str]:
    """The keys that the table at this place of a recipe may have."""
    table: type[BaseModel] = Recipe
    for part in way:
        if isinstance(part, str) and part in table.model_fields:
            table = _find_table(table.model_fields[part].annotation) or table
    return list(table.model_fields)


def _find_table(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        table = _find_table(inner)
        if table is not None:
            return table
    return None


def list_fields(table: type[BaseModel] = Recipe, prefix: str = "") -> list[tuple[str, str, str]]:
    """Every field of a recipe, its default and its description; tables opened up."""
    rows: list[tuple[str, str, str]] = []
    for name, field in table.model_fields.items():
        default = "" if field.is_required() else str(field.default)
        inner = _find_table(field.annotation)
        rows.append((prefix + name, "" if inner else default, field.description or ""))
        if inner is not None:
            rows += list_fields(inner, f"{prefix}{name}.")
    return rows


def format_field_table() -> list[str]:
    """Every field as a row of a Markdown table: what the page on recipes holds."""
    rows = [f"| `{name}` | {_quote(default)} | {words} |" for name, default, words in list_fields()]
    return ["| field | default | what it says |", "|---|---|---|", *rows]


def _quote(default: str) -> str:
    return f"`{default}`" if default else ""
