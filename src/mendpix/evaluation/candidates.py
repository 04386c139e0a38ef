"""Candidates of an evaluation: fillers by name, file or run folder, and other tools' pictures."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from mendpix import __version__
from mendpix.errors import MendError, WeightsError
from mendpix.evaluation.preparation import hash_file
from mendpix.evaluation.results import HOLE, TRUTH
from mendpix.inpainting import registry
from mendpix.io import pairing
from mendpix.weights import cards

_NAME_AND_SPEC = re.compile(r"(?P<name>\w[\w.+-]*)=(?P<spec>.+)", re.DOTALL)

BUNDLED = "mender"
"""The network that ``auto`` works with; new weights make it another filler."""

_NOT_IN_RESULTS = ("name", "trust", "filler")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One column of the comparison.

    Attributes:
        name: in the results.
        kind: ``"filler"``, or ``"folder"`` of pictures that were made elsewhere.
        spec: what :func:`mendpix.load` takes, or the folder.
        seed, device, threads: of a filler.
        sha256: of its file, "" where it has none; for ``auto``, of the network bundled with it.
        generator: name and sha256 of the one in ``auto``; empty where it is told to have none.
        card: what its file says of itself.
        version: of mendpix, for fillers that are part of it.
        trust: run a file that is a program; never taken from a manifest.
        filler: the filler itself where it is loaded already; None for a folder.
    """

    name: str
    kind: Literal["filler", "folder"]
    spec: str
    seed: int = 0
    device: str = "auto"
    threads: int = 1
    sha256: str = ""
    generator: dict[str, str] = field(default_factory=dict)
    card: dict[str, Any] = field(default_factory=dict)
    version: str = ""
    trust: bool = False
    filler: registry.CheckedFiller | None = field(default=None, repr=False, compare=False)

    def identity(self) -> dict[str, Any]:
        """What decides its fills."""
        keys = ("kind", "seed", "device", "sha256", "version")
        spec = {} if self.sha256 and not self.version else {"spec": self.spec}
        parts = {"generator": self.generator} if self.generator else {}
        return {key: getattr(self, key) for key in keys} | spec | parts

    def as_dict(self) -> dict[str, Any]:
        """For the results, which hold the name as its key."""
        names = [field.name for field in fields(self) if field.name not in _NOT_IN_RESULTS]
        return {name: getattr(self, name) for name in names}

    def load(self) -> registry.CheckedFiller:
        """The filler, loaded unless it is at hand.

        Raises:
            MendError: it cannot be loaded, says why.
        """
        if self.filler is not None:
            return self.filler
        model, options = _split_generator(self.spec)
        filler = registry.load(
            model,
            seed=self.seed,
            device=self.device,
            threads=self.threads,
            trust=self.trust,
            **options,
        )
        if self.generator and describe_generator(filler) != self.generator:
            raise WeightsError(
                f"{self.name} was measured with the generator {self.generator}, but here it is "
                f"{describe_generator(filler) or 'none'}; fetch the same file"
            )
        return filler

    def pictures(self) -> Mapping[str, Path]:
        """The pictures of a folder, by stem.

        Raises:
            MendError: there are none.
        """
        return pairing.by_stem(Path(self.spec))


def load_candidates(
    models: Sequence[str],
    folders: Sequence[str] = (),
    *,
    seed: int = 0,
    device: str = "auto",
    threads: int = 1,
    trust: bool = False,
    keep_loaded: bool = True,
) -> list[Candidate]:
    """The candidates of an evaluation; each filler is loaded, to see that it can be.

    Args:
        models: what :func:`mendpix.load` takes (``auto`` has no generator here, ``auto+NAME`` the
            one that is named), or ``NAME=`` and that; without a name, a file or
            folder is called by its stem.
        folders: pictures made elsewhere, named likewise.
        keep_loaded: the candidates hold their fillers; else whoever fills loads them again, as
            worker processes must.

    Raises:
        MendError: something that cannot be loaded, or two of one name.
    """
    candidates = [_load_filler(text, seed, device, threads, trust) for text in models]
    if not keep_loaded:
        candidates = [replace(candidate, filler=None) for candidate in candidates]
    candidates += [_open_folder(text) for text in folders]
    names = [candidate.name for candidate in candidates]
    for name in names:
        if names.count(name) > 1:
            raise MendError(f"two models are called {name}; name one by NAME=MODEL")
        if name in (TRUTH, HOLE):
            raise MendError(f"no model can be called {name}; name it by NAME=MODEL")
    return candidates


def _split_name(text: str) -> tuple[str, str]:
    """Name and spec; the text itself may hold ``=`` where it is a path that exists."""
    match = _NAME_AND_SPEC.fullmatch(text)
    if match is None or Path(text).exists():
        known = _split_generator(text)[0] in registry.BUILT_IN
        return (text if known else Path(text).stem or text), text
    return match["name"], match["spec"]


def _split_generator(spec: str) -> tuple[str, dict[str, str]]:
    """The model that a spec means, and its options: a generator is always named, never found."""
    if spec == "auto":
        return spec, {"generator": "none"}
    model, plus, generator = spec.partition("+")
    if model == "auto" and plus:
        return model, {"generator": generator}
    return spec, {}


def describe_generator(filler: registry.CheckedFiller) -> dict[str, str]:
    """Name and hash of the generator inside a filler; empty where it has none."""
    generator = getattr(filler.inner, "generator", None)
    return {} if generator is None else dict(generator.as_dict())


def _load_filler(text: str, seed: int, device: str, threads: int, trust: bool) -> Candidate:
    name, spec = _split_name(text)
    model = _split_generator(spec)[0]
    built_in = model in registry.BUILT_IN
    device = "cpu" if built_in else device
    candidate = Candidate(name, "filler", spec, seed, device, threads, trust=trust)
    filler = candidate.load()
    card = filler.card
    sha256 = _hash_weights(BUNDLED if model == "auto" else spec) or str(card.get("sha256", ""))
    version = __version__ if built_in or not sha256 else ""
    candidate = replace(candidate, version=version, filler=filler, card=card, sha256=sha256)
    return replace(candidate, generator=describe_generator(filler))


def _hash_weights(spec: str) -> str:
    try:
        return hash_file(cards.resolve(spec))
    except WeightsError:
        return ""


def _open_folder(text: str) -> Candidate:
    name, spec = _split_name(text)
    if not Path(spec).is_dir():
        raise MendError(f"{spec} is no folder of pictures; check the path")
    candidate = Candidate(name, "folder", spec, device="", threads=0)
    candidate.pictures()  # raises where there are none
    return candidate
