"""What a file says of its colours in numbers, and the ICC profile that says the same.

Numbers after ITU-T H.273 (code points of primaries and transfer), as AVIF (nclx) and PNG (cICP)
have them; PNG's gAMA and cHRM after https://www.w3.org/TR/png-3/; profiles after ICC.1:2022.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Chromaticities = tuple[float, float, float, float, float, float, float, float]
"""x and y of white, red, green, blue."""

_D65, _C = (0.3127, 0.3290), (0.310, 0.316)
_PRIMARIES: dict[int, tuple[str, Chromaticities]] = {
    1: ("BT.709", (*_D65, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060)),
    4: ("BT.470 M", (*_C, 0.670, 0.330, 0.210, 0.710, 0.140, 0.080)),
    5: ("BT.470 BG", (*_D65, 0.640, 0.330, 0.290, 0.600, 0.150, 0.060)),
    6: ("BT.601", (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070)),
    7: ("SMPTE 240M", (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070)),
    8: ("film", (*_C, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049)),
    9: ("BT.2020", (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046)),
    11: ("DCI-P3", (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)),
    12: ("Display P3", (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)),
    22: ("EBU 3213", (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077)),
}
# Curves as (gamma, a, b, c, d): (a v + b) ** gamma from d on, below it c v.
_BT709 = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
_CURVES: dict[int, tuple[str, tuple[float, float, float, float, float]]] = {
    1: ("BT.709", _BT709),
    4: ("gamma 2.2", (2.2, 1, 0, 0, 0)),
    5: ("gamma 2.8", (2.8, 1, 0, 0, 0)),
    6: ("BT.601", _BT709),
    7: ("SMPTE 240M", (1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115, 1 / 4, 0.0912)),
    8: ("linear light", (1, 1, 0, 0, 0)),
    11: ("xvYCC", _BT709),
    13: ("sRGB", (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)),
    14: ("BT.2020", _BT709),
    15: ("BT.2020", _BT709),
}
_PQ, _HLG, _SRGB, _UNKNOWN = 16, 18, 13, 2
_WHITE = 203.0  # cd/m2 of diffuse white in HDR, ITU-R BT.2408
_HLG_WHITE = 0.75  # the same as a share of HLG's signal
_STEPS = 4096  # of a curve that is a table
_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


@dataclass(frozen=True, slots=True)
class ColourDescription:
    """Code points of primaries and transfer (H.273), or chromaticities and an exponent.

    Attributes:
        gamma: that values are raised to; 0: the code point of the transfer says it.
        chromaticities: None: the code point of the primaries says them.
    """

    primaries: int = 1
    transfer: int = _SRGB
    gamma: float = 0.0
    chromaticities: Chromaticities | None = None

    @property
    def is_hdr(self) -> bool:
        """Whether it reaches beyond diffuse white."""
        return not self.gamma and self.transfer in (_PQ, _HLG)

    @property
    def has_code_points(self) -> bool:
        """Whether cICP and nclx can say it."""
        return not self.gamma and self.chromaticities is None

    def __str__(self) -> str:
        own = self.chromaticities is not None
        names = {_PQ: "PQ", _HLG: "HLG"} | {at: name for at, (name, _) in _CURVES.items()}
        curve = names.get(self.transfer, f"transfer {self.transfer}")
        if self.gamma:
            curve = "linear light" if self.gamma == 1 else f"gamma {self.gamma:.3g}"
        known = _PRIMARIES.get(self.primaries, (f"primaries {self.primaries}",))[0]
        return f"{'own primaries' if own else known}, {curve}"


def from_code_points(primaries: int, transfer: int) -> ColourDescription | None:
    """A description by code points; None where they mean sRGB, as no description does."""
    primaries = 1 if primaries == _UNKNOWN else primaries
    transfer = _SRGB if transfer == _UNKNOWN else transfer
    if (primaries, transfer) == (1, _SRGB):
        return None
    return ColourDescription(primaries, transfer)


def from_png_chunks(chunks: dict[bytes, bytes]) -> ColourDescription | None:
    """What PNG's chunks say, the strongest first: cICP, sRGB, then gAMA and cHRM."""
    if len(code := chunks.get(b"cICP", b"")) == 4:
        return from_code_points(code[0], code[1])
    if b"sRGB" in chunks:
        return None
    gamma = int.from_bytes(chunks.get(b"gAMA", b""), "big") / 100_000
    is_srgb = not gamma or 0.45 <= gamma <= 0.4555  # how sRGB is written by many
    own: Chromaticities | None = None
    if len(chunks.get(b"cHRM", b"")) == 32:
        values = tuple(value / 100_000 for value in struct.unpack(">8I", chunks[b"cHRM"]))
        if np.abs(np.subtract(values, _PRIMARIES[1][1])).max() > 0.002:
            own = (*values,)
    if is_srgb and own is None:
        return None
    return ColourDescription(gamma=0.0 if is_srgb else 1 / gamma, chromaticities=own)


def build_profile(colour: ColourDescription, channels: int) -> bytes | None:
    """An ICC profile for grey (1 channel) or RGB (3); None where no profile says the same.

    HDR becomes a curve up to diffuse white, with a tag that names the code points.
    """
    curve = _curve_tag(colour)
    points = colour.chromaticities or _PRIMARIES.get(colour.primaries, ("", None))[1]
    if curve is None or points is None or channels not in (1, 3):
        return None
    columns, adaptation = _adapt(points)
    tags = {
        b"desc": _text_tag(str(colour)),
        b"cprt": _text_tag("No copyright"),
        b"wtpt": _xyz_tag(_D50),
    }
    if channels == 1:
        tags[b"kTRC"] = curve
    else:
        names = (b"rXYZ", b"gXYZ", b"bXYZ")
        tags |= {name: _xyz_tag(column) for name, column in zip(names, columns.T, strict=True)}
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
        tags[b"chad"] = b"sf32\0\0\0\0" + _pack_fixed(adaptation.ravel())
    if colour.has_code_points and channels == 3:
        numbers = bytes([colour.primaries, colour.transfer, 0, 1])
        tags[b"cicp"] = b"cicp\0\0\0\0" + numbers
    return _join_tags(tags, b"GRAY" if channels == 1 else b"RGB ")


def _adapt(points: Chromaticities) -> tuple[Values, Values]:
    """XYZ of the primaries, one a column, for D50, and the matrix that adapts white to it."""
    xyz = [np.array([x / y, 1, (1 - x - y) / y]) for x, y in zip(*[iter(points)] * 2, strict=True)]
    white, primaries = xyz[0], np.stack(xyz[1:], axis=1)
    columns = primaries * np.linalg.solve(primaries, white)
    cones = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white))
    adaptation = np.linalg.inv(_BRADFORD) @ cones @ _BRADFORD
    return adaptation @ columns, adaptation


def _curve_tag(colour: ColourDescription) -> bytes | None:
    """From values to light: parameters, or a table for HDR, cut off at diffuse white."""
    if not colour.gamma and colour.transfer in _TABLES:
        light = _TABLES[colour.transfer](np.linspace(0, 1, _STEPS)).clip(0, 1)
        table: bytes = np.rint(light * 65535).astype(">u2").tobytes()
        return b"curv\0\0\0\0" + struct.pack(">I", _STEPS) + table
    if colour.gamma:
        return b"para\0\0\0\0\0\0\0\0" + _pack_fixed(np.array([colour.gamma]))
    if colour.transfer not in _CURVES:
        return None
    numbers = np.array(_CURVES[colour.transfer][1])
    return b"para\0\0\0\0\0\3\0\0" + _pack_fixed(numbers)


def _pq_to_light(signal: Values) -> Values:
    """SMPTE ST 2084, in shares of diffuse white."""
    power = signal ** (32 / 2523)
    light = ((power - 107 / 128).clip(0) / (2413 / 128 - 2392 / 128 * power)) ** (16384 / 2610)
    return np.asarray(10_000 * light / _WHITE)


def _hlg_to_light(signal: Values) -> Values:
    """ITU-R BT.2100's HLG, the scene's light in shares of diffuse white's."""

    def scene(value: Values) -> Values:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        return np.asarray(np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12))

    return scene(signal) / scene(np.array(_HLG_WHITE))


_TABLES: dict[int, Callable[[Values], Values]] = {_PQ: _pq_to_light, _HLG: _hlg_to_light}


def _pack_fixed(values: Values) -> bytes:
    """Numbers as ICC's s15Fixed16."""
    return bytes(np.rint(values * 65536).astype(">i4").data)


def _xyz_tag(xyz: Values) -> bytes:
    return b"XYZ \0\0\0\0" + _pack_fixed(xyz)


def _text_tag(text: str) -> bytes:
    body = text.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", len(body), 28) + body


def _join_tags(tags: dict[bytes, bytes], space: bytes) -> bytes:
    """Header, table and data; tags of the same data share it."""
    start = 128 + 4 + 12 * len(tags)
    body, places = b"", {}
    for data in tags.values():
        if data not in places:
            places[data] = start + len(body)
            body += data + b"\0" * (-len(data) % 4)
    rows = [struct.pack(">4sII", tag, places[data], len(data)) for tag, data in tags.items()]
    table = struct.pack(">I", len(tags)) + b"".join(rows)
    header = struct.pack(">I4sI4s4s4s", start + len(body), b"\0" * 4, 0x04400000, b"mntr", space,
                         b"XYZ ")  # fmt: skip
    header += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp")
    header += b"\0" * (68 - len(header)) + _pack_fixed(_D50)
    return header + b"\0" * (128 - len(header)) + table + body
