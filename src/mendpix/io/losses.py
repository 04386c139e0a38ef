"""What a file holds and another format has no place for: taken out, and named."""

from mendpix.io import jpeg_parts
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
    if metadata.resources and kind not in _WITH_RESOURCES:
        losses.append("Photoshop's image resources (captions)")
    return metadata, losses


def describe(losses: list[str]) -> tuple[str, ...]:
    """The remark that names them; none where there are none."""
    return (f"kept not: {', '.join(losses)}",) if losses else ()
