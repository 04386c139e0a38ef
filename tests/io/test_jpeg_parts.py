"""What a JPEG holds beside its first picture leaves it with what claims it, and is said."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mendpix.io import files, jpeg_segments
from mendpix.io.picture import Picture
from mendpix.types import Hole

NOTE = b'xmlns:n="http://ns.adobe.com/xmp/note/" n:HasExtendedXMP="%s" '
OWN = b'xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="here" '
RDF = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
)
CONTAINER = (
    b'xmlns:C="http://ns.google.com/photos/1.0/container/" '
    b'xmlns:I="http://ns.google.com/photos/1.0/container/item/" '
    b'xmlns:h="http://ns.adobe.com/hdr-gain-map/1.0/" h:Version="1.0" '
)
DIRECTORY = (
    b"<C:Directory><rdf:Seq><rdf:li rdf:parseType='Resource'>"
    b"<C:Item I:Semantic='GainMap' I:Length='77'/></rdf:li></rdf:Seq></C:Directory>"
)
FILM = b"\0\0\0\x18ftypmp42" + bytes(range(256))
CAMERA = b'xmlns:g="http://ns.google.com/photos/1.0/camera/" g:MotionPhoto="1" g:BurstID="b" '


def encode(second: bool = False) -> bytes:
    buffer, noise = io.BytesIO(), np.random.default_rng(int(second))
    pixels = noise.integers(0, 256, (64, 80, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def packet(attributes: bytes, inside: bytes = b"") -> bytes:
    body = RDF + OWN + attributes + b">" + inside + b"</rdf:Description></rdf:RDF></x:xmpmeta>"
    return jpeg_segments.pack_segment(0xE1, jpeg_segments.XMP + body)


def extension(body: bytes) -> bytes:
    head = jpeg_segments.EXTENSION + b"0" * 32 + struct.pack(">II", len(body), 0)
    return packet(NOTE % (b"0" * 32)) + jpeg_segments.pack_segment(0xE1, head + body)


def mpo() -> bytes:
    buffer = io.BytesIO()
    first, second = (Image.open(io.BytesIO(encode(flag))) for flag in (False, True))
    first.save(buffer, "MPO", save_all=True, append_images=[second])
    return buffer.getvalue()


def insert(segments: bytes, trailer: bytes = b"") -> bytes:
    content = encode()
    return content[:20] + segments + content[20:] + trailer


FILES = {
    "HDR gain map": insert(packet(CONTAINER, DIRECTORY), encode(True)),
    "a further picture": mpo(),
    "motion film": insert(packet(CAMERA), FILM),
    "extended XMP": insert(extension(b"http://ns.google.com/photos/1.0/depthmap/ data")),
    "content credentials (JUMBF)": insert(
        jpeg_segments.pack_segment(0xEB, b"JP\0\1\0\0\0\1" + b"\0\0\0\x20jumb" + bytes(24))
    ),
    "segment APP12 (Ducky)": insert(jpeg_segments.pack_segment(0xEC, b"Ducky\0\1\0\4")),
    "9 bytes behind the picture": insert(b"", b"something"),
}
CLAIMS = (b"GainMap", b"hdr-gain-map", b"MPF\0", b"MotionPhoto", b"HasExtendedXMP", b"container")


def rewrite(path: Path, out: Path) -> tuple[bytes, tuple[str, ...]]:
    picture = files.read(path)
    filled, hole = fill(picture)
    remarks = files.write(out, filled, hole).remarks
    return out.read_bytes(), remarks


def fill(picture: Picture) -> tuple[Picture, Hole]:
    hole, pixels = np.zeros(picture.shape, bool), picture.pixels.copy()
    hole[20:30, 30:50] = True
    pixels[hole] = 128
    return picture.replace(pixels=pixels), hole


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("out", ["b.jpg", "b.png", "b.tif"])
def test_parts_leave_with_their_claims(tmp_path: Path, name: str, out: str) -> None:
    (tmp_path / "a.jpg").write_bytes(FILES[name])
    content, remarks = rewrite(tmp_path / "a.jpg", tmp_path / out)
    assert [text for text in remarks if text == f"kept not: {name}"]
    assert not [claim for claim in CLAIMS if claim in content]
    with Image.open(tmp_path / out) as image:
        assert getattr(image, "n_frames", 1) == 1
        if b"http://ns.adobe.com/xap" in FILES[name]:
            assert b'dc:source="here"' in (image.info.get("xmp") or image.tag_v2[700])


def test_camera_statements_that_stay_true_stay(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(FILES["motion film"])
    assert b'g:BurstID="b"' in rewrite(tmp_path / "a.jpg", tmp_path / "b.jpg")[0]


def test_extended_xmp_without_pictures_stays(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(insert(extension(b"a long note")))
    content, remarks = rewrite(tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert b"a long note" in content
    assert b"HasExtendedXMP" in content
    assert not remarks


def test_captions_stay_without_their_thumbnail(tmp_path: Path) -> None:
    caption = b"8BIM\x04\x04\0\0" + struct.pack(">I", 6) + b"words!"
    thumbnail = b"8BIM\x04\x0c\0\0" + struct.pack(">I", 4) + b"tiny"
    body = jpeg_segments.RESOURCES + thumbnail + caption
    (tmp_path / "a.jpg").write_bytes(insert(jpeg_segments.pack_segment(0xED, body)))
    content, _ = rewrite(tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert jpeg_segments.read_resources(content) == caption
    assert b"tiny" not in content
    _, remarks = rewrite(tmp_path / "a.jpg", tmp_path / "b.png")
    assert remarks == ("kept not: Photoshop's image resources (captions)",)
