"""The ranges of networks' options, checked where a recipe or a card gives them."""

from typing import Annotated

from pydantic import Field

Channels = Annotated[int, Field(strict=True, ge=1, le=4096)]
"""Channels of a first layer; deeper ones have up to 16 times as many."""
Units = Annotated[int, Field(strict=True, ge=1, le=65536)]
"""Units of a bottleneck."""
Overlap = Annotated[int, Field(strict=True, ge=0, le=31)]
"""Pixels of the frame around a predicted square of 64 that stay known."""
Side = Annotated[int, Field(strict=True, ge=16, le=8192)]
"""Side of the pictures in pixels."""
Levels = Annotated[int, Field(strict=True, ge=1, le=12)]
"""How often a map is halved: a picture of 8192 pixels can be 12 times."""
Slope = Annotated[float, Field(strict=True, ge=0, le=1)]
"""Negative slope of a leaky ReLU."""
Dropout = Annotated[float, Field(strict=True, ge=0, lt=1)]
"""Share of a layer's values that are set to 0 in training."""
Deviation = Annotated[float, Field(strict=True, ge=1e-3, le=1e3)]
"""Standard deviation, and likewise the scale, of a colour."""
Share = Annotated[float, Field(strict=True, ge=0, lt=1)]
"""Share of a patch."""
Sharpness = Annotated[float, Field(strict=True, gt=0, le=1e4)]
"""Inverse temperature of a softmax."""
Count = Annotated[int, Field(strict=True, ge=1, le=10**6)]
"""How many of something are taken at once."""
Blocks = Annotated[int, Field(strict=True, ge=0, le=64)]
"""Blocks in a row."""
Shrink = Annotated[int, Field(strict=True, ge=1, le=64)]
"""Factor by which a picture is averaged down."""
Mean = Annotated[float, Field(strict=True, ge=-1e3, le=1e3)]
"""Mean of a colour."""
Names = Annotated[tuple[str, ...], Field(min_length=1)]
"""One name or more."""
