"""Evaluation protocols: named, versioned settings of how pictures are prepared and measured.

A protocol is data. Two evaluations whose protocols are equal can be compared; a protocol whose
settings change gets a new version, and the tests hold every one of them to its hash. Where a
paper does not say how something was done, the choice is this project's, and ``note`` says so.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from mendpix.errors import MendError, did_you_mean
from mendpix.evaluation.metric_table import METRICS

Kernel = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]
"""Pillow's resampling filters by name; those but nearest look at all pixels they make one of."""

Buckets = Literal["", "sixths", "tenths", "kind"]


@dataclass(frozen=True, slots=True)
class HoleKind:
    """A kind of synthetic hole: a generator of :mod:`mendpix.masks.generate` and its options."""

    label: str
    generator: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EvaluationProtocol:
    """One way to prepare, fill and measure pictures.

    Attributes:
        name, size: what it is chosen by; the side in pixels at which pictures are measured.
        version: goes up when any other setting changes.
        about: whose protocol it is.
        note: where it is this project's choice, or cannot be the paper's.
        kernel: with which the photo's short side is resized; nothing is resized to the size it
            has. A square is then cut from the middle.
        shrink: how many pixels of a side make one, after that: photo values are their mean,
            rounded half up, and a pixel is missing where any of them is.
        kinds: what holes are drawn from where no masks are given.
        draw: ``"each"``: every photo with every kind; ``"turn"``: the kinds in turn, by the
            photo's place among the sorted names.
        meet: what a hole is drawn again for, the next kind each time: ``"bucket"``: until it
            falls into bucket ``index mod 6``; ``"border"``: that, and in groups of six it touches
            the border, or keeps ``frame`` (a share of the side) free of it, in turn.
        seed: of the holes.
        buckets: ``"sixths"``: the six of :data:`mendpix.masks.holes.BUCKETS`; ``"tenths"``: ten
            equal ones of all ratios; ``"kind"``: the kind of hole (tenths for masks from files).
        borders: buckets are told apart by whether the hole touches the picture's border.
        composite: known pixels are the photo's own before measuring.
        bits: how values become 8 bits: ``"round"`` or ``"truncate"``.
        metrics: what is measured, in the order of the tables, by the names of
            :data:`~mendpix.evaluation.metric_table.METRICS`.
    """

    name: str
    size: int
    about: str
    kinds: tuple[HoleKind, ...]
    metrics: tuple[str, ...]
    version: int = 1
    note: str = ""
    kernel: Kernel = "lanczos"
    shrink: int = 1
    draw: Literal["each", "turn"] = "turn"
    meet: Literal["", "bucket", "border"] = ""
    frame: float = 0.0
    seed: int = 0
    buckets: Buckets = "sixths"
    borders: bool = False
    composite: Literal[True] = True
    bits: Literal["round", "truncate"] = "round"

    def as_dict(self) -> dict[str, Any]:
        """Every setting, as JSON holds it."""
        return {
            **asdict(self),
            "kinds": [asdict(kind) for kind in self.kinds],
            "metrics": [*self.metrics],
        }


THIN = HoleKind("thin", "lama-thin")
MEDIUM = HoleKind("medium", "lama-medium")
THICK = HoleKind("thick", "lama-thick")
COMOD = HoleKind("comod", "comod")
CENTRE = HoleKind("centre", "centre")

OWN = EvaluationProtocol(
    name="own",
    size=512,
    about="this project's own",
    kinds=(THIN, MEDIUM, THICK, COMOD),
    meet="bucket",
    metrics=("l1", "l2", "psnr", "ssim", "ms-ssim", "lpips-alex"),
)

PARTIAL_CONV = EvaluationProtocol(
    name="partial-conv",
    size=512,
    about="Liu et al. 2018, https://arxiv.org/abs/1804.07723",
    note=(
        "The paper's tables are of the NVIDIA test masks: give them with a manifest.csv. Holes "
        "drawn instead have its buckets and borders only."
    ),
    kinds=(COMOD,),
    meet="border",
    frame=50 / 512,
    borders=True,
    metrics=("l1", "psnr", "ssim"),
)

LAMA = EvaluationProtocol(
    name="lama",
    size=512,
    about="Suvorov et al. 2022, https://arxiv.org/abs/2109.07161",
    note="Strokes and boxes grow with the side from the sizes known for 256 pixels.",
    kinds=(THIN, MEDIUM, THICK),
    draw="each",
    buckets="kind",
    metrics=("lpips-alex", "ssim-padded", "fid-pytorch"),
)

MAT = EvaluationProtocol(
    name="mat",
    size=512,
    about="Li et al. 2022, https://arxiv.org/abs/2203.15270",
    note=(
        "The release measures with files of masks: give them where its figures are compared. "
        "Drawn holes: small is up to 40 % of the picture, large is more."
    ),
    kinds=(
        HoleKind("small", "mat", {"area": [0.0, 0.4]}),
        HoleKind("large", "mat", {"area": [0.4, 1.0]}),
    ),
    draw="each",
    buckets="kind",
    metrics=("l1", "psnr", "ssim", "lpips-alex", "fid-stylegan", "p-ids", "u-ids"),
)

PROTOCOLS: tuple[EvaluationProtocol, ...] = (
    OWN,
    replace(OWN, size=256, shrink=2),
    PARTIAL_CONV,
    replace(PARTIAL_CONV, size=256),
    EvaluationProtocol(
        name="context-encoder",
        size=128,
        about="Pathak et al. 2016, https://arxiv.org/abs/1604.07379",
        note="The whole square of 64 pixels is missing and measured, without an overlap.",
        kernel="bilinear",
        kinds=(CENTRE,),
        buckets="",
        metrics=("l1-hole", "l2-hole", "psnr-hole"),
    ),
    EvaluationProtocol(
        name="crfill",
        size=256,
        about="Zeng et al. 2021, https://arxiv.org/abs/2011.12836",
        note="The release's validation: the square of 128 pixels, values cut off to 8 bits.",
        kernel="bilinear",
        kinds=(CENTRE,),
        buckets="",
        bits="truncate",
        metrics=("l1", "ssim", "psnr-crfill"),
    ),
    LAMA,
    replace(LAMA, size=256),
    MAT,
    replace(MAT, size=256),
)
"""All of them; the first of a name is the one that the name alone means."""


def protocol_names() -> list[str]:
    """The names of the protocols, each once."""
    return list(dict.fromkeys(protocol.name for protocol in PROTOCOLS))


def choose(
    name: str,
    size: int | None = None,
    metrics: Sequence[str] = (),
    also: Sequence[str] = (),
) -> EvaluationProtocol:
    """A protocol by name.

    Args:
        size: in pixels, where the protocol has several; None: its first.
        metrics: instead of its own.
        also: beside them.

    Raises:
        MendError: an unknown name, size or metric.
    """
    of_name = [protocol for protocol in PROTOCOLS if protocol.name == name]
    if not of_name:
        raise MendError(f"there is no protocol {name!r}; {did_you_mean(name, protocol_names())}")
    of_size = [protocol for protocol in of_name if size in (None, protocol.size)]
    if not of_size:
        sizes = " or ".join(str(protocol.size) for protocol in of_name)
        raise MendError(f"protocol {name} measures at {sizes} pixels, not at {size}")
    wanted = [*(metrics or of_size[0].metrics), *also]
    for metric in wanted:
        if metric not in METRICS:
            raise MendError(f"there is no metric {metric!r}; {did_you_mean(metric, METRICS)}")
    return replace(of_size[0], metrics=tuple(name for name in METRICS if name in wanted))


def restore(settings: dict[str, Any]) -> EvaluationProtocol:
    """The protocol of a manifest, if it is still one of ours.

    Raises:
        MendError: it is not; says which settings differ.
    """
    name, size = str(settings.get("name")), settings.get("size")
    protocol = choose(name, size, settings.get("metrics", ()))
    changes = list_differences(protocol.as_dict(), settings)
    if changes:
        raise MendError(f"protocol {protocol.name} is another one by now: {'; '.join(changes)}")
    return protocol


def list_differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """How two protocols differ, setting by setting; what is measured does not count."""
    keys = [key for key in {**one, **other} if key != "metrics"]
    return [
        f"{key} is {_format_setting(one.get(key))} and {_format_setting(other.get(key))}"
        for key in keys
        if one.get(key) != other.get(key)
    ]


def _format_setting(value: Any) -> str:
    if isinstance(value, list):
        labels = [one.get("label", one) if isinstance(one, dict) else one for one in value]
        return "[" + ", ".join(map(str, labels)) + "]"
    return repr(value)
