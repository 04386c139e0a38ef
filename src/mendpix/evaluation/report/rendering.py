"""The page's Jinja2 templates: autoescaped, so that no name or remark can hold markup."""

from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mendpix.evaluation.report.gallery import GAIN
from mendpix.evaluation.report.svg import draw_sign

PACKAGE = "mendpix.evaluation.report"

WEB_ADDRESSES = ("https://", "http://", "#")
"""What a link may begin with: no script can hide in it."""


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(PACKAGE, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(sign=draw_sign, gain=GAIN)
    environment.tests["web_address"] = is_web_address
    return environment


def render(template: str, **context: object) -> Markup:
    """A template of this package as HTML."""
    return Markup(_environment().get_template(template).render(**context))


def is_web_address(text: str) -> bool:
    """Whether text becomes a link: the address of a web page, and nothing else."""
    return " " not in text and text.lower().startswith(WEB_ADDRESSES)


def read_asset(name: str) -> str:
    """A style sheet or script that is built into the page."""
    return (files(PACKAGE) / "assets" / name).read_text("utf-8")
