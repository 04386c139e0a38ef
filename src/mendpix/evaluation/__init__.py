"""Evaluation: any filler measured the way papers do, with how it was measured frozen."""

from mendpix.evaluation.results import Cost, Results, Row, SetRow, Shot

__all__ = ["Cost", "Results", "Row", "SetRow", "Shot"]
