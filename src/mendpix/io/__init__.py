"""Picture files to pictures and back; ``read``, ``write``, ``Picture`` are imported on use."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mendpix.io.files import read, write
    from mendpix.io.picture import Picture

__all__ = ["Picture", "read", "write"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mendpix.io import files

    return getattr(files, name)
