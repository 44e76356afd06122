"""Room calling: answers of a server, kept in a file that is only ever appended to, by what was asked."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mixlab.errors import InputFileError, StorageError
from mixlab.storage import storage_error


@dataclass(frozen=True)
class Reply:
    """What a server answered: the text, why it ended, who says to have answered, and the tokens that it counted."""

    text: str
    finish: str | None = None
    model: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


def request_key(endpoint: str, request: Mapping[str, Any], draw: int) -> str:
    """The name of a call by its content: who is asked what, and the how manieth draw it is."""
    content = {"endpoint": endpoint, "request": request, "draw": draw}
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


class CallLog:
    """Answers by key, in memory and on disk; used as a context, within which no other process can open it.

    A line is written at once and synchronised before `append` returns, so that a kill at any moment leaves whole lines,
    and at most one torn line at the end, which is cut off when the file is opened again.

    Args:
        path: the file; it and its folders are created.

    Raises:
        StorageError: if another process has it open, or it cannot be written to.
        InputFileError: if a line is no answer.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._replies: dict[str, Reply] = {}
        self._writing = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(f"{path}.lock", timeout=0)
            self._lock.acquire()
        except Timeout:
            raise StorageError(
                f"{path} is in use by another process that asks the same model; wait until it is done, or stop it."
            ) from None
        except OSError as error:
            raise storage_error(path.parent, error) from error
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            self._read()
        except OSError as error:
            self._lock.release()
            raise storage_error(path.parent, error) from error
        except InputFileError:
            self.close()
            raise

    def __enter__(self) -> CallLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)
        self._lock.release()

    def __len__(self) -> int:
        return len(self._replies)

    def get(self, key: str) -> Reply | None:
        """The answer to a call, or None where it was not made yet."""
        return self._replies.get(key)

    def append(self, key: str, reply: Reply) -> None:
        """Keep an answer; on return it is on the disk.

        Raises:
            StorageError: if it cannot be written; the file is as it was before.
        """
        line = (json.dumps({"key": key, **asdict(reply)}, ensure_ascii=False) + "\n").encode(errors="replace")
        with self._writing:
            size = os.fstat(self._file).st_size
            try:
                written = os.write(self._file, line)
                while written < len(line):
                    written += os.write(self._file, line[written:])
                os.fsync(self._file)
            except OSError as error:
                os.ftruncate(self._file, size)
                raise storage_error(self.path.parent, error) from error
            self._replies[key] = reply

    def _read(self) -> None:
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.ftruncate(self._file, whole)
        for number, line in enumerate(content[:whole].split(b"\n"), start=1):
            if not line:
                continue
            try:
                record = json.loads(line)
                key = record.pop("key")
                self._replies[key] = Reply(**record)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise InputFileError(
                    f"{self.path}, line {number} is no answer of a model ({error}); remove the line, and only that "
                    "call is made again."
                ) from None
