"""Synthetic holes to train and test on, each a pure function of (seed, index).

``draw("lama-thick", 256, seed=1, index=7)`` is a hole ``(256, 256)``, True = missing, and always
the same one. :data:`GENERATORS` holds every kind with its options; any of them can be changed,
generators of one's own are drawn in the same way, and :func:`mix` draws now this, now that.
"""

from mendpix.masks.generate.base import Generator
from mendpix.masks.generate.contact_sheets import DrawnMasks, arrange_sheet, draw_folder
from mendpix.masks.generate.kinds import GENERATORS, Mixture, choose, draw, mix

__all__ = [
    "GENERATORS",
    "DrawnMasks",
    "Generator",
    "Mixture",
    "arrange_sheet",
    "choose",
    "draw",
    "draw_folder",
    "mix",
]
