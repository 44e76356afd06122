"""Shared by the tests of sources that read files: tones written where a data set would have its tracks."""

import numpy as np
import pytest
import soundfile


@pytest.fixture
def write_tone():
    """Writes a sine to a file: its frequency tells afterwards which file was read."""

    def write(path, hertz=200.0, seconds=0.5, rate=8000, channels=1):
        wave = 0.1 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.stack([wave] * channels, axis=1), rate)

    return write


@pytest.fixture
def hertz_of():
    """The frequencies that are in a stem, in Hz."""

    def frequencies(samples, rate):
        power = np.abs(np.fft.rfft(samples[0]))
        peaks = np.flatnonzero(power > 0.25 * power.max())
        return {round(float(peak * rate / samples.shape[1])) for peak in peaks}

    return frequencies
