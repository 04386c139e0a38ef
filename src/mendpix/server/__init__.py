"""The page and the HTTP API: brush out what you don't want, on your own machine.

Importing this package imports no web framework; ``serve`` does, and needs ``mendpix[serve]``.
"""

from collections.abc import Callable

from mendpix.errors import MendError
from mendpix.server.settings import Settings

__all__ = ["Settings", "serve"]


def serve(settings: Settings, told: Callable[[str], None] = lambda _: None) -> None:
    """Serve the page and the API until the process is told to stop.

    Args:
        told: called with the page's address.

    Raises:
        MendError: FastAPI is missing, settings are unsafe, or the address cannot be had.
    """
    try:
        from mendpix.server import runner
    except ModuleNotFoundError as missing:
        if missing.name not in ("fastapi", "uvicorn", "python_multipart", "pydantic", "starlette"):
            raise
        raise MendError(
            f"mendpix serve needs {missing.name}, which is not installed; "
            "run: pip install 'mendpix[serve]'"
        ) from None
    runner.serve(settings, told)
