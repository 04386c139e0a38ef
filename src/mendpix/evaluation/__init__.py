"""Evaluation: measures any filler the way papers do, under a frozen protocol.

Results and statistics can be read without torch; measuring needs it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mendpix.evaluation.results import Cost, MetricRow, Results, Sample, SetMetricRow

if TYPE_CHECKING:
    from mendpix.evaluation.api import evaluate
    from mendpix.evaluation.merging import join
    from mendpix.evaluation.reproduction import reproduce

_LAZY_MODULES = {"evaluate": "api", "join": "merging", "reproduce": "reproduction"}

__all__ = [
    "Cost",
    "MetricRow",
    "Results",
    "Sample",
    "SetMetricRow",
    "evaluate",
    "join",
    "reproduce",
]


def __getattr__(name: str) -> Any:
    """Import what needs torch on first use."""
    if name in _LAZY_MODULES:
        return getattr(import_module(f"{__name__}.{_LAZY_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
