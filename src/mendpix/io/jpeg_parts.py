"""What a JPEG file holds beside its first picture, and what is left of it after a fill.

A gain map, further pictures (CIPA DC-007), a motion film, content credentials: all of them show or
vouch for what was there before, so they leave the file together with what claims them. Extended
XMP stays where it holds no picture.
"""

import struct
from collections.abc import Iterator
from dataclasses import replace
from xml.dom import minidom
from xml.parsers.expat import ExpatError

from mendpix.io import exif
from mendpix.io.jpeg_segments import (
    APP0,
    APP1,
    APP2,
    APP11,
    APP13,
    APP14,
    APP15,
    EXIF,
    EXTENSION,
    ICC,
    JFIF,
    RESOURCES,
    SCAN,
    XMP,
    fits,
    pack_segment,
    read_segments,
    read_trailer,
)
from mendpix.io.picture import Metadata, Picture

_GOOGLE = "http://ns.google.com/photos/1.0/"
_GAIN_MAP = "http://ns.adobe.com/hdr-gain-map/1.0/"
_ISO_GAIN_MAP, _INDEX = b"urn:iso:std:iso:ts:21496:-1\0", b"MPF\0"
_PICTURES = tuple(_GOOGLE + name + "/" for name in ("image", "depthmap", "audio"))
# XML namespaces all of whose statements are about parts that leave the file
_CLAIMS = (_GAIN_MAP, _GOOGLE + "container/", _GOOGLE + "container/item/", *_PICTURES)
_CAMERA, _NOTE = _GOOGLE + "camera/", "http://ns.adobe.com/xmp/note/"
_FILM = ("MotionPhoto", "MicroVideo")
_IMAGES_TAG = 0xB001
_KNOWN = (
    (APP0, JFIF),
    (APP1, EXIF),
    (APP1, XMP),
    (APP1, EXTENSION),
    (APP2, ICC),
    (APP2, _INDEX),
    (APP2, _ISO_GAIN_MAP),
    (APP13, RESOURCES),
    (APP14, b"Adobe"),
)


def drop_parts(
    picture: Picture, metadata: Metadata, kind: str
) -> tuple[Metadata, bytes, list[str]]:
    """What is left of a JPEG's descriptions when its first picture is written as ``kind``.

    Returns: the metadata without claims of what is gone, segments of extended XMP to write, and
        names of what is not kept.
    """
    content = picture.content or b""
    losses = list(_name_parts(content, metadata.xmp or b""))
    extension = b"".join(_extension_segments(content))
    stays = kind == "JPEG" and not any(name.encode() in extension for name in _PICTURES)
    if extension and not stays:
        losses.append("extended XMP")
    if losses and metadata.xmp:
        packet = _drop_claims(metadata.xmp, extension=not stays)
        losses += [] if packet else ["XMP"]
        metadata = replace(metadata, xmp=packet)
    return metadata, extension if stays else b"", losses


def find_oversized(metadata: Metadata) -> list[str]:
    """Names of descriptions that are too long for a JPEG's segment."""
    named = ((EXIF, metadata.exif, "EXIF"), (XMP, metadata.xmp, "XMP"))
    return [
        f"{name} ({len(body)} bytes, too long for JPEG)"
        for start, body, name in named
        if body and not fits(start, body)
    ]


def _extension_segments(content: bytes) -> Iterator[bytes]:
    for marker, body in read_segments(content):
        if marker == APP1 and body.startswith(EXTENSION):
            yield pack_segment(marker, body)


def _name_parts(content: bytes, xmp: bytes) -> Iterator[str]:
    """What lies in the file beside the picture and its descriptions, in words."""
    segments = [one for one in read_segments(content) if one[0] != SCAN]
    has_map = _GAIN_MAP.encode() in xmp or any(
        body.startswith(_ISO_GAIN_MAP) for _, body in segments
    )
    further = max((_count_pictures(body) for marker, body in segments if marker == APP2), default=0)
    further -= has_map and further > 0
    trailer = read_trailer(content).strip(b"\0")
    has_film = any(name.encode() in xmp for name in _FILM) or trailer[4:8] == b"ftyp"
    if has_map:
        yield "HDR gain map"
    if further:
        yield "a further picture" if further == 1 else f"{further} further pictures"
    if has_film:
        yield "motion film"
    if trailer and not (has_map or further or has_film):
        yield f"{len(trailer)} bytes behind the picture"
    yield from _name_segments(segments)


def _count_pictures(body: bytes) -> int:
    """How many pictures a multi-picture index lists besides the first; 0 where it is none."""
    if not body.startswith(_INDEX):
        return 0
    block = body[len(_INDEX) :]
    try:
        entries, _ = exif.read_entries(block, exif.first_offset(block))
        counts = [exif.read_number(block, one) for one in entries if one.tag == _IMAGES_TAG]
    except (ValueError, struct.error):
        return 1
    return max(0, counts[0] - 1) if counts else 1


def _name_segments(segments: list[tuple[int, bytes]]) -> Iterator[str]:
    """The segments of other programs and makers."""
    names: dict[str, None] = {}
    for marker, body in segments:
        if not APP0 <= marker <= APP15:
            continue
        if any(marker == known and body.startswith(start) for known, start in _KNOWN):
            continue
        if marker == APP11 and b"jumb" in body[:32]:
            names["content credentials (JUMBF)"] = None
            continue
        start = body[:16].split(b"\0")[0].decode("ascii", "ignore")
        text = "".join(letter for letter in start if letter.isalnum() or letter in "-_ ")
        names[f"segment APP{marker - APP0}{f' ({text})' if text else ''}"] = None
    yield from names


def _drop_claims(packet: bytes, extension: bool) -> bytes | None:
    """The packet without statements about parts that are gone; None where it is no sound XML."""
    try:
        document = minidom.parseString(packet.strip(b"\0 \t\r\n"))
    except (ExpatError, ValueError):
        return None
    if document.doctype is not None:
        return None
    for element in list(document.getElementsByTagName("*")):
        _clean(element, extension)
    return b"".join(node.toxml("utf-8") for node in document.childNodes)


def _clean(element: minidom.Element, extension: bool) -> None:
    for attribute in list(element.attributes.values()):
        if _is_claim(attribute, extension) or attribute.value in _CLAIMS:
            element.removeAttributeNode(attribute)
    if _is_claim(element, extension) and element.parentNode is not None:
        element.parentNode.removeChild(element)


def _is_claim(node: minidom.Element | minidom.Attr, extension: bool) -> bool:
    space, name = node.namespaceURI, node.localName or ""
    return (
        space in _CLAIMS
        or (space == _CAMERA and name.startswith(_FILM))
        or (extension and space == _NOTE and name == "HasExtendedXMP")
    )
