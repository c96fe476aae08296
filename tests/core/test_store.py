"""Blobs: kept once, written whole, checked when they are read."""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fsspec
import msgspec
import pytest

from hardpoint.core.store import BlobStore, StoreError
from hardpoint.core.store_listing import ListedFile, Listing, listing_bytes
from hardpoint.plugin_api import ErrorKind, Reference, TransientError, UserError

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.fixture(params=["disk", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    if request.param == "disk":
        return BlobStore(tmp_path / "blobs")
    return BlobStore(f"memory://bucket-{tmp_path.name}/blobs")


@pytest.fixture
def disk(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


def test_a_blob_lies_where_its_digest_says(tmp_path: Path, disk: BlobStore) -> None:
    found = disk.put_bytes(b"abc", format="bytes", name="x")

    path = tmp_path / "blobs" / "ba" / ABC
    assert found == Reference(str(path), f"sha256:{ABC}", 3, "bytes", "x")
    assert path.read_bytes() == b"abc"
    assert path.stat().st_mode & 0o777 == 0o444


def test_a_remote_blob_lies_where_its_digest_says(tmp_path: Path) -> None:
    root = f"memory://bucket-{tmp_path.name}/blobs"

    found = BlobStore(root + "/").put_bytes(b"abc", format="npy")

    assert found == Reference(f"{root}/ba/{ABC}", f"sha256:{ABC}", 3, "npy")


def test_bytes_and_files_come_back(store: BlobStore, tmp_path: Path) -> None:
    source = tmp_path / "data.bin"
    source.write_bytes(b"x" * 3_000_000)

    from_bytes = store.put_bytes(b"", format="bytes")
    from_file = store.put_file(source, name="data.bin")

    assert store.read_bytes(from_bytes) == b""
    assert store.read_bytes(from_file) == source.read_bytes()
    assert (from_file.size_bytes, from_file.name) == (3_000_000, "data.bin")
    assert store.put_bytes(source.read_bytes(), format="bytes", name="data.bin") == from_file


def test_what_is_put_twice_is_kept_once(tmp_path: Path, disk: BlobStore) -> None:
    for _ in range(3):
        disk.put_bytes(b"abc", format="bytes")

    kept = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    assert [path.name for path in kept] == [ABC]


def test_a_blob_that_a_power_cut_emptied_is_written_again(disk: BlobStore) -> None:
    found = disk.put_bytes(b"abc", format="bytes")
    _damage(found, b"")

    disk.put_bytes(b"abc", format="bytes")

    assert disk.read_bytes(found) == b"abc"


def test_fetching_gives_one_read_only_path_with_the_name(store: BlobStore) -> None:
    reference = store.put_bytes(b"a,b\n", format="bytes", name="table.csv")

    path = store.fetch(reference)

    assert (path.name, path.read_bytes()) == ("table.csv", b"a,b\n")
    assert store.fetch(reference) is path
    assert not path.stat().st_mode & 0o222


def test_a_blob_without_a_name_is_fetched_where_it_lies(disk: BlobStore) -> None:
    reference = disk.put_bytes(b"abc", format="bytes")

    assert disk.fetch(reference) == Path(reference.uri)


def test_a_fetched_path_that_was_removed_is_fetched_again(store: BlobStore) -> None:
    reference = store.put_bytes(b"abc", format="bytes", name="x")
    store.fetch(reference).unlink()

    assert store.fetch(reference).read_bytes() == b"abc"


def test_many_threads_may_put_and_fetch_the_same_blob(tmp_path: Path) -> None:
    # On disk only: fsspec's memory filesystem hands all readers of a file one and the same position.
    store = BlobStore(tmp_path / "blobs")

    def work(number: int) -> bytes:
        reference = store.put_bytes(b"same", format="bytes", name=f"{number % 3}")
        return store.fetch(reference).read_bytes()

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(work, range(50))) == {b"same"}


def test_a_folder_comes_back(store: BlobStore, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "deep" / "empty").mkdir(parents=True)
    (folder / "a").write_text("same")
    (folder / "deep" / "run").write_text("same")
    (folder / "deep" / "run").chmod(0o755)
    (folder / "link").symlink_to("a")
    (folder / "caf\udce9").write_text("odd")

    reference = store.put_directory(folder)
    found = store.fetch(reference)

    shown = {
        str(path.relative_to(found)): (path.read_text(), os.access(path, os.X_OK)) if path.is_file() else None
        for path in found.rglob("*")
    }
    assert shown == {
        "a": ("same", False),
        "deep": None,
        "deep/empty": None,
        "deep/run": ("same", True),
        "link": ("same", False),
        "caf\udce9": ("odd", False),
    }
    assert (reference.format, reference.size_bytes, reference.name) == ("directory", 15, "model")
    assert found.name == "model"
    assert store.put_directory(folder) == reference


def test_equal_folders_have_equal_digests(disk: BlobStore, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text("x")

    one, two = (disk.put_directory(tmp_path / name) for name in ("one", "two"))

    assert one.digest == two.digest


@pytest.mark.parametrize(
    ("target", "message", "use"),
    [
        (
            "/etc/hostname",
            "Link `{0}/link` leads out of the folder: `/etc/hostname`",
            "Replace the link by a copy, or leave it out",
        ),
        (
            "nowhere",
            "Link `{0}/link` leads nowhere: `{0}/nowhere`",
            "Replace the link by a copy, or leave it out",
        ),
        ("sub", "Link `{0}/link` leads to a folder: `{0}/sub`", "Replace the link by a copy"),
    ],
)
def test_links_that_a_copy_cannot_keep_are_refused(
    target: str, message: str, use: str, disk: BlobStore, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "link").symlink_to(target)

    with pytest.raises(UserError) as caught:
        disk.put_directory(folder)

    assert (caught.value.message, caught.value.hint) == (message.format(folder), use)


def test_pipes_are_refused(disk: BlobStore, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    os.mkfifo(folder / "pipe")

    with pytest.raises(UserError) as caught:
        disk.put_directory(folder)

    assert caught.value.message == f"`{folder}/pipe` is neither a file nor a folder"


@pytest.mark.parametrize("path", ["../evil", "/etc/evil", "a/../../evil", "", "a\0b"])
def test_a_listing_cannot_write_outside_its_folder(path: str, store: BlobStore) -> None:
    blob = store.put_bytes(b"x", format="bytes")
    listing = listing_bytes(Listing((ListedFile(path, blob.digest, 1),)))
    reference = store.put_bytes(listing, format="directory", name="folder")

    with pytest.raises(StoreError) as caught:
        store.fetch(reference)

    assert caught.value.message == f"`{reference.uri}` lists `{path}`, which is not below the folder"
    assert caught.value.hint == "Somebody else wrote this listing: do not use it"


def test_a_blob_that_lists_nothing_is_refused(store: BlobStore) -> None:
    reference = store.put_bytes(b"no listing", format="directory")

    with pytest.raises(StoreError, match="does not list a folder: JSON is malformed"):
        store.fetch(reference)


@pytest.mark.parametrize("name", ["../x", "a/b", "..", "x\0"])
def test_a_name_cannot_lead_elsewhere(name: str, store: BlobStore) -> None:
    reference = msgspec.structs.replace(store.put_bytes(b"x", format="bytes"), name=name)

    with pytest.raises(StoreError) as caught:
        store.fetch(reference)

    assert caught.value.message == f"`{name}` of the blob at `{reference.uri}` is not the name of a file"


READS: dict[str, Callable[[BlobStore, Reference], Any]] = {
    "read": BlobStore.read_bytes,
    "fetch": BlobStore.fetch,
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_missing_blob_is_said(read: Callable[[BlobStore, Reference], Any], store: BlobStore) -> None:
    reference = store.put_bytes(b"abc", format="bytes", name="x")
    _delete(reference)

    with pytest.raises(StoreError) as caught:
        read(store, reference)

    assert caught.value.message == f"No blob at `{reference.uri}`"
    assert caught.value.hint == "It was deleted, or the store was moved: run the step that made it again"
    assert caught.value.kind is ErrorKind.SYSTEM


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_corrupt_blob_is_never_read(read: Callable[[BlobStore, Reference], Any], store: BlobStore) -> None:
    reference = store.put_bytes(b"abd", format="bytes", name="x")
    _damage(reference, b"abc")

    with pytest.raises(StoreError) as caught:
        read(store, reference)

    assert caught.value.message == (
        f"The blob at `{reference.uri}` is corrupt: its digest is `sha256:{ABC}`, not `{reference.digest}`"
    )
    assert caught.value.hint == "Delete it and run the step that made it again"


def test_a_full_disk_is_said_and_leaves_nothing_behind(
    disk: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_a_full_disk(dir: Path) -> tuple[int, str]:
        path = Path(dir) / "partial"
        path.touch()
        return os.open("/dev/full", os.O_WRONLY), str(path)

    monkeypatch.setattr(tempfile, "mkstemp", on_a_full_disk)

    with pytest.raises(StoreError) as caught:
        disk.put_bytes(b"abc", format="bytes")

    assert caught.value.message == f"No space left to write to the store `{tmp_path}/blobs`"
    assert caught.value.hint == "Free space there, or put the store elsewhere; then run again"
    assert [*(tmp_path / "blobs").rglob("*")] == [tmp_path / "blobs" / "tmp"]


def test_a_store_that_cannot_be_a_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreError) as caught:
        BlobStore(tmp_path / "file").put_bytes(b"x", format="bytes")

    assert caught.value.message == f"Cannot write to the store `{tmp_path}/file`: Not a directory"


def test_a_service_that_does_not_answer_may_do_so_later() -> None:
    store = BlobStore("http://127.0.0.1:9/blobs")

    with pytest.raises(TransientError) as caught:
        store.read_bytes(Reference("nosuchprotocol://x/y", f"sha256:{ABC}", 3, "bytes"))

    assert caught.value.message.startswith(
        "Cannot read `nosuchprotocol://x/y`: ValueError: Protocol not known"
    )


@pytest.mark.parametrize(
    ("put", "message"),
    [
        (lambda store, path: store.put_file(path / "no"), "No file `{}/no`"),
        (lambda store, path: store.put_directory(path / "no"), "No folder `{}/no`"),
    ],
)
def test_what_is_not_there_cannot_be_kept(
    put: Callable[[BlobStore, Path], Any], message: str, store: BlobStore, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        put(store, tmp_path)

    assert caught.value.message == message.format(tmp_path)


def test_a_store_that_was_moved_still_finds_its_blobs(tmp_path: Path, disk: BlobStore) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a").write_text("x")
    references = disk.put_bytes(b"abc", format="bytes", name="x"), disk.put_directory(folder)
    shutil.move(tmp_path / "blobs", tmp_path / "elsewhere")

    moved = BlobStore(tmp_path / "elsewhere")

    assert moved.read_bytes(references[0]) == b"abc"
    assert (moved.fetch(references[1]) / "a").read_text() == "x"


def test_a_store_reads_what_another_wrote(tmp_path: Path, disk: BlobStore) -> None:
    remote = BlobStore(f"memory://other-{tmp_path.name}")
    reference = remote.put_bytes(b"abc", format="bytes", name="x")

    assert disk.read_bytes(reference) == b"abc"
    assert disk.fetch(reference).read_bytes() == b"abc"


def test_a_store_travels_to_another_process_by_its_root(store: BlobStore) -> None:
    reference = store.put_bytes(b"abc", format="bytes")

    assert pickle.loads(pickle.dumps(store)).read_bytes(reference) == b"abc"


def test_a_file_url_is_a_local_folder(tmp_path: Path) -> None:
    assert BlobStore(f"file://{tmp_path}/with%20space").root == f"{tmp_path}/with space"


def test_fetched_copies_go_with_the_store(disk: BlobStore, tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "blobs")
    path = store.fetch(store.put_bytes(b"abc", format="bytes", name="x"))
    assert path.exists()

    del store

    assert not path.exists()


def _damage(reference: Reference, data: bytes) -> None:
    if "://" in reference.uri:
        files, path = fsspec.core.url_to_fs(reference.uri)
        files.pipe_file(path, data)
    else:
        Path(reference.uri).chmod(0o644)
        Path(reference.uri).write_bytes(data)


def _delete(reference: Reference) -> None:
    files, path = fsspec.core.url_to_fs(reference.uri)
    files.rm_file(path)


def test_a_named_file_lies_under_its_own_ending(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "blobs")
    page = store.put_bytes(b"<html>", format="bytes", name="report.html")
    again = store.put_bytes(b"<html>", format="bytes", name="report.html")
    plain = store.put_bytes(b"<html>", format="bytes", name="odd.{}")
    assert page.uri == again.uri == f"{plain.uri}.html"
    assert Path(page.uri).samefile(plain.uri)
    assert store.read_bytes(page) == b"<html>"


def test_a_named_file_is_found_in_a_store_that_was_moved(tmp_path: Path) -> None:
    page = BlobStore(tmp_path / "old").put_bytes(b"<html>", format="bytes", name="report.html")
    (tmp_path / "old").rename(tmp_path / "new")
    assert BlobStore(tmp_path / "new").read_bytes(page) == b"<html>"
