"""Room audio: what a file tells of the place of its first sample, which soundfile does not pass on."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BEXT_TIME = 338
"""Where a bext chunk (EBU Tech 3285) holds the time reference, in samples since midnight."""

_MOST_CHUNKS = 1000
_TAG = re.compile(rb"(?:Xing|Info)\0\0\0(.)", re.DOTALL)
_TAG_PARTS = ((1, 4), (2, 4), (4, 100), (8, 4))
"""Flags of a Xing header and the bytes that each adds before the encoder's own part (LAME's, in which the delay is)."""

_DELAY = 21
_RATES_HZ = (44_100, 48_000, 32_000)
_KBIT_S = (
    (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
)
"""Of layer III (ISO 11172-3 and 13818-3): half and quarter rates have bit rates of their own, the first row."""


def time_reference(path: Path) -> int | None:
    """The time reference of a Broadcast Wave file, in samples; None for files that have none.

    Raises:
        OSError: if the file cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(12)
        if start[:4] not in (b"RIFF", b"RF64", b"BW64") or start[8:] != b"WAVE":
            return None
        for _ in range(_MOST_CHUNKS):
            head = file.read(8)
            if len(head) < 8:
                return None
            size = struct.unpack("<I", head[4:])[0]
            if head[:4] == b"bext":
                low_high = file.read(_BEXT_TIME + 8)[_BEXT_TIME:]
                return struct.unpack("<Q", low_high)[0] if len(low_high) == 8 else None
            file.seek(size + size % 2, 1)
    return None


@dataclass(frozen=True)
class Mp3Facts:
    """What an MP3 tells beside its sound.

    Attributes:
        has_delay: whether it tells how many samples its encoder put before the sound, which decoders then take away.
            Without that it starts late, by 1105 samples if the encoder was LAME.
        has_length: whether its length is told, or follows from its size since the bit rate is constant.
    """

    has_delay: bool
    has_length: bool


def mp3_facts(path: Path) -> Mp3Facts:
    """Read the first frame of an MP3, and the head of every frame where that one tells nothing.

    Raises:
        OSError: if the file cannot be read.
    """
    data = path.read_bytes()
    # An ID3v2 tag before the first frame; its length is four times seven bits.
    start = 10 + sum(byte << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=False))
    start = start if data[:3] == b"ID3" else 0
    tag = _TAG.search(data, start, start + 64)
    if tag is None:
        return Mp3Facts(False, len(set(_bit_rates(data, start))) < 2)
    at = tag.end() + sum(size for flag, size in _TAG_PARTS if tag[1][0] & flag) + _DELAY
    return Mp3Facts(any(data[at : at + 3]), bool(tag[1][0] & 1))


def _bit_rates(data: bytes, at: int) -> Iterator[int]:
    """The bit rate of each frame of layer III from a place on, in kbit/s, up to the first that is none."""
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] & 0xE6 == 0xE2:
        version, bit_rate, rate = data[at + 1] >> 3 & 3, data[at + 2] >> 4, data[at + 2] >> 2 & 3
        if version == 1 or not 0 < bit_rate < 15 or rate == 3:
            return
        kbit_s = _KBIT_S[version == 3][bit_rate - 1]
        yield kbit_s
        rate_hz = _RATES_HZ[rate] >> {3: 0, 2: 1, 0: 2}[version]
        at += (144_000 if version == 3 else 72_000) * kbit_s // rate_hz + (data[at + 2] >> 1 & 1)
