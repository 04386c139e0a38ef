"""TIFF: 8 and 16-bit integers and floats exactly, with extra channels and what describes them.

Pillow would cut 16-bit colour to 8 bits and knows no floats but 32-bit grey; tifffile knows all
kinds of numbers but few compressions without further libraries; OpenCV knows those.
"""

import io
import logging
import struct
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import tifffile

from mendpix.errors import PictureError
from mendpix.io import exif, pillow, tiff_tags
from mendpix.io.picture import Array, Metadata, Picture, turn, white
from mendpix.io.pillow import MOST_PIXELS, check_size
from mendpix.io.tiff_directories import check_chain
from mendpix.io.tiff_tags import tag_value

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_COLOURS = {0: 1, 1: 1, 2: 3}  # by photometric interpretation: white is zero, grey, RGB
_REFUSED = {5: "CMYK", 6: "YCbCr", 8: "CIELab", 9: "ICCLab", 10: "ITULab", 4: "a transparency mask"}
_REFUSED |= {32803: "a camera's raw", 34892: "a camera's raw", 32844: "LogL", 32845: "LogLuv"}
_ASSOCIATED, _UNASSOCIATED, _YCBCR = 1, 2, 6
_NUMBERS = ("u1", "u2", "u4", "i2", "i4", "f2", "f4", "f8")
_MOST_VALUES = 4 * MOST_PIXELS
_SILENT = logging.NullHandler()  # else what tifffile logs about damage reaches the terminal


def read(content: bytes, name: str) -> Picture:
    """The one picture in a TIFF file, upright.

    Raises:
        PictureError: several pages, or a colour model or number type that cannot be kept.
        ValueError: directories that lead in a circle, or claim more than the file holds.
    """
    check_chain(content, name)
    logging.getLogger("tifffile").addHandler(_SILENT)
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        page = _main_page(file, name)
        check_size(page.imagewidth, page.imagelength, name)
        if _fits_pillow(page):
            picture = _read_8_bits(content, int(page.photometric), name)
        else:
            picture = _read_deep(content, page, name)
        orientation = tag_value(page, exif.ORIENTATION, 1)
        metadata = tiff_tags.read_metadata(content, page, file.byteorder)
        if len(file.pages) > 1:
            left_out = (*metadata.left_out, "smaller copies of the picture")
            metadata = replace(metadata, left_out=tuple(dict.fromkeys(left_out)))
        return replace(
            picture,
            orientation=orientation if orientation in range(1, 9) else 1,
            metadata=metadata,
            compressed=int(page.compression) != 1,
            no_data=tiff_tags.no_data_value(metadata),
        )


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
    """Whether Pillow keeps all: 8 bits and fewer, with no channel beside plain alpha."""
    plain = _extra_samples(page) in ((), (_UNASSOCIATED,))
    return int(page.photometric) == 3 or (page.bitspersample <= 8 and plain)


def _extra_samples(page: Any) -> tuple[int, ...]:
    """What each channel beyond the colours is: 1 and 2 are alpha; 0, or not said: anything."""
    count = max(0, page.samplesperpixel - _COLOURS.get(int(page.photometric), 4))
    if int(page.photometric) == _YCBCR:
        count = max(0, page.samplesperpixel - 3)
    kinds = tuple(int(kind) for kind in page.extrasamples)
    return (*kinds, *(0,) * count)[:count]


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
    values = turn(values, tag_value(page, exif.ORIENTATION, 1))
    return split_channels(values, _COLOURS[int(page.photometric)], _extra_samples(page), name)


def split_channels(values: Array, colours: int, kinds: tuple[int, ...], name: str) -> Picture:
    """A picture from ``(H, W, C)`` values: so many colours, then channels of these kinds."""
    parts = [np.ascontiguousarray(values[..., at]) for at in range(colours, values.shape[2])]
    alphas = [at for at, kind in enumerate(kinds) if kind in (_ASSOCIATED, _UNASSOCIATED)][:1]
    extras = [part for at, part in enumerate(parts) if at not in alphas]
    return Picture(
        np.ascontiguousarray(values[..., :colours]),
        parts[alphas[0]] if alphas else None,
        name=name,
        premultiplied=bool(alphas) and kinds[alphas[0]] == _ASSOCIATED,
        extras=np.stack(extras, axis=-1) if extras else None,
        extra_samples=kinds if extras else (),
    )


def join_channels(picture: Picture) -> tuple[Array, list[int]]:
    """All channels in the file's order, and what those beyond the colours are."""
    alpha = _ASSOCIATED if picture.premultiplied else _UNASSOCIATED
    if picture.extras is None:
        kinds = [0] * max(0, picture.pixels.shape[2] - 3)
        if picture.alpha is not None:
            kinds = [alpha]
        elif kinds:
            kinds += [0, 0]  # many channels: all but the first are extra to grey
        return pillow.join_alpha(picture), kinds
    rest = [picture.extras[..., at] for at in range(picture.extras.shape[2])]
    kinds = [0] * len(rest) if not picture.extra_samples else list(picture.extra_samples)
    if picture.alpha is not None:
        places = [at for at, kind in enumerate(kinds) if kind in (_ASSOCIATED, _UNASSOCIATED)]
        rest.insert(places[0] if places else 0, picture.alpha)
        kinds = kinds if places else [alpha, *kinds]
    return np.concatenate([picture.pixels, np.stack(rest, axis=-1)], axis=-1), kinds


def _find_obstacle(page: Any) -> str | None:
    """What a page holds that cannot be kept, in words; None: nothing."""
    photometric, count = int(page.photometric), page.samplesperpixel
    if photometric not in _COLOURS:
        return _REFUSED.get(photometric, f"colours of kind {photometric}")
    if page.dtype not in [np.dtype(kind) for kind in _NUMBERS]:
        return f"{page.dtype or 'unknown'} numbers"
    if page.bitspersample % 8 or (photometric == 0 and page.dtype.kind != "u"):
        return f"{page.bitspersample}-bit numbers" if page.bitspersample % 8 else "white as zero"
    if count < _COLOURS[photometric]:
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
    if values[0, 0].size != page.samplesperpixel:
        raise ValueError("its pixels cannot be decoded in this compression; save it with deflate")
    if values.ndim == 2:
        return np.asarray(values[..., None])
    return np.ascontiguousarray(values[..., [2, 1, 0, 3][: values.shape[2]]])


def write(picture: Picture, metadata: Metadata) -> bytes:
    """The whole file: deflate where the source was compressed, else plain."""
    (values, extra), buffer = join_channels(picture), io.BytesIO()
    if picture.depth == 1:  # tifffile packs truth values into bits
        values = values > 127
    endian = exif.byte_order(metadata.exif) if metadata.exif else "<"
    tags = tiff_tags.descriptive_tags(metadata.exif) if metadata.exif else []
    tags += tiff_tags.pack_tags(metadata, endian)
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
            extratags=[(exif.ORIENTATION, 3, 1, 1, True), *tags],
            metadata=None,
            software=False,
            **tiff_tags.resolution(metadata),
        )
    if not metadata.exif:
        return buffer.getvalue()
    return tiff_tags.append_subdirectories(buffer, metadata.exif, endian)
