"""Files appear whole or not at all."""

import errno

import pytest

from mixlab.errors import StorageError
from mixlab.storage import storage_error, write_whole


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
