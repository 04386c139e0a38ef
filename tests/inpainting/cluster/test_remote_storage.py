"""Files at addresses behave like files in a folder: on an S3 server, in fsspec's memory."""

import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
from s3_server import running_s3

from mendpix.errors import MendError
from mendpix.io.remote import FsspecStorage, open_storage, restore_address
from mendpix.io.storage import LocalStorage, StorageTree


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with running_s3("pictures") as address:
        yield address


@pytest.fixture(params=["folder", "s3", "memory", "arrow"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> StorageTree:
    if request.param == "folder":
        return open_storage(tmp_path)
    if request.param == "s3":
        return open_storage(f"{request.getfixturevalue('s3')}/{tmp_path.name}")
    if request.param == "memory":
        return open_storage(f"memory://{tmp_path.name}")
    return FsspecStorage(f"local://{tmp_path}")  # a protocol whose writes are not atomic


def test_what_is_written_is_there(storage: StorageTree, tmp_path: Path) -> None:
    assert storage.list_tree() == {}
    assert storage.list_names("a") == []
    assert storage.stamp("a/1.bin") is None
    storage.write("a/1.bin", b"one")
    storage.write("a/b/2.bin", b"second")
    storage.write(".mendpix/x.jsonl", b"{}")
    (tmp_path / "outside").mkdir()
    file = tmp_path / "outside" / "large"
    file.write_bytes(b"x" * 3_000_000)
    storage.upload("c.bin", file)
    file.unlink()
    assert {name: one.size for name, one in storage.list_tree().items()} == {
        "a/1.bin": 3,
        "a/b/2.bin": 6,
        "c.bin": 3_000_000,
    }
    assert list(storage.list_tree(recursive=False)) == ["c.bin"]
    assert storage.list_names("a") == ["a/1.bin"]
    assert storage.list_names(".mendpix") == [".mendpix/x.jsonl"]
    assert storage.read("a/b/2.bin") == b"second"
    with storage.open("a/1.bin") as opened:
        assert opened.read() == b"one"
    # sha256 of "one"
    assert storage.digest("a/1.bin").startswith("7692c3ad3540bb803c020b3aee66cd88")


def test_a_new_version_has_another_stamp(storage: StorageTree) -> None:
    storage.write("1.bin", b"one")
    before = storage.stamp("1.bin")
    assert before == storage.list_tree()["1.bin"]
    storage.write("1.bin", b"two")
    after = storage.stamp("1.bin")
    assert before is not None
    assert after is not None
    assert before.size == after.size
    assert before.version != after.version


def test_what_is_removed_is_gone(storage: StorageTree) -> None:
    storage.write("1.bin", b"one")
    storage.remove("1.bin")
    storage.remove("1.bin")
    assert storage.stamp("1.bin") is None
    for read in (storage.read, storage.digest, storage.open):
        with pytest.raises(FileNotFoundError):
            read("1.bin")


def test_a_copy_in_another_process_finds_the_same(storage: StorageTree) -> None:
    storage.write("1.bin", b"one")
    copy = pickle.loads(pickle.dumps(storage))
    assert copy.read("1.bin") == b"one"
    assert copy.locate("1.bin") == storage.locate("1.bin")


def test_addresses_that_went_through_a_path() -> None:
    assert restore_address(Path("s3://bucket/a b/c")) == "s3://bucket/a b/c"
    assert restore_address(Path("/folder/x")) == "/folder/x"
    assert restore_address("C:\\photos") == "C:\\photos"
    local = open_storage(Path("file:///folder/x"))
    assert isinstance(local, LocalStorage)
    assert local.locate("y") == "/folder/x/y"


def test_an_unknown_protocol_is_one_line() -> None:
    with pytest.raises(MendError, match=r"nosuch://x cannot be opened: .*nosuch"):
        open_storage("nosuch://x")
