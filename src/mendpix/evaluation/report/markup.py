"""HTML and SVG by hand, safe by construction: what is not markup already is escaped."""

import html
from collections.abc import Iterable, Mapping

Attributes = Mapping[str, object]

VOID = frozenset(["br", "circle", "col", "img", "input", "line", "meta", "path", "polygon", "rect"])
"""Elements that are written without content."""

HARMLESS = ("https://", "http://", "#")
"""What a link may begin with: no script can hide in it."""


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def escaped(content: str) -> Markup:
    """The content as it is if it is markup, else with all that means something escaped."""
    return content if isinstance(content, Markup) else Markup(html.escape(content))


def joined(parts: Iterable[str]) -> Markup:
    """Contents one after another."""
    return Markup("".join(map(escaped, parts)))


def tag(name: str, attributes: Attributes | None = None, *content: str) -> Markup:
    """An element; an attribute that is False or None is left out, one that is True stands bare."""
    held = joined(_attribute(key, value) for key, value in (attributes or {}).items())
    if name in VOID and not content:
        return Markup(f"<{name}{held}>" if name in _HTML_VOID else f"<{name}{held}/>")
    return Markup(f"<{name}{held}>{joined(content)}</{name}>")


_HTML_VOID = frozenset(["br", "col", "img", "input", "meta"])


def _attribute(key: str, value: object) -> Markup:
    if value is None or value is False:
        return Markup()
    if value is True:
        return Markup(f" {key}")
    return Markup(f' {key}="{html.escape(_written(value))}"')


def _written(value: object) -> str:
    """Coordinates with two decimals at most."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def link(address: str, text: str) -> Markup:
    """A plain link, where the address is a web page's; else its text alone."""
    if not address.lower().startswith(HARMLESS):
        return escaped(text)
    return tag("a", {"href": address, "rel": "noopener noreferrer"}, text)
