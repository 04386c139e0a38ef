"""TIFF: 8 and 16-bit integers and floats exactly, with colour profile, resolution, XMP and EXIF.

Pillow would cut 16-bit colour to 8 bits and knows no floats but 32-bit grey; tifffile knows all
kinds of numbers but few compressions without further libraries; OpenCV knows those.
"""

import io
import logging
import struct
from dataclasses import replace
from typing import Any, NamedTuple

import cv2
import numpy as np
import tifffile

from mendpix.errors import PictureError
from mendpix.io import exif, pillow
from mendpix.io.exif import IfdEntry
from mendpix.io.picture import Array, Metadata, Picture, turn, white
from mendpix.io.pillow import MOST_PIXELS, check_size, join_alpha, split_alpha

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ICC, _XMP, _RESOLUTIONS = 34675, 700, (282, 283, 296)
# Directory entries that describe the picture and not how its pixels are stored.
_DESCRIPTIVE = frozenset((269, 270, 271, 272, 285, 305, 306, 315, 316, 33432, 33723, 18246, 18249))
_DESCRIPTIVE |= frozenset((40091, 40092, 40093, 40094, 40095))
_COLOURS = {0: 1, 1: 1, 2: 3}  # by photometric interpretation: white is zero, grey, RGB
_REFUSED = {5: "CMYK", 6: "YCbCr", 8: "CIELab", 9: "ICCLab", 10: "ITULab", 4: "a transparency mask"}
_REFUSED |= {32803: "a camera's raw", 34892: "a camera's raw", 32844: "LogL", 32845: "LogLuv"}
_ASSOCIATED, _UNASSOCIATED = 1, 2
_NUMBERS = ("u1", "u2", "u4", "i2", "i4", "f2", "f4", "f8")
_MOST_VALUES = 4 * MOST_PIXELS
_SILENT = logging.NullHandler()  # else what tifffile logs about damage reaches the terminal


class _Layout(NamedTuple):
    """How directories are stored: the number of entries, an entry, the next directory's offset.

    ``first`` is where the first directory's offset stands.
    """

    length: str
    entry: str
    link: str
    first: int


_CLASSIC, _BIG = _Layout("H", "HHII", "I", 4), _Layout("Q", "HHQQ", "Q", 8)


def read(content: bytes, name: str) -> Picture:
    """The one picture in a TIFF file, upright.

    Raises:
        PictureError: several pages, or a colour model or number type that cannot be kept.
        ValueError: directories that lead in a circle, or claim more than the file holds.
    """
    _check_chain(content, name)
    logging.getLogger("tifffile").addHandler(_SILENT)
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        page = _main_page(file, name)
        check_size(page.imagewidth, page.imagelength, name)
        if _fits_pillow(page):
            picture = _read_8_bits(content, int(page.photometric), name)
        else:
            picture = _read_deep(content, page, name)
        orientation = _tag_value(page, exif.ORIENTATION, 1)
        return replace(
            picture,
            orientation=orientation if orientation in range(1, 9) else 1,
            metadata=_read_metadata(content, page, file.byteorder),
            compressed=int(page.compression) != 1,
        )


def _check_chain(content: bytes, name: str) -> None:
    """Follow the chain of directories before tifffile does, which would do so without an end."""
    form = _BIG if b"+" in content[2:4] else _CLASSIC
    endian = "<" if content[:2] == b"II" else ">"
    (offset,) = struct.unpack_from(endian + form.link, content, form.first)
    seen: set[int] = set()
    spans: list[tuple[int, int]] = []
    while 0 < offset < len(content):
        if offset in seen:
            raise ValueError("its directories lead in a circle")
        if len(seen) == exif.MOST_DIRECTORIES:
            raise PictureError(
                f"{name} has more than {len(seen)} pages; save the one to fill as its own file"
            )
        seen.add(offset)
        found, offset = _value_spans(content, offset, form, endian)
        spans += found
    exif.check_spans(spans, len(content))


def _value_spans(
    content: bytes, offset: int, form: _Layout, endian: str
) -> tuple[list[tuple[int, int]], int]:
    """Offset and size of each value of a directory, and the next directory's offset.

    Where it is damaged there is no next one: tifffile ends there, too.
    """
    try:
        (count,) = struct.unpack_from(endian + form.length, content, offset)
        start = offset + struct.calcsize(endian + form.length)
        stop = start + min(count, exif.MOST_ENTRIES) * struct.calcsize(endian + form.entry)
        rows = struct.iter_unpack(endian + form.entry, content[start:stop])
        spans = [(place, exif.value_size(kind, number)) for _, kind, number, place in rows]
        following = struct.unpack_from(endian + form.link, content, stop)[0]
    except struct.error:
        return [], 0
    return spans, 0 if count > exif.MOST_ENTRIES else following


def _describe_refusal(name: str, what: str) -> str:
    return f"{name} holds {what}, which mendpix cannot keep; convert it to RGB or grey first"


def _main_page(file: Any, name: str) -> Any:
    """The one page that is not a smaller copy of another."""
    pages = [page for page in file.pages if not page.is_reduced]
    if len(pages) > 1:
        raise PictureError(f"{name} has {len(pages)} pages; save the one to fill as its own file")
    if not len(file.pages):
        raise ValueError("it has no directory")
    if not pages:
        raise PictureError(_describe_refusal(name, "a camera's raw"))
    return pages[0]


def _fits_pillow(page: Any) -> bool:
    """Whether Pillow keeps all: 8 bits and fewer, but for many channels and multiplied alpha."""
    few = page.samplesperpixel <= 4 and _ASSOCIATED not in page.extrasamples
    return int(page.photometric) == 3 or (page.bitspersample <= 8 and few)


def _read_8_bits(content: bytes, photometric: int, name: str) -> Picture:
    """8 bits and fewer: Pillow knows every kind, and turns them upright by itself."""
    if photometric in _REFUSED and photometric != 6:  # JPEG inside TIFF: Pillow makes it RGB
        raise PictureError(_describe_refusal(name, _REFUSED[photometric]))
    with pillow.open_image(content, name, load=True) as image:
        return pillow.to_picture(image, name)


def _read_deep(content: bytes, page: Any, name: str) -> Picture:
    """All number types and numbers of channels, by tifffile."""
    if why := _find_obstacle(page):
        raise PictureError(_describe_refusal(name, why))
    values = _read_values(content, page)
    if int(page.photometric) == 0:
        values[..., 0] = white(values.dtype) - values[..., 0]
    picture = split_alpha(turn(values, _tag_value(page, exif.ORIENTATION, 1)), name)
    return replace(picture, premultiplied=_ASSOCIATED in page.extrasamples)


def _find_obstacle(page: Any) -> str | None:
    """What a page holds that cannot be kept, in words; None: nothing."""
    photometric, count = int(page.photometric), page.samplesperpixel
    if photometric not in _COLOURS:
        return _REFUSED.get(photometric, f"colours of kind {photometric}")
    if page.dtype not in [np.dtype(kind) for kind in _NUMBERS]:
        return f"{page.dtype or 'unknown'} numbers"
    if page.bitspersample % 8 or (photometric == 0 and page.dtype.kind != "u"):
        return f"{page.bitspersample}-bit numbers" if page.bitspersample % 8 else "white as zero"
    if count <= 4 and count not in (_COLOURS[photometric], _COLOURS[photometric] + 1):
        return f"{count} channels"
    pixels = page.imagewidth * page.imagelength
    return f"{count} channels of {pixels} pixels" if pixels * count > _MOST_VALUES else None


def _read_values(content: bytes, page: Any) -> Array:
    """Stored values ``(H, W, C)`` in native byte order."""
    if page.imagedepth != 1:
        raise ValueError("it holds a volume")
    try:
        values = page.asarray()
    except ValueError as problem:
        if "imagecodecs" not in str(problem):
            raise
        return _read_by_opencv(content, page)
    if page.axes.startswith("S"):
        values = np.moveaxis(values, 0, -1)
    values = values.reshape(page.imagelength, page.imagewidth, -1)
    return np.ascontiguousarray(values, values.dtype.newbyteorder("="))


def _read_by_opencv(content: bytes, page: Any) -> Array:
    patched = bytearray(content)  # OpenCV would turn some of the orientations, and not others
    if exif.ORIENTATION in page.tags:
        tag = page.tags[exif.ORIENTATION]
        struct.pack_into(page.parent.byteorder + "H", patched, tag.valueoffset, 1)
    values = cv2.imdecode(np.frombuffer(patched, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.shape[:2] != (page.imagelength, page.imagewidth):
        raise ValueError("its pixels cannot be decoded")
    if values.ndim == 2:
        return np.asarray(values[..., None])
    return np.ascontiguousarray(values[..., [2, 1, 0, 3][: values.shape[2]]])


def _tag_value(page: Any, code: int, default: Any) -> Any:
    tag = page.tags.get(code)
    return default if tag is None else tag.value


def _read_metadata(content: bytes, page: Any, endian: str) -> Metadata:
    icc, xmp = _tag_value(page, _ICC, None), _tag_value(page, _XMP, None)
    unit = {2: 1.0, 3: 2.54}.get(int(_tag_value(page, 296, 2)))
    across, down = _tag_value(page, 282, None), _tag_value(page, 283, None)
    dpi = None
    if unit and across and down and across[1] and down[1]:
        dpi = (across[0] / across[1] * unit, down[0] / down[1] * unit)
    return Metadata(
        # BigTIFF has offsets of another size, which an EXIF block cannot hold
        exif=None if b"+" in content[2:4] else _copy_descriptions(content, endian),
        icc=bytes(icc) if icc else None,
        xmp=(xmp.encode() if isinstance(xmp, str) else bytes(xmp)) if xmp else None,
        dpi=dpi,
    )


def _copy_descriptions(content: bytes, endian: str) -> bytes | None:
    """The first directory's descriptive entries and the directories below as an EXIF block."""
    main = exif.read_directories(content)[exif.first_offset(content)]
    copied = [one for one in main if one.tag in _DESCRIPTIVE or one.tag in exif.BELOW]
    if not copied:
        return None
    block = bytearray((b"II*\0" if endian == "<" else b"MM\0*") + struct.pack(endian + "I", 8))
    _append_directory(content, copied, block, endian)
    return bytes(block)


def _append_directory(
    content: bytes, listed: list[IfdEntry], block: bytearray, endian: str
) -> None:
    """Append a directory of these entries to the block, then their values, then those below."""
    listed = [one for one in listed if one.size <= 4 or one.value + one.size <= len(content)]
    start = len(block)
    block += struct.pack(endian + "H", len(listed)) + bytes(12 * len(listed) + 4)
    for number, entry in enumerate(listed):
        at = start + 2 + 12 * number
        block[at : at + 12] = content[entry.at : entry.at + 12]
        if entry.tag in exif.BELOW:
            struct.pack_into(endian + "I", block, at + 8, _pad_to_even(block))
            below = struct.unpack_from(endian + "I", content, entry.value)[0]
            _append_directory(content, exif.read_entries(content, below)[0], block, endian)
        elif entry.size > 4:
            struct.pack_into(endian + "I", block, at + 8, _pad_to_even(block))
            block += content[entry.value : entry.value + entry.size]


def _pad_to_even(block: bytearray) -> int:
    block += bytes(len(block) % 2)
    return len(block)


def write(picture: Picture, metadata: Metadata) -> bytes:
    """The whole file: deflate where the source was compressed, else plain."""
    values, buffer = join_alpha(picture), io.BytesIO()
    if picture.depth == 1:  # tifffile packs truth values into bits
        values = values > 127
    endian = exif.byte_order(metadata.exif) if metadata.exif else "<"
    tags = _extra_tags(metadata.exif) if metadata.exif else []
    if metadata.xmp:
        tags.append((_XMP, 1, len(metadata.xmp), metadata.xmp, True))
    extra: list[int] = [0] * max(0, picture.pixels.shape[2] - 3)
    if picture.alpha is not None:
        extra = [_ASSOCIATED if picture.premultiplied else _UNASSOCIATED]
    elif extra:
        extra += [0, 0]  # many channels: all but the first are extra to grey
    with tifffile.TiffWriter(
        buffer, byteorder=endian, bigtiff=values.nbytes > 3_900_000_000
    ) as file:
        file.write(
            values,
            photometric="rgb" if picture.pixels.shape[2] == 3 else "minisblack",
            planarconfig="contig",
            compression="zlib" if picture.compressed else None,
            extrasamples=extra or None,
            iccprofile=metadata.icc,
            resolution=metadata.dpi or None,
            resolutionunit=2 if metadata.dpi else None,
            extratags=[(exif.ORIENTATION, 3, 1, 1, True), *tags],
            metadata=None,
            software=False,
        )
    return (
        _append_subdirectories(buffer, metadata.exif, endian)
        if metadata.exif
        else buffer.getvalue()
    )


def _extra_tags(block: bytes) -> list[tuple[int, int, int, Any, bool]]:
    """The block's descriptive entries as tifffile takes them; those below are pointed at later."""
    tags: list[tuple[int, int, int, Any, bool]] = []
    for entry in exif.read_entries(block, exif.first_offset(block))[0]:
        if entry.tag in exif.BELOW:
            tags.append((entry.tag + 1, 4, 1, 0, True))  # tifffile refuses these tags themselves
        elif entry.tag in _DESCRIPTIVE and 0 < entry.size <= len(block) - entry.value:
            raw = block[entry.value : entry.value + entry.size]
            tags.append((entry.tag, entry.kind, entry.count, raw, True))
    return tags


def _append_subdirectories(buffer: io.BytesIO, block: bytes, endian: str) -> bytes:
    """Append the directories below the block's first, and point at them."""
    content = bytearray(buffer.getvalue())
    if b"+" in content[2:4]:  # BigTIFF's directories have another form
        return bytes(content)
    sources = {one.tag: one for one in exif.read_entries(block, exif.first_offset(block))[0]}
    for entry in exif.read_entries(bytes(content), exif.first_offset(bytes(content)))[0]:
        if entry.tag - 1 in exif.BELOW:
            struct.pack_into(endian + "H", content, entry.at, entry.tag - 1)
            struct.pack_into(endian + "I", content, entry.value, _pad_to_even(content))
            below = struct.unpack_from(endian + "I", block, sources[entry.tag - 1].value)[0]
            _append_directory(block, exif.read_entries(block, below)[0], content, endian)
    return bytes(content)
