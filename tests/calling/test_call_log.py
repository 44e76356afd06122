"""Answers survive a kill: whole lines, a torn end cut off, one process at a time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mixlab.calling.call_log import CallLog, Reply, request_key
from mixlab.errors import InputFileError, StorageError

WRITER = """
import sys
from pathlib import Path
from mixlab.calling.call_log import CallLog, Reply
with CallLog(Path(sys.argv[1])) as log:
    number = 0
    while True:
        log.append(f"key {number}", Reply("x" * 5000))
        print(number, flush=True)
        number += 1
"""


def test_answers_are_there_when_the_file_is_opened_again(tmp_path):
    path = tmp_path / "deep" / "calls.jsonl"
    reply = Reply("a\nb\u2028\ud800", "stop", "m", 3, None)
    with CallLog(path) as log:
        log.append("k", reply)
        assert log.get("k") == reply
    with CallLog(path) as log:
        assert log.get("k").text.startswith("a\nb\u2028")
        assert log.get("other") is None
        assert len(log) == 1


def test_a_torn_last_line_is_cut_off_and_the_next_line_is_whole(tmp_path):
    path = tmp_path / "calls.jsonl"
    with CallLog(path) as log:
        log.append("a", Reply("1"))
    with path.open("ab") as file:
        file.write(b'{"key": "b", "te')
    with CallLog(path) as log:
        assert len(log) == 1
        log.append("c", Reply("3"))
    assert [json.loads(line)["key"] for line in path.read_text().splitlines()] == ["a", "c"]


def test_a_process_killed_while_it_writes_leaves_all_that_it_said_it_had_written(tmp_path):
    path = tmp_path / "calls.jsonl"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True)
    said = [int(writer.stdout.readline()) for _ in range(20)]
    writer.send_signal(signal.SIGKILL)
    said += [int(line) for line in writer.stdout.read().split()]
    writer.wait()
    with CallLog(path) as log:
        assert all(log.get(f"key {number}") is not None for number in said)
        assert len(log) - len(said) in (0, 1)


def test_several_threads_write_whole_lines(tmp_path):
    path = tmp_path / "calls.jsonl"
    with CallLog(path) as log, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: log.append(str(number), Reply("y" * 3000)), range(100)))
    assert sorted(int(json.loads(line)["key"]) for line in path.read_text().splitlines()) == list(range(100))


def test_a_second_process_that_asks_the_same_model_is_told_to_wait(tmp_path):
    with CallLog(tmp_path / "calls.jsonl"), pytest.raises(StorageError, match="is in use by another process"):
        CallLog(tmp_path / "calls.jsonl")
    CallLog(tmp_path / "calls.jsonl").close()


@pytest.mark.parametrize("bad", ["{", "[]", '{"text": "no key"}', '{"key": "k", "answer": 1}'])
def test_a_line_that_is_no_answer_is_named(tmp_path, bad):
    path = tmp_path / "calls.jsonl"
    path.write_text(json.dumps({"key": "a", "text": "1"}) + f"\n{bad}\n")
    with pytest.raises(InputFileError, match=r"calls\.jsonl, line 2 is no answer"):
        CallLog(path)
    path.write_text("")
    CallLog(path).close()


def test_a_full_disk_is_said_and_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "calls.jsonl"
    with CallLog(path) as log:
        log.append("a", Reply("1"))
        write, parts = os.write, []

        def half(file, content):
            if parts:
                raise OSError(28, "No space left on device")
            parts.append(content)
            return write(file, content[: len(content) // 2])

        monkeypatch.setattr(os, "write", half)
        with pytest.raises(StorageError, match="No space is left"):
            log.append("b", Reply("2"))
        monkeypatch.undo()
        assert log.get("b") is None
    with CallLog(path) as log:
        assert len(log) == 1


def test_a_folder_that_cannot_be_written_to_is_named():
    with pytest.raises(StorageError, match="/proc/nowhere cannot be written to"):
        CallLog(Path("/proc/nowhere/calls.jsonl"))


def test_a_call_is_named_by_all_that_was_asked():
    request = {"model": "m", "messages": [{"role": "user", "content": "?"}], "temperature": 0.7}
    keys = {
        request_key("http://a", request, 0),
        request_key("http://b", request, 0),
        request_key("http://a", request, 1),
        request_key("http://a", {**request, "temperature": 0.8}, 0),
    }
    assert len(keys) == 4
    assert request_key("http://a", dict(reversed(request.items())), 0) in keys
