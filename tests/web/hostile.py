"""Files that a stranger might send to a server with the limits `LIMITS`, and what is said to each of them."""

import io
import stat
import struct
import zipfile

import numpy as np
import soundfile

from mixlab.web.uploads import Limits

LIMITS = Limits(file_mb=1.0, total_mb=2.0, files=4, duration_s=30.0, total_samples=1_000_000)


def sound(rate=16000, channels=1, seconds=1.0, form="WAV", subtype=None):
    samples = 0.1 * np.random.default_rng(0).standard_normal((round(rate * seconds), channels))
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form, subtype=subtype)
    return file.getvalue()


def header(rate=16000, channels=1, declared=64, bits=16, kind=1):
    """A WAV that says of itself what the arguments say, with 64 bytes of sound."""
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", kind, channels, rate, (rate * block) & 0xFFFFFFFF, block & 0xFFFF, bits)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", declared) + bytes(64)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def zipped(*entries, method=zipfile.ZIP_STORED, mode=None, encrypted=False):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in entries:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            if mode is not None:
                info.external_attr = mode << 16
            archive.writestr(info, content)
    data = file.getvalue()
    if encrypted:
        # The flag of the entry in the central directory and before its data.
        for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            at = data.index(mark) + offset
            data = data[:at] + b"\x01" + data[at + 1 :]
    return data


def lying(data):
    """An archive whose only entry says that it is smaller than it is."""
    at = data.index(b"PK\x01\x02") + 24
    return data[:at] + struct.pack("<I", 100) + data[at + 4 :]


WAV = sound()
HOSTILE = {
    "empty": ("bass.wav", b"", "is empty"),
    "too large": ("bass.wav", WAV + bytes(1_000_001), "at most 1 MB"),
    "text as wav": ("bass.wav", b"hello" * 50, "cannot be read"),
    "page as wav": ("bass.wav", b"<html><script>alert(1)</script>", "cannot be read"),
    "program as wav": ("bass.wav", b"\x7fELF" + bytes(500), "cannot be read"),
    "picture as wav": ("bass.wav", b"\x89PNG\r\n\x1a\n" + bytes(500), "cannot be read"),
    "zip as wav": ("bass.wav", zipped(("bass.wav", WAV)), "cannot be read"),
    "flac as wav": ("bass.wav", sound(form="FLAC"), "holds FLAC"),
    "wav as mp3": ("bass.mp3", WAV, "holds WAV"),
    "wav as ogg": ("bass.ogg", WAV, "holds WAV"),
    "program": ("run.exe", b"MZ" + bytes(100), "not a kind of file"),
    "page": ("bass.html", b"<script>alert(1)</script>", "not a kind of file"),
    "svg": ("bass.svg", b"<svg onload='alert(1)'/>", "not a kind of file"),
    "pickle": ("bass.pkl", b"\x80\x04.", "not a kind of file"),
    "raw": ("bass.raw", bytes(1000), "not a kind of file"),
    "two extensions": ("bass.wav.exe", WAV, "not a kind of file"),
    "no extension": ("bass", WAV, "not a kind of file"),
    "broken off": ("bass.wav", WAV[: len(WAV) // 2], "breaks off"),
    "header alone": ("bass.wav", WAV[:44], "breaks off|no samples|cannot be read"),
    "broken flac": ("bass.flac", sound(form="FLAC", seconds=3)[:20000] + bytes(20000), "bass.flac"),
    "rate of 1 Hz": ("bass.wav", header(rate=1), "1 Hz|cannot be read"),
    "rate of 2 GHz": ("bass.wav", header(rate=2_000_000_000), "Hz|cannot be read"),
    "65535 channels": ("bass.wav", header(channels=65535, declared=64), "channels|cannot be read|no samples"),
    "8 channels": ("bass.wav", sound(channels=8, seconds=0.5), "8 channels"),
    "no channels": ("bass.wav", header(channels=0), "cannot be read|channels"),
    "hours of silence": ("bass.flac", sound(form="FLAC", rate=8000, seconds=1) and None, "minutes long"),
    "4 GB declared": ("bass.wav", header(declared=0xFFFF0000 - 1), "breaks off"),
    "not a number": ("bass.wav", None, "not finite"),
    "control characters": ("ba\x01ss.wav", WAV, "cannot be seen"),
    "line break": ("ba\nss.wav", WAV, "cannot be seen"),
    "reversed writing": ("ba\u202evaw.wav", WAV, "cannot be seen"),
    "zero width": ("ba\u200bss.wav", WAV, "cannot be seen"),
    "long name": ("b" * 150 + ".wav", WAV, "too long"),
    "no zip": ("stems.zip", b"PK\x03\x04" + bytes(100), "zip archive"),
    "empty zip": ("stems.zip", zipped(), "holds no audio"),
    "zip of notes": ("stems.zip", zipped(("notes.txt", "hi")), "holds no audio"),
    "broken zip": ("stems.zip", zipped(("bass.wav", WAV))[:-40], "zip archive"),
    "path out": ("stems.zip", zipped(("../../bass.wav", WAV)), "leads out"),
    "absolute path": ("stems.zip", zipped(("/etc/bass.wav", WAV)), "leads out"),
    "drive": ("stems.zip", zipped(("C:\\bass.wav", WAV)), "leads out"),
    "backslashes out": ("stems.zip", zipped(("..\\..\\bass.wav", WAV)), "leads out"),
    "link": ("stems.zip", zipped(("bass.wav", "/etc/passwd"), mode=stat.S_IFLNK | 0o777), "link or a device"),
    "device": ("stems.zip", zipped(("bass.wav", ""), mode=stat.S_IFCHR | 0o777), "link or a device"),
    "zip in a zip": ("stems.zip", zipped(("more.zip", zipped(("bass.wav", WAV)))), "archive in an archive"),
    "bomb": ("stems.zip", zipped(("a.wav", bytes(20_000_000)), method=zipfile.ZIP_DEFLATED), "grows 50-fold"),
    "many entries": ("stems.zip", zipped(*((f"{n}.txt", "") for n in range(600))), "600 entries"),
    "many tracks": ("stems.zip", zipped(*((f"{n}.wav", WAV) for n in range(5))), "5 audio files"),
    "large together": ("stems.zip", zipped(*((f"{n}.wav", bytes(600_000)) for n in range(4)),
                       method=zipfile.ZIP_BZIP2), "2 MB|grows"),
    "password": ("stems.zip", zipped(("bass.wav", WAV), encrypted=True), "password"),
    "lies about size": ("stems.zip", lying(zipped(("bass.wav", WAV))), "more than it says|zip archive"),
    "disguised in a zip": ("stems.zip", zipped(("bass.wav", b"hello" * 50)), "cannot be read"),
    "control characters in a zip": ("stems.zip", zipped(("ba\x07ss.wav", WAV)), "cannot be seen"),
}  # fmt: skip

RENAMED = ("control characters", "line break")
"""Cases that a server never sees: Gradio drops these characters from the name of an upload."""


def content_of(case):
    name, content, _ = HOSTILE[case]
    if case == "hours of silence":
        file = io.BytesIO()
        soundfile.write(file, np.zeros(8000 * 3600), 8000, format="FLAC")
        return name, file.getvalue()
    if case == "not a number":
        file = io.BytesIO()
        soundfile.write(file, np.full(16000, np.nan), 16000, format="WAV", subtype="FLOAT")
        return name, file.getvalue()
    return name, content
