"""Writing safetensors files: the same bytes for the same tensors, and never half a file."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from mendpix.errors import WeightsError
from mendpix.io.atomic import atomic_write


def write(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors and metadata; replaces a file only once the new one is complete.

    Args:
        tensors: contiguous, on the CPU, none a part of another.

    Raises:
        WeightsError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as draft:
            save_file(dict(tensors), draft, None if metadata is None else dict(metadata))
            _sort_metadata(draft)
    except (OSError, SafetensorError) as problem:
        detail = getattr(problem, "strerror", None) or problem
        raise WeightsError(f"{path} cannot be written: {detail}") from None


def _sort_metadata(path: Path) -> None:
    """Sort the metadata by key in place; the library writes them in random order.

    The header is JSON after its length (8 bytes, little-endian), padded with spaces. Sorting
    leaves its length as it is, and so the offsets of the tensors after it.
    """
    with path.open("r+b") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        if "__metadata__" in header:
            header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        if len(text) > length:
            raise SafetensorError(f"a header of {len(text)} bytes where {length} have place")
        file.seek(8)
        file.write(text.ljust(length))
