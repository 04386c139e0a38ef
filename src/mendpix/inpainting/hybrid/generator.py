"""The generator that may fill holes before PatchMatch: which file it is, chosen once a job.

A generator is a network that draws what is missing at a size of its own. None comes with this
package: it is one of the catalogue that has been fetched, a trained run, or an exported network.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mendpix.errors import MendError, WeightsError, did_you_mean
from mendpix.types import Hole, Photo, Progress
from mendpix.weights import catalogue

NONE = "none"
"""The choice of no generator."""


@dataclass(frozen=True, slots=True)
class GeneratorFile:
    """The file of a generator, and the hash by which another process knows that it has the same.

    Attributes:
        name: by which it was chosen.
        sha256: of the file, in hex.
    """

    name: str
    path: Path
    sha256: str

    @property
    def spec(self) -> str:
        """What chooses the same one again: its name in the catalogue, or where it lies."""
        return self.name if self.name in catalogue.CATALOGUE else str(self.path)

    def as_dict(self) -> dict[str, str]:
        """What is told of it: name and hash, no path of this machine."""
        return {"name": self.name, "sha256": self.sha256}

    def check(self) -> None:
        """Refuse to go on with another file than the one that was chosen.

        Raises:
            WeightsError: it is not there, or holds something else.
        """
        from mendpix.weights.download import hash_file

        found = hash_file(self.path) if self.path.is_file() else ""
        if found != self.sha256:
            state = f"has sha256 {found[:12]}... there" if found else "is not there"
            raise WeightsError(
                f"the generator {self.name} (sha256 {self.sha256[:12]}...) was chosen for this job "
                f"but {self.path} {state}; fetch the same file, or use --generator none"
            )


def choose_generator(choice: "str | Path | GeneratorFile | None") -> GeneratorFile | None:
    """The generator that a choice means now; None for none.

    Args:
        choice: "auto": the best of the catalogue that has been fetched; "none" or None; a name of
            the catalogue, an exported network, weights file or run folder; or a chosen one.

    Raises:
        MendError: no such name or file, or one that is no generator.
    """
    if choice is None or isinstance(choice, GeneratorFile):
        return choice
    name = str(choice)
    if name == "auto":
        name = catalogue.find_generator()
    return None if name in ("", NONE) else _find_generator(name)


def _find_generator(name: str) -> GeneratorFile:
    from mendpix.inpainting import registry
    from mendpix.weights import cards
    from mendpix.weights.download import hash_file

    entry = catalogue.CATALOGUE.get(name)
    if entry is not None and entry.program:
        raise MendError(f"{name} is a program (TorchScript), which is no generator; choose another")
    if name in registry.BUILT_IN:
        hint = did_you_mean(name, ("auto", NONE, *catalogue.CATALOGUE))
        raise MendError(f"{name} is a filler without a network, no generator; {hint}")
    path = cards.resolve(registry.find_file(name))
    return GeneratorFile(name, path.absolute(), hash_file(path))


class GeneratorNetwork:
    """A generator as a filler, opened in a thread of its own.

    A pickled copy opens the same file, and fails where that is not there.

    Args:
        device: "auto", "cpu", "cuda", ...; an ONNX file runs on the CPU where ONNX Runtime does
            not know the device.
        threads: None: one per processor.
    """

    def __init__(self, file: GeneratorFile, device: str = "auto", threads: int | None = None):
        self.file, self.device, self.threads = file, device, threads
        pool = ThreadPoolExecutor(1, "generator")
        self._opening: Future[Any] = pool.submit(_open, file, device, threads)
        pool.shutdown(wait=False)

    def __call__(self, photo: Photo, hole: Hole, progress: Progress | None = None) -> Photo:
        """Fill a photo ``(H, W, C)``; known pixels that are NaN are filled too.

        Raises:
            WeightsError: the file is not the one that was chosen.
        """
        filler = self._opening.result()
        filled: Photo = filler(photo, hole, progress)
        return filled

    def __reduce__(self) -> tuple[type["GeneratorNetwork"], tuple[Any, ...]]:
        return GeneratorNetwork, (self.file, self.device, self.threads)


def _open(file: GeneratorFile, device: str, threads: int | None) -> Any:
    from mendpix.inpainting import registry

    file.check()
    if file.path.suffix == ".onnx":
        from mendpix.inpainting.onnx.filler import runs_on

        device = device if runs_on(device) else "cpu"
    return registry.load(file.path, device=device, threads=threads)
