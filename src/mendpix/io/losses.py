"""What a file holds and another format has no place for: taken out, and named."""

from dataclasses import replace

from mendpix.io import jpeg_parts, tiff_tags
from mendpix.io.picture import Metadata, Picture

_WITH_RESOURCES = ("JPEG", "TIFF")


def drop_foreign(picture: Picture, metadata: Metadata, kind: str) -> tuple[Metadata, list[str]]:
    """The metadata without what only makes sense in the source, and names of what is not kept.

    Args:
        kind: the format to write, other than JPEG.
    """
    losses: list[str] = []
    if picture.format == "JPEG" and picture.content is not None:
        metadata, _, losses = jpeg_parts.drop_parts(picture, metadata, kind)
    losses += metadata.left_out
    if kind != "TIFF":
        losses += _name_tiff_parts(picture, metadata)
    elif picture.orientation != 1:
        tags, lost = tiff_tags.drop_places(metadata)
        metadata = replace(metadata, tags=tags)
        losses += [f"{name} (the picture was turned)" for name in lost]
    if metadata.resources and kind not in _WITH_RESOURCES:
        losses.append("Photoshop's image resources (captions)")
    return metadata, losses


def _name_tiff_parts(picture: Picture, metadata: Metadata) -> list[str]:
    count = 0 if picture.extras is None else picture.extras.shape[2]
    names = ["an extra channel" if count == 1 else f"{count} extra channels"] if count else []
    if metadata.dpi is None and tiff_tags.has_resolution(metadata.tags):
        names.append("resolution without a unit")
    return names + tiff_tags.name_tags(metadata.tags)


def describe(losses: list[str]) -> tuple[str, ...]:
    """The remark that names them; none where there are none."""
    return (f"kept not: {', '.join(losses)}",) if losses else ()
