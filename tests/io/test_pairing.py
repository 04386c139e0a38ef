"""Photos and masks are paired by stem, and nothing precious is ever an output."""

from pathlib import Path

import pytest

from mendpix.errors import MendError
from mendpix.inpainting.batch import FillTask, plan
from mendpix.io.pairing import Pairing, by_stem, pair


def made(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
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
