"""What a fill can be told: the same in Python, on the command line and over HTTP."""

import inspect
from dataclasses import fields
from importlib.resources import files
from typing import Any

import pytest
from typer.main import get_command

import mendpix
from mendpix.cli import app
from mendpix.inpainting.options import FillOptions, Runtime
from mendpix.server.option_specs import OPTION_SPECS
from mendpix.server.schemas import JobRequest

OPTIONS = {field.name: field.default for field in fields(FillOptions)}
RUNTIME = {field.name: field.default for field in fields(Runtime)}


def test_python_takes_every_option() -> None:
    parameters = inspect.signature(mendpix.fill).parameters
    for name, default in {**OPTIONS, **RUNTIME}.items():
        # tries: None in Python, where a number decides that a list is returned
        assert parameters[name].default == (None if name == "tries" else default)


def test_the_command_takes_every_option() -> None:
    command: Any = get_command(app)
    parameters = {one.name: one.default for one in command.commands["fill"].params}
    for name, default in {**OPTIONS, **RUNTIME}.items():
        assert (parameters[name] or type(default)()) == default  # a list of options has none


def test_the_server_takes_every_option() -> None:
    """Device and threads are the server's own, given when it starts."""
    fields_ = JobRequest.model_fields
    for name, default in {**OPTIONS, "seed": RUNTIME["seed"]}.items():
        if name in ("quality", "generator"):  # options of the model
            assert name in OPTION_SPECS
        elif name != "category":  # of a mask in JSON, which the server does not take
            value = fields_[name].default
            assert (tuple(value) if isinstance(value, list) else value) == default


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"grow": "auto"},
        {"grow": 3, "invert": True, "fit_mask": True},
        {"from_alpha": True, "keep_palette": True},
        {"anchor": "top-left"},
        {"lines": ((1.0, 2.0, 30.0, 4.0),)},
        {"boxes": ((1, 2, 3, 4),), "polygons": ((0.0, 0.0, 9.0, 0.0, 9.0, 9.0),)},
    ],
)
def test_a_request_becomes_the_same_options(body: dict[str, Any]) -> None:
    assert JobRequest(**body).to_fill_options() == FillOptions(**body)


def test_the_page_grows_by_itself() -> None:
    """Its own default; elsewhere nothing grows unasked."""
    page = files("mendpix.server") / "page"
    assert 'id="grow-auto" type="checkbox" checked' in (page / "index.html").read_text("utf-8")
    order = (page / "fill-settings.js").read_text("utf-8")
    assert 'grow: input("grow-auto").checked ? "auto" : 0' in order
