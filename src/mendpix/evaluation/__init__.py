"""Evaluation: any filler measured the way papers do, with how it was measured frozen.

The results and the statistics of an evaluation can be read without torch; measuring needs it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mendpix.evaluation.results import Cost, Results, Row, Sample, SetRow

if TYPE_CHECKING:
    from mendpix.evaluation.api import evaluate
    from mendpix.evaluation.merging import join
    from mendpix.evaluation.reproduce import repeat

_HOMES = {"evaluate": "api", "join": "merging", "repeat": "reproduce"}

__all__ = ["Cost", "Results", "Row", "Sample", "SetRow", "evaluate", "join", "repeat"]


def __getattr__(name: str) -> Any:
    """Load what needs torch on first use."""
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
