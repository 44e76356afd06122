"""Files appear whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from mixlab.errors import StorageError
from mixlab.storage import replaced_folder, storage_error, write_whole


@pytest.mark.parametrize(
    "content", ["Žluťoučký\n", "Žluťoučký\n".encode(), lambda file: file.write("Žluťoučký\n".encode())]
)
def test_text_bytes_and_what_a_function_writes_are_on_disk_in_new_folders(tmp_path, content):
    path = tmp_path / "a" / "b" / "file"
    write_whole(path, content)
    assert path.read_text(encoding="utf-8") == "Žluťoučký\n"
    assert [child.name for child in path.parent.iterdir()] == ["file"]


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "file"
    write_whole(path, "before")

    def breaks_off(file):
        file.write(b"half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_whole(path, breaks_off)
    assert path.read_text() == "before"
    assert [child.name for child in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageError, match=r"file cannot be written to \(.*\); choose another folder\."):
        write_whole(tmp_path / "file" / "below", "text")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_called_full(tmp_path, number):
    assert "No space is left" in str(storage_error(tmp_path, OSError(number, "full")))
    # NumPy's short write has no number.
    assert "No space is left" in str(storage_error(tmp_path, OSError("100 requested and 7 written")))


def test_a_file_is_on_the_disk_before_it_takes_its_name_and_its_name_after(tmp_path, monkeypatch):
    done = []
    flush, rename = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda number: done.append("flush") or flush(number))
    monkeypatch.setattr(Path, "replace", lambda path, target: done.append("rename") or rename(path, target))
    write_whole(tmp_path / "file", "text")
    assert done == ["flush", "rename", "flush"]


def test_a_folder_is_replaced_whole_or_stays_as_it_was(tmp_path):
    folder = tmp_path / "adapter"
    for content in ("first", "second"):
        with replaced_folder(folder) as new:
            (new / content).write_text(content)
    with pytest.raises(StorageError, match="No space is left"), replaced_folder(folder):
        raise OSError(errno.ENOSPC, "full")
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]
    assert [path.name for path in folder.iterdir()] == ["second"]
