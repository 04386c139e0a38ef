"""Docstrings of the learning side: each public thing says shapes, errors and its source."""

import ast
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from mendpix.losses import LOSSES
from mendpix.networks import DISCRIMINATORS, NETWORKS

PACKAGES = ("losses", "networks", "metrics", "masks.generate", "training")
PUBLIC = [
    (f"mendpix.{package}", name)
    for package in PACKAGES
    for name in importlib.import_module(f"mendpix.{package}").__all__
]
BLOCKS = sorted({*LOSSES.values(), *NETWORKS.values(), *DISCRIMINATORS.values()}, key=str)


def find(package: str, name: str) -> Any:
    return getattr(importlib.import_module(package), name)


def read_docs(thing: type) -> str:
    """A class's docstring and those of the classes it inherits from, ours alone."""
    ours = [base for base in thing.__mro__ if base.__module__.startswith("mendpix")]
    return "\n".join(inspect.cleandoc(base.__doc__ or "") for base in ours)


def list_raised(thing: Any) -> Iterator[str]:
    """The names of the errors that a function, or a class's constructor, itself raises."""
    source = thing.__init__ if inspect.isclass(thing) else thing
    if not inspect.isfunction(source) or not Path(source.__code__.co_filename).is_file():
        return  # a dataclass's constructor is made
    if not source.__module__.startswith("mendpix"):
        return
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(source)))):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield ast.unparse(node.exc.func)


@pytest.mark.parametrize(("package", "name"), PUBLIC)
def test_public_things_have_docstrings_with_their_errors(package: str, name: str) -> None:
    thing = find(package, name)
    if not (inspect.isclass(thing) or inspect.isfunction(thing)):
        return
    docs = inspect.cleandoc(thing.__doc__ or "")
    assert len(docs.split()) >= 4, f"{package}.{name} has no docstring"
    known = read_docs(thing) if inspect.isclass(thing) else docs
    for error in set(list_raised(thing)):
        assert "Raises:" in known and error in known, f"{package}.{name} raises {error}"


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.__name__)
def test_blocks_say_their_shapes_and_their_source(block: type[nn.Module]) -> None:
    docs = read_docs(block)
    assert "Shape:" in docs, f"{block.__name__} says no shapes"
    assert "https://" in docs or "This project's own" in docs, f"{block.__name__} names no source"


@pytest.mark.parametrize(("package", "name"), PUBLIC)
def test_layers_and_metrics_say_their_shapes(package: str, name: str) -> None:
    thing = find(package, name)
    is_module = inspect.isclass(thing) and issubclass(thing, nn.Module)
    if package in ("mendpix.networks", "mendpix.metrics") and is_module:
        assert "Shape:" in read_docs(thing), f"{package}.{name} says no shapes"
