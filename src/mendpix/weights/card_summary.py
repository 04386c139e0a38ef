"""The ten lines of a card that a person wants first; ``mendpix info --all`` prints the rest."""

from collections.abc import Iterator, Mapping
from typing import Any

Card = Mapping[str, Any]


def summarize(card: Card) -> Iterator[str]:
    """What it is, what it learned from, how well it does, and under which terms; a line each."""
    name = card.get("name") or card.get("network", "unknown")
    yield f"{name}: {card.get('about') or _describe_kind(card)}"
    fields = {
        "options": _join(card.get("options")),
        "licence": card.get("licence", ""),
        "source": card.get("source", ""),
        "learned from": _describe_data(card.get("data")),
        "terms of what it learned from": _describe_licences(card.get("data")),
        "training": _describe_training(card),
        "validation": _join(card.get("validation")),
        "made with": _describe_versions(card),
        "sha256": card.get("sha256", ""),
    }
    yield from (f"{key}: {value}" for key, value in fields.items() if value)
    yield "everything, every file it learned from included: --all or --json"


def _describe_kind(card: Card) -> str:
    return f"{card.get('kind', 'network')} {card.get('network', '')}".strip()


def _join(values: Any) -> str:
    """A small table in one line; numbers with four digits."""
    if not isinstance(values, Mapping):
        return ""
    return ", ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in values.items()
    )


def _describe_data(data: Any) -> str:
    if isinstance(data, Mapping):
        files = data.get("files")
        count = f"{len(files)} pictures" if isinstance(files, Mapping | list) else "pictures"
        return f"{count} of {data.get('folder', 'a folder')}"
    return "; ".join(map(str, data)) if isinstance(data, list) else str(data or "")


def _describe_licences(data: Any) -> str:
    licences = data.get("licences") if isinstance(data, Mapping) else None
    if not isinstance(licences, Mapping):
        return ""
    return ", ".join(f"{name} ({count})" for name, count in licences.items())


def _describe_training(card: Card) -> str:
    recipe = card.get("recipe")
    if not isinstance(recipe, Mapping):
        return ""
    terms = ", ".join(recipe.get("losses") or {})
    size, batch = recipe.get("size", "?"), recipe.get("batch", "?")
    hours = f", {card['hours']:g} hours" if isinstance(card.get("hours"), int | float) else ""
    return f"{card.get('steps', '?')} steps of {batch} squares of {size} px{hours}, on {terms}"


def _describe_versions(card: Card) -> str:
    made = {key: card[key] for key in ("mendpix", "torch", "machine") if key in card}
    return _join(made)
