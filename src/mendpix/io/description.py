"""What a format can say of a picture's colours, and one line about what it cannot."""

from dataclasses import replace

from mendpix.io.colour import ColourDescription, build_profile, from_png_chunks
from mendpix.io.picture import Metadata, Picture

_NO_PROFILE = ("BMP", "JPEG2000", "PFM", "PPM", "TGA")
_HOLDS = {"PNG": ("EXIF", "XMP", "text"), "JPEG": ("EXIF", "XMP"), "WEBP": ("EXIF", "XMP")}
_HOLDS |= {"AVIF": ("EXIF", "XMP"), "TIFF": ("EXIF", "XMP"), "Pillow": ("EXIF", "XMP", "text")}
_ONE_BIT = ("BMP", "PNG", "PPM", "TIFF")
_LIGHT = {b"mDCV": "the author's display", b"cLLI": "the brightest light"}


def find_colour(metadata: Metadata) -> ColourDescription | None:
    """What a picture's numbers say of its colours; None: sRGB, or a profile says it."""
    chunks = dict(metadata.chunks)
    if metadata.colour is not None or (metadata.icc and b"cICP" not in chunks):
        return metadata.colour
    return from_png_chunks(chunks)


def adapt(picture: Picture, kind: str) -> tuple[Metadata, tuple[str, ...]]:
    """A picture's metadata as a format can hold them, and remarks on what it cannot.

    PNG has numbers for all colours; AVIF for code points; the others get a profile.
    """
    metadata, remarks = _adapt_colour(picture, kind)
    if lost := _find_lost(metadata, kind):
        remarks = (*remarks, f"{kind} cannot hold {', '.join(lost)} here; left out")
    if picture.depth == 1 and kind not in (*_ONE_BIT, "Pillow"):
        remarks = (*remarks, f"{kind} has no black and white of 1 bit; it is grey of 8 bits now")
    return metadata, remarks


def _find_lost(metadata: Metadata, kind: str) -> list[str]:
    """What a format has no place for, besides colours."""
    texts = [key for key, _ in metadata.text]
    if kind == "JPEG":
        texts = [key for key in texts if key not in ("Comment", "Description")]
    given = {"EXIF": metadata.exif, "XMP": metadata.xmp, "text": texts}
    lost = [what for what in given if given[what] and what not in _HOLDS.get(kind, ())]
    lost = [f"text ({', '.join(texts[:5])})" if what == "text" else what for what in lost]
    if kind != "PNG":
        lost += [f"{_LIGHT[one]} ({one.decode()})" for one, _ in metadata.chunks if one in _LIGHT]
    return lost


def _adapt_colour(picture: Picture, kind: str) -> tuple[Metadata, tuple[str, ...]]:
    metadata = picture.metadata
    colour = find_colour(metadata)
    if kind in _NO_PROFILE:
        return _drop_colour(metadata, colour, kind)
    if kind == "PNG":
        return _add_png_chunk(metadata), ()
    if kind == "AVIF" and (colour is None or colour.has_code_points):
        return replace(metadata, colour=colour), ()
    metadata = replace(metadata, colour=None)
    if colour is None or metadata.icc:
        return metadata, ()
    profile = build_profile(colour, picture.pixels.shape[2])
    if profile is None:
        what = f"{kind} cannot say its colours ({colour}): it is shown as sRGB from now on"
        return metadata, (what,)
    metadata = replace(metadata, icc=profile)
    if not colour.is_hdr:
        return metadata, ()
    return metadata, (
        f"its colours are HDR ({colour}): {kind} has a profile that says so, but most programs "
        "show all that is brighter than white paper as white",
    )


def _drop_colour(
    metadata: Metadata, colour: ColourDescription | None, kind: str
) -> tuple[Metadata, tuple[str, ...]]:
    if colour is None and not metadata.icc:
        return metadata, ()
    what = "profile" if colour is None else f"colours ({colour})"
    return metadata, (f"{kind} cannot say its {what}: it is shown as sRGB from now on",)


def _add_png_chunk(metadata: Metadata) -> Metadata:
    """The metadata with code points as PNG's cICP, ahead of which no other chunk counts."""
    colour = metadata.colour
    if colour is None:
        return metadata
    chunk = (b"cICP", bytes([colour.primaries, colour.transfer, 0, 1]))
    return replace(metadata, chunks=(chunk, *metadata.chunks))
