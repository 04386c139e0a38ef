"""A filler whose network is first fine-tuned on the very picture that it is to fill.

Holes are drawn into what is known of the picture and filled by PatchMatch; the network learns for
a while to correct those fills, whose truth is known, and then corrects the fill of the real hole as
it always does. The real hole is nowhere a source, and nothing in it is judged.
"""

from mendpix.adapting.filler import Adapting
from mendpix.adapting.learning import Course

__all__ = ["Adapting", "Course"]
