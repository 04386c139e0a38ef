"""HTTP API and web page for filling holes in pictures.

Importing this package imports no web framework; ``serve`` does, and needs ``mendpix[serve]``.
"""

from collections.abc import Callable

from mendpix.errors import MendError
from mendpix.server.settings import ServerSettings

__all__ = ["ServerSettings", "serve"]

EXTRA = (
    "fastapi",
    "prometheus_client",
    "pydantic",
    "python_multipart",
    "starlette",
    "uvicorn",
)
"""What ``mendpix[serve]`` installs."""


def serve(settings: ServerSettings, announce: Callable[[str], None] = lambda _: None) -> None:
    """Serve the page and the API until SIGINT or SIGTERM.

    Args:
        announce: called with the page's address once the server listens.

    Raises:
        MendError: a package of ``mendpix[serve]`` is missing, settings are unsafe, or the address
            is in use.
    """
    try:
        from mendpix.server import uvicorn_server
    except ModuleNotFoundError as missing:
        if missing.name not in EXTRA:
            raise
        raise MendError(
            f"mendpix serve needs {missing.name}, which is not installed; "
            "run: pip install 'mendpix[serve]'"
        ) from None
    uvicorn_server.serve(settings, announce)
