"""What a PatchMatch fill can be told."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """How hard to try; the defaults are what docs/patchmatch.md measures."""

    radius: int = 3
    texture: float = 6.0
    rounds: int = 8
    last_rounds: int = 3
    sweeps: int = 2
    sharpness: float = 1.0
    last_sharpness: float = 4.0
    falloff: float = 1.3
    known: float = 0.5
    enrich: bool = True
    peel_tries: int = 8
    levels: int = 0
    thick: float = 3.5
    guide_weight: float = 1.0
    final: str = "elect"
    fine_reach: int = 8
    mid_reach: int = 0
    seam: float = 0.0
    min_sources: int = 64
    near: float = 0.0
    spread_rounds: int = 8
