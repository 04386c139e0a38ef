"""Photos and masks are paired by stem, and nothing precious is ever an output."""

from pathlib import Path

import pytest

from mendpix.errors import MendError
from mendpix.inpainting.batch import FillTask, plan
from mendpix.io.pairing import Pairing, PairingRules, by_stem, describe_left_out, pair


def made(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return folder


def test_folders_are_paired_by_stem_not_by_order(tmp_path: Path) -> None:
    photos = made(tmp_path / "photos", "a.jpg", "b.png", "lonely.png", "notes.txt", ".b.png")
    masks = made(tmp_path / "masks", "b.tif", "a.png", "zebra.png")
    found = pair(photos, masks)
    assert found.pairs == (
        (photos / "a.jpg", masks / "a.png"),
        (photos / "b.png", masks / "b.tif"),
    )
    assert found.skipped == (photos / "lonely.png", masks / "zebra.png")
    assert found.many


def test_one_mask_serves_a_folder_and_is_no_photo_of_it(tmp_path: Path) -> None:
    photos = made(tmp_path / "photos", "a.jpg", "b.png", "b-filled.png", "mask.png")
    found = pair(photos, photos / "mask.png")
    assert [photo.name for photo, _ in found.pairs] == ["a.jpg", "b.png"]
    assert [path.name for path in found.skipped] == ["b-filled.png", "mask.png"]


def test_two_files_of_one_stem_are_refused(tmp_path: Path) -> None:
    photos = made(tmp_path / "photos", "a.jpg", "a.png")
    with pytest.raises(MendError, match=r"a\.jpg and a\.png in .* share a stem"):
        by_stem(photos)


def test_nothing_to_pair(tmp_path: Path) -> None:
    photos, masks = made(tmp_path / "p", "a.png"), made(tmp_path / "m", "b.png")
    with pytest.raises(MendError, match="has the stem of a mask"):
        pair(photos, masks)
    with pytest.raises(MendError, match="no pictures in"):
        pair(made(tmp_path / "empty"), masks)
    with pytest.raises(MendError, match=r"is one picture but .* is a folder"):
        pair(photos / "a.png", masks)


def test_outputs_of_a_folder(tmp_path: Path) -> None:
    photos = made(tmp_path / "photos", "a.jpg", "b.heic")
    pairing = pair(photos, made(tmp_path / "other", "mask.png") / "mask.png")
    out = tmp_path / "out"
    assert [task.out for task in plan(pairing, out)] == [out / "a.jpg", out / "b.png"]
    assert [task.out for task in plan(pairing, None)] == [None, None]


def test_originals_are_never_outputs(tmp_path: Path) -> None:
    photos = made(tmp_path / "photos", "a.jpg", "mask.png")
    single = Pairing(((photos / "a.jpg", photos / "mask.png"),))
    for out in (photos / "a.jpg", photos / "mask.png", photos):
        with pytest.raises(MendError, match="is a photo or mask of this fill"):
            plan(single, out)
    link = tmp_path / "link.jpg"
    link.symlink_to(photos / "a.jpg")
    with pytest.raises(MendError, match="is a photo or mask of this fill"):
        plan(single, link)
    with pytest.raises(MendError, match="is a photo or mask of this fill"):
        plan(pair(photos, made(tmp_path, "elsewhere.png") / "elsewhere.png"), photos)


def test_many_photos_do_not_go_into_one_file(tmp_path: Path) -> None:
    photos = made(tmp_path / "photos", "a.jpg", "b.jpg")
    with pytest.raises(MendError, match="name a folder"):
        plan(pair(photos, made(tmp_path, "mask.png") / "mask.png"), tmp_path / "out.png")


def test_an_existing_neighbour_needs_force(tmp_path: Path) -> None:
    photos = made(tmp_path, "a.jpg", "a-filled.jpg", "mask.png")
    single = Pairing(((photos / "a.jpg", photos / "mask.png"),))
    with pytest.raises(MendError, match=r"a-filled\.jpg is there already; replace it with --force"):
        plan(single, None)
    assert plan(single, None, force=True) == [FillTask(photos / "a.jpg", photos / "mask.png", None)]


def test_what_is_not_there_is_said_before_any_work(tmp_path: Path) -> None:
    photos = made(tmp_path / "photos", "a.jpg", "b.jpg")
    with pytest.raises(MendError, match=r"nowhere\.png does not exist"):
        pair(photos, tmp_path / "nowhere.png")
    with pytest.raises(MendError, match="does not exist"):
        pair(tmp_path / ("x" * 300), None)


@pytest.mark.parametrize(
    "name", ["room_mask.png", "room_mask001.png", "room-mask.png", "room.mask.png", "room.npy"]
)
def test_masks_may_add_a_suffix(tmp_path: Path, name: str) -> None:
    photos = made(tmp_path / "photos", "room.jpg", "other.jpg")
    masks = made(tmp_path / "masks", name)
    found = pair(photos, masks)
    assert found.pairs == ((photos / "room.jpg", masks / name),)
    assert found.skipped == (photos / "other.jpg",)
    assert [line.startswith("masks are paired by their suffix") for line in found.remarks] == [
        True
    ] * ("mask" in name)


def test_one_folder_holds_photos_and_masks(tmp_path: Path) -> None:
    data = made(tmp_path / "data", "a.jpg", "a_mask.png", "a-filled.jpg", "b.png", "b-mask002.png")
    made(data, "alone.png", "a_mask_b.png")
    found = pair(data, None)
    assert found.pairs == (
        (data / "a.jpg", data / "a_mask.png"),
        (data / "b.png", data / "b-mask002.png"),
    )
    assert [path.name for path in found.skipped] == ["a-filled.jpg", "a_mask_b.png", "alone.png"]
    assert found.reasons == {data / "a-filled.jpg": "it is an earlier fill"}
    with pytest.raises(MendError, match="has a mask beside it"):
        pair(made(tmp_path / "plain", "a.png", "b.png"), None)
    assert len(pair(tmp_path / "plain", None, PairingRules(from_alpha=True)).pairs) == 2


def test_a_suffix_can_be_named(tmp_path: Path) -> None:
    data = made(tmp_path / "data", "a.png", "a (hole).png", "b.png", "b_mask.png")
    found = pair(data, None, PairingRules(suffix=" (hole)"))
    assert found.pairs == ((data / "a.png", data / "a (hole).png"),)


def test_a_photo_is_never_its_own_mask(tmp_path: Path) -> None:
    data = made(tmp_path / "data", "a.png", "a_mask.png")
    (tmp_path / "link").symlink_to(data)
    for same in (data, tmp_path / "link"):
        with pytest.raises(MendError, match="is given as the photos and as the masks"):
            pair(data, same)
    with pytest.raises(MendError, match="is given as the photo and as its mask"):
        pair(data / "a.png", data / "a.png")


def test_names_compare_composed_and_then_without_case(tmp_path: Path) -> None:
    photos = made(tmp_path / "p", "caf\u00e9.jpg", "IMG_1.JPG", "x.png")
    masks = made(tmp_path / "m", "cafe\u0301.png", "img_1.png", "X_mask.png")
    found = pair(photos, masks)
    assert [(a.stem, b.stem) for a, b in found.pairs if b] == [
        ("IMG_1", "img_1"),
        ("caf\u00e9", "cafe\u0301"),
        ("x", "X_mask"),
    ]
    assert sorted(found.remarks) == [
        "paired IMG_1.JPG with img_1.png: only their case differs",
        "paired x.png with X_mask.png: only their case differs",
    ]


def test_what_differs_in_case_only_is_not_guessed(tmp_path: Path) -> None:
    photos = made(tmp_path / "p", "a.png", "A.jpg", "b.png")
    masks = made(tmp_path / "m", "a.tif", "b.png")
    found = pair(photos, masks)
    assert [path.name for path, _ in found.pairs] == ["a.png", "b.png"]


def test_subfolders_keep_their_structure(tmp_path: Path) -> None:
    photos = made(tmp_path / "photos", "a.jpg", "notes.txt")
    made(photos / "day-2", "a.jpg", "c.jpe")
    masks = made(tmp_path / "masks", "a.png")
    made(masks / "day-2", "a_mask.png")
    flat = pair(photos, masks)
    assert describe_left_out(flat.left_out) == [
        "left out 1 file (notes.txt) of other kinds",
        "left out 2 subfolders (day-2, day-2); --recursive takes them too",
    ]
    found = pair(photos, masks, PairingRules(recursive=True))
    assert [task.out for task in plan(found, tmp_path / "out")] == [
        tmp_path / "out" / "a.jpg",
        tmp_path / "out" / "day-2" / "a.jpg",
    ]
    assert found.skipped == (photos / "day-2" / "c.jpe",)
    with pytest.raises(MendError, match=r"but a subfolder \(--recursive looks there\)"):
        by_stem(made(tmp_path / "above" / "below", "x.png").parent)
