"""Preparation and its faults: killed at any moment, a full disk, a read-only place, two processes at once."""

import hashlib
import multiprocessing
import os
import random
import signal
import subprocess
import time

import numpy as np
import pytest
import soundfile

from mixlab.errors import StorageError
from mixlab.multitrack.demo.source import DemoSource
from mixlab.multitrack.folder import FolderSource
from mixlab.multitrack.index import segment_index
from mixlab.multitrack.preparation import prepare

RATE = 16000
SOURCE = DemoSource(train_songs=16, validation_songs=2, test_songs=6, shifted_songs=0, duration_s=3.0)
KILLS = 20


def prepare_all(cache, workers=1):
    """What a process does that prepares and measures."""
    segment_index(prepare(SOURCE, cache, RATE, workers), 2.0, 1.0, -60.0)


def bytes_of(folder):
    """Every file below a folder, with a digest of its bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The bytes of a preparation that nothing disturbed, and how long it took."""
    cache = tmp_path_factory.mktemp("undisturbed")
    started = time.monotonic()
    prepare_all(cache)
    return bytes_of(cache), time.monotonic() - started


def start(cache, workers=1):
    process = multiprocessing.get_context("fork").Process(target=prepare_all, args=(cache, workers))
    process.start()
    return process


def test_twenty_kills_at_random_moments_and_a_last_start_end_in_the_same_bytes(undisturbed, tmp_path):
    expected, duration_s = undisturbed
    moments = random.Random(7)
    struck = 0
    for _ in range(KILLS):
        process = start(tmp_path)
        process.join(moments.uniform(0.0, duration_s / KILLS))
        process.kill()
        process.join()
        struck += process.exitcode == -signal.SIGKILL
    assert struck >= KILLS // 2
    prepare_all(tmp_path)
    assert bytes_of(tmp_path) == expected


def test_workers_end_with_a_parent_that_is_killed(undisturbed, tmp_path):
    process = start(tmp_path, workers=2)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("songs/*.npy")) and time.monotonic() < deadline:
        time.sleep(0.02)
    workers = children_of(process.pid)
    assert workers
    process.kill()
    process.join()
    while any(map(is_running, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_running, workers))
    prepare_all(tmp_path)
    assert bytes_of(tmp_path) == undisturbed[0]


def children_of(process):
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True, check=False)
    return [int(number) for number in found.stdout.split()]


def is_running(process):
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False)
    return bool(state.stdout.strip()) and not state.stdout.strip().startswith("Z")


def test_two_processes_at_once_end_in_the_same_bytes_and_share_the_work(undisturbed, tmp_path):
    both = [start(tmp_path), start(tmp_path)]
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert bytes_of(tmp_path) == undisturbed[0]


@pytest.fixture
def mounted(tmp_path):
    """A function that mounts a small file system in memory; it is gone after the test."""
    folder = tmp_path / "mounted"
    folder.mkdir()

    def mount(options):
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], capture_output=True, check=False)
        if done.returncode != 0:
            pytest.skip("this user may not mount a file system")
        return folder

    yield mount
    subprocess.run(["umount", folder], capture_output=True, check=False)


def test_a_full_disk_is_said_in_a_sentence_and_what_was_stored_is_kept(undisturbed, mounted):
    cache = mounted("size=2m")
    with pytest.raises(StorageError, match=r"No space is left for .*songs; free some, or choose"):
        prepare_all(cache)
    stored = list(cache.glob("songs/*.json"))
    assert 0 < len(stored) < len(SOURCE.entries())
    assert not list(cache.glob("songs/.tmp-*"))
    subprocess.run(["mount", "-o", "remount,size=64m", cache], check=True)
    prepare_all(cache)
    assert bytes_of(cache) == undisturbed[0]


def test_a_read_only_cache_is_said_in_a_sentence(mounted):
    cache = mounted("size=1m,ro")
    with pytest.raises(
        StorageError, match=r"songs cannot be written to \(Read-only file system\); choose another folder"
    ):
        prepare_all(cache)


def test_a_stored_song_is_read_from_a_read_only_cache(mounted):
    cache = mounted("size=64m")
    prepare_all(cache)
    subprocess.run(["mount", "-o", "remount,ro", cache], check=True)
    prepare_all(cache)


def test_the_lock_of_a_process_killed_just_after_it_stored_a_song_is_removed(undisturbed, tmp_path):
    prepare_all(tmp_path)
    song = next(tmp_path.glob("songs/*.json"))
    (song.parent / f".{song.stem}.lock").touch()
    prepare_all(tmp_path)
    assert bytes_of(tmp_path) == undisturbed[0]


def test_a_leftover_of_a_process_that_lives_is_left_alone(tmp_path):
    prepare_all(tmp_path)
    host = os.uname().nodename
    theirs, others = (tmp_path / "songs" / f".tmp-{name}-x.npy" for name in (f"{host}-{os.getpid()}", "elsewhere-1"))
    for path in (theirs, others):
        path.write_bytes(b"half")
    prepare_all(tmp_path)
    assert theirs.exists()
    assert others.exists()


def test_songs_in_a_read_only_folder_are_prepared_elsewhere(mounted, tmp_path):
    root = mounted("size=8m")
    for song, seed in (("A", 1), ("B", 2)):
        for number, stem in enumerate(("bass", "drums")):
            (root / song).mkdir(exist_ok=True)
            noise = 0.1 * np.random.default_rng(seed + number).standard_normal(2 * RATE)
            soundfile.write(root / song / f"{stem}.wav", noise, RATE)
    subprocess.run(["mount", "-o", "remount,ro", root], check=True)
    source = FolderSource(str(root), validation_share=0.0, test_share=0.5)
    assert set(prepare(source, tmp_path / "cache", RATE, 1).songs) == {"A", "B"}
