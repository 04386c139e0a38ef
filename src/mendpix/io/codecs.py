"""Bytes to pictures and back, each kind of file by the module that knows it."""

from dataclasses import replace
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from mendpix.errors import PictureError
from mendpix.io import exif, heic, pillow, png, raw, tiff
from mendpix.io.picture import Metadata, Picture, turn_upright
from mendpix.types import Hole

_READABLE = ("PNG", "JPEG", "MPO", "WEBP", "AVIF", "BMP", "GIF", "PPM", "TGA", "JPEG2000")
_TARGA = (".tga", ".icb", ".vda", ".vst")  # it has no magic bytes, so that anything may be one


def decode(content: bytes, name: str) -> Picture:
    """A picture from a file's bytes, upright.

    Raises:
        PictureError: a kind of file or picture that cannot be kept; damage raises many others.
    """
    raw.check(content, name)
    if content.startswith(tiff.MAGIC):
        return replace(tiff.read(content, name), format="TIFF")
    if heic.is_heic(content):
        return heic.read(content, name)
    if content[:1] == b"P" and (deep := _read_netpbm(content, name)) is not None:
        return deep
    with pillow.open_image(content, name) as image:
        kind = image.format or "?"
        if kind == "TGA" and Path(name).suffix.lower() not in _TARGA:
            raise UnidentifiedImageError
        if kind not in _READABLE:
            raise PictureError(
                f"{name} is a {kind} file, which is not supported; save it as PNG first"
            )
        frames = getattr(image, "n_frames", 1)
        if frames > 1 and kind != "MPO":  # a phone's JPEG with a depth map or a second view
            raise PictureError(
                f"{name} has {frames} frames; save the one to fill as a file of its own"
            )
        image.load()
        picture = _read_image(content, image, kind, name)
    if kind in ("JPEG", "MPO"):
        from mendpix.io.jpeg_segments import read_resources

        metadata = replace(picture.metadata, resources=read_resources(content))
        picture = replace(picture, format="JPEG", content=content, metadata=metadata)
    else:
        picture = replace(picture, format=kind)
    orientation = exif.read_orientation(picture.metadata.exif) if picture.metadata.exif else 1
    return picture if orientation == 1 else turn_upright(picture, orientation)


def _read_netpbm(content: bytes, name: str) -> Picture | None:
    """Netpbm's 16 bits and floats; None: Pillow keeps all."""
    from mendpix.io import netpbm  # here, and below: most photos are JPEG or PNG

    if not netpbm.is_deep(content):
        return None
    kind = "PFM" if content.startswith(netpbm.PFM) else "PPM"
    return replace(netpbm.read_deep(content, name), format=kind)


def _read_image(content: bytes, image: Image.Image, kind: str, name: str) -> Picture:
    if kind == "PNG":
        return png.read(content, image, name)
    if kind == "AVIF":
        from mendpix.io import avif

        return avif.read(content, image, name)
    if kind == "JPEG2000":
        from mendpix.io import jpeg2000

        return jpeg2000.read(content, image, name)
    metadata = pillow.read_metadata(image)
    return replace(pillow.to_picture(image, name), metadata=metadata)


def encode(
    kind: str, picture: Picture, metadata: Metadata, hole: Hole | None
) -> tuple[bytes, tuple[str, ...]]:
    """A picture as a file of a kind that can hold it, described by ``metadata``, and remarks."""
    from mendpix.io import losses

    if kind == "JPEG":
        from mendpix.io import jpeg

        return jpeg.write(picture, metadata, hole)
    metadata, lost = losses.drop_foreign(picture, metadata, kind)
    return _encode_values(kind, picture, metadata), losses.describe(lost)


def _encode_values(kind: str, picture: Picture, metadata: Metadata) -> bytes:
    if kind == "PNG":
        return png.write(picture, metadata)
    if kind == "TIFF":
        return tiff.write(picture, metadata)
    if kind == "AVIF":
        from mendpix.io import avif

        return avif.write(picture, metadata)
    if kind == "JPEG2000":
        from mendpix.io import jpeg2000

        return jpeg2000.write(picture)
    if kind in ("PPM", "PFM"):
        from mendpix.io import netpbm

        return netpbm.write(picture) if kind == "PPM" else netpbm.write_pfm(picture)
    return pillow.write(kind, picture, metadata)
