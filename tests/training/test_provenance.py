"""Who made what a run learned from, and what may be done with it."""

import hashlib
from pathlib import Path

import pytest

from mendpix.training.photos import is_held_out
from mendpix.training.provenance import NOT_STATED, OTHER, classify_licence, describe_pictures
from mendpix.weights import cards

OPEN = {"CC0", "public domain", "CC BY", "CC BY-SA", "MIT"}
FREE = {"Unsplash", "Pexels", "Pixabay"}
"""Free to use, but not open: they may not be sold on, or made into a service like their own."""


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("CC BY 4.0 (book LICENSE at this commit)", "CC BY"),
        ("CC-BY-SA-3.0 (debian/copyright per file)", "CC BY-SA"),
        ("stated in caption: CC BY SA 3.0", "CC BY-SA"),
        ("see LICENSE in repo (CC0)", "CC0"),
        ("stated in caption: CC0; Pexels", "Pexels"),
        ("Unsplash License or Pexels License", "Unsplash"),
        ("publicdomain/mark/1.0", "public domain"),
        ("Public domain by age", "public domain"),
        ("MIT (LICENSE in repo)", "MIT"),
        ("CC BY-NC 4.0", OTHER),
        ("CC BY-NC-SA 2.0", OTHER),
        ("CC BY-ND 2.0", OTHER),
        ("with permission", OTHER),
        ("No known copyright restrictions", OTHER),
        ("", NOT_STATED),
        ("not stated", NOT_STATED),
    ],
)
def test_families(written: str, found: str) -> None:
    assert classify_licence(written) == found


def test_a_list_names_source_author_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"one")
    (tmp_path / "b.png").write_bytes(b"two")
    (tmp_path / "manifest.csv").write_text(
        "file,source,licence,attribution,size\na.png,walks,CC BY-SA 4.0,Ann,3\n", encoding="utf-8"
    )
    found = describe_pictures(tmp_path, ["a.png", "b.png", "gone.png"])
    one, two = (hashlib.sha256(x).hexdigest() for x in (b"one", b"two"))
    assert found["files"] == {
        "a.png": {
            "licence": "CC BY-SA 4.0",
            "source": "walks",
            "attribution": "Ann",
            "sha256": one,
        },
        "b.png": {"licence": NOT_STATED, "sha256": two},
        "gone.png": {"licence": NOT_STATED},
    }
    assert found["licences"] == {NOT_STATED: 2, "CC BY-SA": 1}
    assert found["share_alike"].startswith("1 pictures are under ShareAlike")
    assert "share_alike" not in describe_pictures(tmp_path, ["b.png"])


bundled = pytest.mark.skipif("mender" not in cards.list_bundled(), reason="no network is bundled")


@bundled
def test_the_bundled_network_learned_only_from_pictures_it_may() -> None:
    for path in (cards.list_bundled()["mender"], cards.BUNDLED / "mender.safetensors"):
        card = cards.read_card(path)
        files = card["data"]["files"]
        assert len(files) > 1000
        assert {classify_licence(entry["licence"]) for entry in files.values()} <= OPEN | FREE
        assert all(len(entry["sha256"]) == 64 and entry["source"] for entry in files.values())
        assert "ShareAlike" in card["data"]["share_alike"]
        assert path.stat().st_size <= 12_000_000


@bundled
def test_its_pictures_are_those_at_hand(shared: Path) -> None:
    files = cards.read_card(cards.list_bundled()["mender"])["data"]["files"]
    for name in sorted(files)[::20]:
        content = (shared / "photos" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == files[name]["sha256"], name


@bundled
def test_nothing_held_out_was_learned_from() -> None:

    files = cards.read_card(cards.list_bundled()["mender"])["data"]["files"]
    assert not [name for name in files if is_held_out(name, 0.05)]
