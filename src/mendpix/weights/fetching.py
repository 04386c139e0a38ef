"""Fetch, make and delete the files of the catalogue."""

import json
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mendpix.errors import DownloadError, MendError
from mendpix.io.atomic import atomic_write
from mendpix.weights import cards, download
from mendpix.weights.catalogue import (
    CatalogueEntry,
    GraphPart,
    find_entry,
    locate,
    make_card,
)

_CUTTING = ".cutting-"  # between the stem of a file and the random part of its work folder

Confirm = Callable[[str], bool]
"""Shown the sha256 of a file that nobody could hash before; True keeps the file."""


def get(
    name: str,
    *,
    sha256: str = "",
    source: Path | None = None,
    confirm: Confirm | None = None,
    progress: download.Progress | None = None,
) -> Path:
    """The file of an entry, fetched once, and made of the download where that is an archive.

    Args:
        sha256: the hash that the download must have, or its first digits, where the catalogue
            knows none.
        source: a file that was downloaded before, instead of fetching it.
        confirm: asked where neither knows it.
        progress: called with the bytes that are here and that there will be.

    Raises:
        DownloadError: no connection, another hash, a hash that nobody confirmed, or a folder
            that cannot be written.
        MendError: no such entry, or the package ``onnx`` is missing.
    """
    path, entry = locate(name), find_entry(name)
    if path.is_file():
        return path
    if entry.cut is not None:
        _import_onnx(name)  # before the download, not after it
    with _lock(path):
        if path.is_file():  # another process has fetched it meanwhile
            return path
        if source is not None:
            return _take(name, entry, path, source, sha256.lower())
        if not entry.sha256:
            return _fetch_unhashed(name, entry, path, sha256.lower(), confirm, progress)
        if entry.cut is None:
            return download.fetch(entry.url, path, entry.sha256, progress)
        archive = path.with_name(entry.url.rsplit("/", 1)[-1])
        download.fetch(entry.url, archive, entry.sha256, progress)
        _extract_part(name, entry.cut, archive, path)
        archive.unlink(missing_ok=True)
    return path


def remove(name: str) -> Path:
    """Delete the file of an entry that has been fetched, and what an interrupted get has left.

    Raises:
        MendError: no such entry, or nothing of it is here.
        DownloadError: it cannot be deleted.
    """
    path, entry = locate(name), find_entry(name)
    archive = entry.url.rsplit("/", 1)[-1]
    parts = [path, *(path.with_name(stem + ".part") for stem in (path.name, archive))]
    parts += [path.with_name(path.name + ".unconfirmed"), path.with_name(archive)]
    present = [part for part in parts if part.is_file()]
    if not present:
        raise MendError(f"{name} is not on this machine, so there is nothing to remove")
    with _lock(path):
        for part in present:
            part.unlink(missing_ok=True)
    return path


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Of two processes that get or remove one entry, the second waits for the first.

    Raises:
        DownloadError: the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with download.lock_part(path.with_name(path.name + ".lock")):
            for folder in path.parent.glob(f"{path.stem}{_CUTTING}*"):  # of one that was killed
                shutil.rmtree(folder, ignore_errors=True)
            yield
    except OSError as problem:
        raise DownloadError(
            f"{path} cannot be written: {problem.strerror or problem}; "
            f"make room, or name another folder in {download.HOME}"
        ) from None


def _take(name: str, entry: CatalogueEntry, path: Path, source: Path, sha256: str) -> Path:
    """Make an entry of a file that lies here, if its hash is the right one."""
    if not source.is_file():
        raise DownloadError(f"{source} is no file; name what {entry.url} gives")
    digest, expected = download.hash_file(source), entry.sha256 or sha256
    if not expected or not digest.startswith(expected):
        wanted = f"{expected[:12]}... was expected" if expected else "nothing was expected"
        raise DownloadError(
            f"{source} has sha256 {digest} but {wanted}; fetch {entry.url} again, "
            "or give the hash with --sha256 where the catalogue knows none"
        )
    if entry.cut is not None:
        _extract_part(name, entry.cut, source, path)
        return path
    with atomic_write(path) as part:
        shutil.copyfile(source, part)
    return path


def _fetch_unhashed(
    name: str,
    entry: CatalogueEntry,
    path: Path,
    sha256: str,
    confirm: Confirm | None,
    progress: download.Progress | None,
) -> Path:
    """Fetch what nobody has hashed; it takes its name only when somebody vouches for it."""
    draft = download.fetch(entry.url, path.with_name(f"{path.name}.unconfirmed"), "", progress)
    digest = download.hash_file(draft)
    if not sha256 and confirm is None:
        raise DownloadError(
            f"{entry.url} has sha256 {digest}, which could not be checked here; "
            f"if it is right, run: mendpix models get {name} --sha256 {digest}"
        )
    if sha256:
        reason = "" if digest.startswith(sha256) else f"is not {sha256}"
    else:
        reason = "" if confirm is not None and confirm(digest) else "was not confirmed"
    if reason:
        draft.unlink()
        raise DownloadError(f"{entry.url} was not kept: its sha256 {digest} {reason}")
    return draft.replace(path)


def _import_onnx(name: str) -> Any:
    try:
        import onnx.utils
    except ModuleNotFoundError as missing:
        if missing.name != "onnx":
            raise
        raise MendError(
            f"{name} is cut out of a larger file with the package onnx, which is not installed; "
            "run: pip install 'mendpix[models]'"
        ) from None
    return onnx


def _extract_part(name: str, cut: GraphPart, archive: Path, path: Path) -> None:
    """Write the part of a graph that an entry is, with its card; whole or not there at all."""
    onnx = _import_onnx(name)
    try:
        with (
            tempfile.TemporaryDirectory(dir=path.parent, prefix=path.stem + _CUTTING) as folder,
            atomic_write(path) as part,
        ):
            whole = Path(folder, "whole.onnx")
            _unpack(archive, cut.member, whole)
            onnx.utils.extract_model(str(whole), str(part), list(cut.inputs), list(cut.outputs))
            model = onnx.load(part)
            onnx.helper.set_model_props(model, {cards.CARD: json.dumps(make_card(name))})
            onnx.save(model, part)
    except (OSError, KeyError, tarfile.TarError) as problem:
        detail = getattr(problem, "strerror", None) or problem
        raise DownloadError(f"{path} cannot be made of {archive.name}: {detail}") from None


def _unpack(archive: Path, member: str, path: Path) -> None:
    with tarfile.open(archive) as packed:
        source = packed.extractfile(member)
        if source is None:
            raise KeyError(member)
        with source, path.open("wb") as file:
            shutil.copyfileobj(source, file)
