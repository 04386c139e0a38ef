"""Compiled loops from a folder that is only read, as in a container with a read-only file system.

Numba itself takes only folders that it can write to, and would compile anew at every start. With
``NUMBA_CACHE_DIR`` naming the folder and
``NUMBA_CACHE_LOCATOR_CLASSES=mendpix.inpainting.patchmatch.read_only_cache.ReadOnly`` it takes
what lies there.
"""

from pathlib import Path

from numba.core.caching import UserProvidedCacheLocator


class ReadOnly(UserProvidedCacheLocator):  # type: ignore[misc] # Numba has no types
    """Where Numba finds what was compiled before."""

    def ensure_cache_path(self) -> None:
        """Numba's question whether the folder may be used: it is there, which is enough.

        Raises:
            FileNotFoundError: it is not.
        """
        path = Path(self.get_cache_path())
        if not path.is_dir():
            raise FileNotFoundError(path)
