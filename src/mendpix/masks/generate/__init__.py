"""Synthetic holes to train and test on, each a pure function of (seed, index).

``draw("lama-thick", 256, seed=1, index=7)`` is a hole ``(256, 256)``, True = missing, and always
the same one. :data:`GENERATORS` holds every kind with its options; any of them can be changed,
generators of one's own are drawn in the same way, and :func:`mixture` draws now this, now that.
"""

from mendpix.masks.generate.base import Generator
from mendpix.masks.generate.contact_sheets import Drawn, draw_folder, sheet
from mendpix.masks.generate.kinds import GENERATORS, Mixture, chosen, draw, mixture
from mendpix.types import Hole

__all__ = [
    "GENERATORS",
    "Drawn",
    "Generator",
    "Hole",
    "Mixture",
    "chosen",
    "draw",
    "draw_folder",
    "mixture",
    "sheet",
]
