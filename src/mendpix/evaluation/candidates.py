"""What is measured: fillers by name, file or run folder, and pictures that other tools made."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from mendpix import __version__
from mendpix.errors import MendError, WeightsError
from mendpix.evaluation.preparation import file_hash
from mendpix.evaluation.results import HOLE, TRUTH
from mendpix.inpainting import registry
from mendpix.io import pairing
from mendpix.weights import cards

_NAMED = re.compile(r"(?P<name>\w[\w.+-]*)=(?P<spec>.+)", re.DOTALL)

BUNDLED = "mender"
"""The network that ``auto`` works with; new weights make it another filler."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One column of the comparison.

    Attributes:
        name: in the results.
        kind: ``"filler"``, or ``"folder"`` of pictures that were made elsewhere.
        spec: what :func:`mendpix.load` takes, or the folder.
        seed, device, threads: of a filler.
        sha256: of its file, "" where it has none; for ``auto``, of the network bundled with it.
        card: what its file says of itself.
        version: of mendpix, for fillers that are part of it.
        trust: run a file that is a program; never taken from a manifest.
    """

    name: str
    kind: Literal["filler", "folder"]
    spec: str
    seed: int = 0
    device: str = "auto"
    threads: int = 1
    sha256: str = ""
    card: dict[str, Any] = field(default_factory=dict)
    version: str = ""
    trust: bool = False

    def identity(self) -> dict[str, Any]:
        """What decides its fills."""
        kept = ("kind", "seed", "device", "sha256", "version")
        spec = {} if self.sha256 and not self.version else {"spec": self.spec}
        return {key: getattr(self, key) for key in kept} | spec

    def as_dict(self) -> dict[str, Any]:
        """For the results, which hold the name as its key."""
        return {key: value for key, value in asdict(self).items() if key not in ("name", "trust")}

    def load(self) -> registry.CheckedFiller:
        """The filler.

        Raises:
            MendError: it cannot be loaded, says why.
        """
        return registry.load(
            self.spec,
            seed=self.seed,
            device=self.device,
            threads=self.threads,
            trust=self.trust,
        )

    def made(self) -> Mapping[str, Path]:
        """The pictures of a folder, by stem.

        Raises:
            MendError: there are none.
        """
        return pairing.by_stem(Path(self.spec))


def enter(
    wanted: Sequence[str],
    folders: Sequence[str] = (),
    *,
    seed: int = 0,
    device: str = "auto",
    threads: int = 1,
    trust: bool = False,
) -> list[Candidate]:
    """The entrants of an evaluation, each loaded once to see that it can be.

    Args:
        wanted: what :func:`mendpix.load` takes, or ``NAME=`` and that; without a name, a file or
            folder is called by its stem.
        folders: pictures made elsewhere, named likewise.

    Raises:
        MendError: something that cannot be loaded, or two of one name.
    """
    found = [_filler(text, seed, device, threads, trust) for text in wanted]
    found += [_folder(text) for text in folders]
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            raise MendError(f"two models are called {name}; name one by NAME=MODEL")
        if name in (TRUTH, HOLE):
            raise MendError(f"no model can be called {name}; name it by NAME=MODEL")
    return found


def _split(text: str) -> tuple[str, str]:
    """Name and spec; the text itself may hold ``=`` where it is a path that exists."""
    named = _NAMED.fullmatch(text)
    if named is None or Path(text).exists():
        return (text if text in registry.BUILT_IN else Path(text).stem or text), text
    return named["name"], named["spec"]


def _filler(text: str, seed: int, device: str, threads: int, trust: bool) -> Candidate:
    name, spec = _split(text)
    built_in = spec in registry.BUILT_IN
    device = "cpu" if built_in else device
    entrant = Candidate(name, "filler", spec, seed, device, threads, trust=trust)
    card = entrant.load().card
    sha256 = _file_hash(BUNDLED if spec == "auto" else spec) or str(card.get("sha256", ""))
    version = __version__ if built_in or not sha256 else ""
    return replace(entrant, card=card, sha256=sha256, version=version)


def _file_hash(spec: str) -> str:
    try:
        return file_hash(cards.resolve(spec))
    except WeightsError:
        return ""


def _folder(text: str) -> Candidate:
    name, spec = _split(text)
    if not Path(spec).is_dir():
        raise MendError(f"{spec} is no folder of pictures; check the path")
    entrant = Candidate(name, "folder", spec, device="", threads=0)
    entrant.made()
    return entrant
