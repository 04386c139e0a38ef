"""The old place of :mod:`.released_formats`, for programs of version 0.1; it goes with 0.3."""

import warnings
from dataclasses import dataclass

from torch import nn

from mendpix.networks.released_formats import RELEASED_FORMATS, ReleasedFormat

warnings.warn(
    "mendpix.networks.adapters is now mendpix.networks.released_formats, and names() map_names()",
    DeprecationWarning,
    stacklevel=2,
)


@dataclass(frozen=True, slots=True)
class Adapter:
    """One format under its old name."""

    format: ReleasedFormat

    def names(self, network: nn.Module) -> dict[str, str]:
        """See :meth:`.ReleasedFormat.map_names`."""
        return self.format.map_names(network)


ADAPTERS = {name: Adapter(released) for name, released in RELEASED_FORMATS.items()}
