"""The parser of uploads: any cut of a good body reads the same, a bad one only fails."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mendpix.server import uploads
from mendpix.server.api_errors import ApiError
from mendpix.server.uploads import MultipartReader, Upload

BOUNDARY = b"--dull-wall"
NAMES = st.text(st.characters(min_codepoint=32, exclude_categories=["C"]), max_size=40)


def body(photo: bytes, mask: bytes, seed: str) -> bytes:
    """A form as a browser writes it."""
    line = b"--" + BOUNDARY
    return b"\r\n".join(
        [
            line,
            b'Content-Disposition: form-data; name="photo"; filename="p.png"',
            b"Content-Type: image/png",
            b"",
            photo,
            line,
            b'Content-Disposition: form-data; name="seed"',
            b"",
            seed.encode(),
            line,
            b'Content-Disposition: form-data; name="mask"; filename="m.png"',
            b"",
            mask,
            line + b"--",
            b"",
        ]
    )


def parse_in_pieces(content: bytes, cuts: list[int]) -> Upload:
    parts = MultipartReader(BOUNDARY)
    edges = sorted({0, len(content), *(cut % (len(content) + 1) for cut in cuts)})
    for start, stop in pairwise(edges):
        parts.feed(content[start:stop])
    return parts.finish()


@settings(deadline=None)
@given(
    st.binary(min_size=1, max_size=500),
    st.binary(min_size=1, max_size=100),
    st.text(max_size=30),
    st.lists(st.integers(0, 2000), max_size=30),
)
def test_any_cut_of_a_body_reads_the_same(
    photo: bytes, mask: bytes, seed: str, cuts: list[int]
) -> None:
    if b"\r\n--" + BOUNDARY in photo + mask + seed.encode():
        return
    upload = parse_in_pieces(body(photo, mask, seed), cuts)
    assert {name: file.content for name, file in upload.files.items()} == {
        "photo": photo,
        "mask": mask,
    }
    assert upload.fields == {"seed": [seed]}


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=200), st.integers(0, 2000))
def test_a_body_cut_short_is_refused(photo: bytes, length: int) -> None:
    whole = body(photo, b"mask", "1")
    short = whole[: length % (len(whole) - 4)]
    with pytest.raises(ApiError, match=r"cut short|damaged") as refused:
        parse_in_pieces(short, [])
    assert refused.value.status_code == 400


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=80), max_size=8), st.booleans(), st.binary(max_size=60))
def test_bytes_that_mean_nothing_do_no_more_than_fail(
    chunks: list[bytes], begins_well: bool, boundary: bytes
) -> None:
    try:
        parts = MultipartReader(boundary)
        if begins_well:
            parts.feed(b"--" + boundary + b'\r\nContent-Disposition: form-data; name="photo"; ')
        for chunk in chunks:
            parts.feed(chunk)
        parts.finish()
    except ApiError as refused:
        assert refused.status_code == 400


@settings(deadline=None)
@given(st.text(max_size=120), st.lists(st.binary(max_size=40), max_size=4), st.text(max_size=40))
def test_a_request_reads_or_is_refused(kind: str, chunks: list[bytes], name: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    try:
        upload = asyncio.run(uploads.read_body(kind, pieces(), name))
    except ApiError as refused:
        assert refused.status_code in (400, 415)
        return
    if b"".join(chunks):
        assert upload.files["photo"].content == b"".join(chunks)


@settings(deadline=None)
@given(NAMES)
def test_names_become_plain(name: str) -> None:
    safe = uploads.sanitize_name(name)
    assert safe and safe.isprintable()
    assert not set(safe) & set('/\\<>:"|?*;')
    assert safe not in (".", "..")
    assert len(safe) <= uploads.MAX_NAME_LENGTH


def test_a_form_has_limits() -> None:
    def field(name: str, value: bytes, file: str = "") -> bytes:
        named = f'; filename="{file}"' if file else ""
        head = f'--{BOUNDARY.decode()}\r\nContent-Disposition: form-data; name="{name}"{named}'
        return head.encode() + b"\r\n\r\n" + value + b"\r\n"

    end = b"--" + BOUNDARY + b"--\r\n"
    for content, part in (
        (field("seed", b"1") * 65, "more than 64 parts"),
        (field("seed", b"1" * 65537), "longer than 65536 bytes"),
        (field("photo", b"1" * 70000), "longer than 65536 bytes"),  # a field, not a file
        (field("photo", b"1", "a.png") * 2, "two files called 'photo'"),
        (field("x" * 9000, b"1"), "damaged"),
    ):
        with pytest.raises(ApiError, match=part):
            parse_in_pieces(content + end, [])
    assert (
        len(parse_in_pieces(field("photo", b"1" * 70000, "a.png") + end, []).files["photo"].content)
        == 70000
    )
