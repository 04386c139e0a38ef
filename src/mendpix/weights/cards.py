"""Weights files by name, and the cards inside them. Reads headers only, and never needs torch.

A card is the JSON table by which a weights file describes itself: in the metadata of a safetensors
file's header, or of an ONNX model.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from mendpix.errors import WeightsError
from mendpix.io.paths import expand_home
from mendpix.weights.onnx_metadata import read_metadata
from mendpix.weights.safetensors_header import check_header, iterate_tensors

CARD = "mendpix"
"""The key of the safetensors header's metadata under which the card lies, as JSON."""

SUFFIXES = (".safetensors", ".onnx", ".pth", ".pt", ".ckpt")

RELEASED = ("best.safetensors", "last.safetensors")
"""What is taken from a run folder, the first there is."""

TENSORS = "tensors"
"""The key of an ONNX file's card for the safetensors file beside it that holds its tensors and the
rest of its card: a table of its name (``file``), size (``bytes``), and tensors' ``sha256``."""


def resolve(name: str | Path) -> Path:
    """The weights file that a name stands for: a file, a run folder's best or last, or "mender".

    Raises:
        WeightsError: there is none; says what is there instead.
    """
    path = expand_home(name)
    if path.is_dir():
        return _pick_from_run(path)
    if path.is_file():
        return path
    own = BUNDLED / f"{name}.safetensors"
    if path.name == str(name) and own.is_file():
        return own
    raise WeightsError(f"{name} is neither a weights file nor a run folder{_suggest(path)}")


def _pick_from_run(folder: Path) -> Path:
    for name in RELEASED:
        if (folder / name).is_file():
            return folder / name
    files = _list_weights(folder)
    content = (
        f"it holds {', '.join(files[:5])}; name one of them" if files else "it holds no weights"
    )
    raise WeightsError(f"{folder} has neither {' nor '.join(RELEASED)}: {content}")


def _list_weights(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.suffix in SUFFIXES)


def _suggest(path: Path) -> str:
    folder = path.parent
    files = _list_weights(folder) if folder.is_dir() else []
    close = get_close_matches(path.name, files, n=1) or files[:1]
    return f"; did you mean {folder / close[0]}?" if close else "; check the path"


def read_card(path: str | Path) -> dict[str, Any]:
    """What a weights file of ours says of itself: network, options, recipe, data, version, hash.

    Raises:
        WeightsError: not readable, damaged, or without a card.
    """
    path = Path(path)
    with _catch_errors(path):
        if path.suffix == ".onnx":
            metadata = read_metadata(path)
        else:
            check_header(path)
            with safe_open(path, framework="numpy") as file:
                metadata = file.metadata() or {}
    if CARD not in metadata:
        raise WeightsError(f"{path} holds no card; 'mendpix convert' writes it with one")
    try:
        card = json.loads(metadata[CARD])
    except (ValueError, RecursionError):
        raise WeightsError(
            f"{path} holds a card that is no JSON; convert the source again"
        ) from None
    if not isinstance(card, dict):
        raise WeightsError(f"{path} holds a card that is no table; convert the source again")
    return _complete(card, path) if TENSORS in card and path.suffix == ".onnx" else card


def _complete(card: dict[str, Any], path: Path) -> dict[str, Any]:
    """The card of an ONNX file, with that of the file beside it that holds its tensors."""
    tensors = card.pop(TENSORS)
    name = str(tensors.get("file")) if isinstance(tensors, dict) else ""
    if Path(name).name != name or not name.endswith(".safetensors"):
        raise WeightsError(f"{path} names {name!r} as its tensors; it must be a file beside it")
    beside = path.with_name(name)
    rest = read_card(beside)
    if (beside.stat().st_size, rest.get("sha256")) != (tensors.get("bytes"), tensors.get("sha256")):
        raise WeightsError(
            f"{path} was made for other tensors than {beside} holds; export it again"
        )
    return rest | card


def verify(path: str | Path) -> str:
    """The hash of a file's tensors, which must be the one on its card; returned in hex.

    Raises:
        WeightsError: they differ, or the file is damaged.
    """
    path = Path(path)
    expected = read_card(path).get("sha256")
    with _catch_errors(path):
        actual = hash_tensors(iterate_tensors(path))
    if actual != expected:
        raise WeightsError(
            f"{path} holds tensors with sha256 {actual[:12]}... but its card says "
            f"{str(expected)[:12]}...; fetch or export it again"
        )
    return actual


def hash_tensors(tensors: Iterable[tuple[str, Sequence[int], Iterable[bytes | memoryview]]]) -> str:
    """The sha256, in hex, of tensors: names, shapes and bytes, in the order of their names.

    Args:
        tensors: name, shape, and the little-endian bytes in pieces.
    """
    whole = hashlib.sha256()
    for name, shape, chunks in sorted(tensors, key=lambda item: item[0]):
        whole.update(f"{name} {list(shape)}\n".encode())
        for chunk in chunks:
            whole.update(chunk)
    return whole.hexdigest()


@contextmanager
def _catch_errors(path: Path) -> Iterator[None]:
    """Answer what reading a file can raise with one line."""
    try:
        yield
    except FileNotFoundError:
        raise WeightsError(f"{path} does not exist{_suggest(path)}") from None
    except OSError as problem:
        raise WeightsError(f"{path} cannot be read: {problem.strerror or problem}") from None
    except SafetensorError as problem:
        if "not fully covered" in str(problem):
            raise WeightsError(
                f"{path} is cut short, or longer than its tensors; fetch it again"
            ) from None
        raise WeightsError(f"{path} is not a safetensors file, or its header is damaged") from None


BUNDLED = Path(__file__).with_name("bundled")
"""The folder of networks that come with the package."""


def list_bundled() -> dict[str, Path]:
    """The exported networks that come with the package, by name."""
    return {path.stem: path for path in sorted(BUNDLED.glob("*.onnx"))}


def find_runs(folder: Path) -> list[Path]:
    """The run folders in a folder, at most two levels down, that hold weights to fill with."""
    files = (
        path for name in RELEASED for deep in ("*/", "*/*/") for path in folder.glob(deep + name)
    )
    return sorted({path.parent for path in files})
