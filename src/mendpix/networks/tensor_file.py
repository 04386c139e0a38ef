"""Writing safetensors files: the same bytes for the same tensors, and never half a file."""

import contextlib
import json
import secrets
import struct
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from mendpix.errors import WeightsError


def write(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors and metadata; a file already there is replaced when all is whole.

    Args:
        tensors: contiguous, on the CPU, none a part of another.

    Raises:
        WeightsError: the file cannot be written.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(dict(tensors), draft, None if metadata is None else dict(metadata))
        _sort_metadata(draft)
        draft.chmod(0o644)  # as other files are: it is written for the owner alone
        draft.replace(path)
    except (OSError, SafetensorError) as problem:
        detail = getattr(problem, "strerror", None) or problem
        raise WeightsError(f"{path} cannot be written: {detail}") from None
    finally:
        with contextlib.suppress(OSError):  # such as a file where the folder belongs
            draft.unlink(missing_ok=True)


def _sort_metadata(path: Path) -> None:
    """Put the metadata in the order of their keys; the library's own order is a new one each time.

    The header is JSON behind its length (8 bytes, little-endian), padded with spaces. Sorting
    leaves its length, and so the places of the tensors behind it, as they are.
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
