"""What a PatchMatch fill can be told."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """How hard to try; the defaults are what docs/patchmatch.md measures.

    Attributes:
        radius: of the square patches; 3 means 7x7 pixels.
        texture: weight of the two texture channels beside the colours; 0 leaves them out.
        rounds: searches and votes at each coarser size.
        last_rounds: the same at full size.
        sweeps: passes over all patches per search.
        sharpness: how much more a better patch's vote counts.
        last_sharpness: the same for the last vote and the copy.
        falloff: what one more pixel from the rim divides a patch's trust by.
        known: share of a coarse pixel that must be known for it to count as known.
        peel_tries: random draws per radius while the coarsest size is filled from the rim.
        levels: sizes of the pyramid; 0 chooses by the hole's thickness.
        thick: pixels that the hole may be deep, rim to middle, at the coarsest size.
        fine_reach: largest radius of random search at the two finest sizes.
        guide_weight: weight of the guide's colours beside the picture's own.
        seam: pixels over which the copied pieces' brightness is evened out; 0 leaves it.
    """

    radius: int = 3
    texture: float = 6.0
    rounds: int = 8
    last_rounds: int = 3
    sweeps: int = 2
    sharpness: float = 1.0
    last_sharpness: float = 4.0
    falloff: float = 1.3
    known: float = 0.5
    peel_tries: int = 8
    levels: int = 0
    thick: float = 3.5
    fine_reach: int = 8
    guide_weight: float = 1.0
    seam: float = 2.0
