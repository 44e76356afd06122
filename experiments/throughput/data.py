"""How many examples one core makes in a second, beside other ways to serve them: python experiments/throughput/data.py.

Songs in the shape of MUSDB18-HQ (44.1 kHz, stereo, 16 bit; demo songs) are written into a temporary folder and prepared
as for a training run. Then, in turns and on the same songs: training examples (waveforms, prompt, response, tokens),
mixes rendered beforehand and read with librosa, and random chunks of musdb's own tracks. The last line is one JSON
object.

Seconds are CPU seconds of this process and those that it starts, so that other work on the machine hardly counts.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import resource
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import soundfile
import torch

from mixlab.audio.blocks import resample
from mixlab.audio.files import to_mono
from mixlab.chat.collate import Collator
from mixlab.chat.datasets import TrainingExamples
from mixlab.chat.encoder import ChatEncoder
from mixlab.cli.run import composed
from mixlab.items.build import build_bank
from mixlab.models.recipes import read_chat
from mixlab.multitrack.demo.source import DemoSource
from mixlab.multitrack.song import STEMS
from mixlab.runs.settings import TrainSettings
from mixlab.settings import parse
from mixlab.training.data import MixDataModule

SOURCE_RATE = 44100
MODEL_RATE = 16000
SEGMENT_S = 10.0
PRERENDERED = 40
COPIED_BYTES = 2**28
INPUTS = ("anchor_rest", "stems")


def cpu_s() -> float:
    """CPU seconds that this process and its finished children have used."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def rate(make: Callable[[], Any], times: int) -> float:
    """Calls of `make` in a CPU second."""
    started = cpu_s()
    for _ in range(times):
        make()
    return times / (cpu_s() - started)


def write_songs(root: Path, songs: int, duration_s: float) -> None:
    """Demo songs in the shape of MUSDB18-HQ: ``train/<title>/<stem>.wav`` and the mixture, stems panned apart."""
    source = DemoSource(songs, 0, 0, 0, duration_s=duration_s, sample_rate=SOURCE_RATE)
    for entry in source.entries():
        loaded = source.load(entry)
        folder = root / "train" / f"Demo - {entry.song_id}"
        folder.mkdir(parents=True)
        mixture = np.zeros((loaded.stems["bass"].shape[1], 2))
        for number, stem in enumerate(STEMS):
            pan = np.array([1.0 - 0.1 * number, 0.7 + 0.1 * number])
            samples = loaded.stems[stem].T / 32768.0 * pan
            soundfile.write(folder / f"{stem}.wav", samples, SOURCE_RATE, subtype="PCM_16")
            mixture += samples
        soundfile.write(folder / "mixture.wav", mixture / np.abs(mixture).max(), SOURCE_RATE, subtype="PCM_16")


def data_module(cache: Path, *overrides: str) -> MixDataModule:
    """What ``mixlab train`` serves its examples with, songs prepared."""
    values = composed("train", *overrides, f"paths.cache={cache}", "data.prepare_workers=1")
    settings = parse(values, TrainSettings)
    encoder = ChatEncoder(read_chat(settings.model))
    data = MixDataModule(build_bank(settings, encoder.sample_rate), encoder, features_in_worker=False)
    data.setup()
    return data


def endless_examples(dataset: TrainingExamples) -> Callable[[], Any]:
    """The next training example with every call, none twice."""
    numbers = itertools.count()
    return lambda: dataset[0, next(numbers)]


def endless_batches(data: MixDataModule) -> Callable[[], Any]:
    """Sixteen examples as a batch with waveforms, with every call."""
    example, collate = endless_examples(data.training_examples()), Collator(data.encoder, features=False)
    return lambda: collate([example() for _ in range(16)])


def librosa_mixes(root: Path, folder: Path, files: int) -> Callable[[], Any]:
    """The next of some mixes of 10 s, rendered beforehand and read with ``librosa.load(sr=16000)``."""
    import librosa

    mixtures = sorted(root.glob("train/*/mixture.wav"))
    rng = np.random.default_rng(0)
    folder.mkdir()
    for number in range(files):
        path = mixtures[number % len(mixtures)]
        frames = round(SEGMENT_S * SOURCE_RATE)
        start = rng.integers(soundfile.info(path).frames - frames)
        samples, _ = soundfile.read(path, frames=frames, start=int(start))
        soundfile.write(folder / f"{number}.wav", samples, SOURCE_RATE, subtype="PCM_16")
    paths = itertools.cycle(sorted(folder.iterdir()))
    return lambda: librosa.load(next(paths), sr=MODEL_RATE)


def musdb_chunks(root: Path) -> Callable[[], Any]:
    """Four stems of a random 10 s chunk of a track as musdb reads it from WAV, mono at the model's rate."""
    import musdb

    tracks = musdb.DB(root=str(root), is_wav=True, subsets=["train"]).tracks
    rng = np.random.default_rng(0)

    def chunk() -> list[np.ndarray]:
        track = tracks[rng.integers(len(tracks))]
        track.chunk_duration = SEGMENT_S
        track.chunk_start = rng.uniform(0, track.duration - SEGMENT_S)
        stems = [track.sources[stem].audio.astype(np.float32) for stem in STEMS]
        return [resample(to_mono(stem.T), SOURCE_RATE, MODEL_RATE) for stem in stems]

    return chunk


def copied_bytes_per_s() -> float:
    """Memory bandwidth of one core: bytes read and written in a CPU second by a copy that no cache holds."""
    source = np.ones(COPIED_BYTES, dtype=np.uint8)
    target = np.empty_like(source)
    return max(2 * COPIED_BYTES * rate(lambda: np.copyto(target, source), 1) for _ in range(5))


def clips_and_bytes(dataset: TrainingExamples, examples: int = 100) -> tuple[float, float]:
    """Clips of an example, and the bytes that it cannot do without: stems read once, clips written once; means."""
    clips, moved = [], []
    for index in range(examples):
        example = dataset[1, index].example
        clips.append(len(example.clips))
        # Resampled songs are stored in float32.
        read = len(example.problem.stems) * round(SEGMENT_S * MODEL_RATE) * 4
        moved.append(read + sum(clip.samples.nbytes for clip in example.clips))
    return float(np.mean(clips)), float(np.mean(moved))


def parts_ms(data: MixDataModule, times: int) -> dict[str, float]:
    """Where the time of an example goes, in CPU ms: the parts by themselves, on the same problems."""
    dataset, encoder = data.training_examples(), data.encoder
    training, maker = dataset.problems, dataset.examples
    problems = [training.problem(2, index) for index in range(times)]
    examples = [maker.example(problem) for problem in problems]

    def each(make: Callable[[Any], Any], items: list[Any]) -> float:
        turn = itertools.cycle(items)
        return 1000 / rate(lambda: make(next(turn)), len(items))

    numbers = list(range(times))
    return {
        "draw": each(lambda index: training.problem(3, index), numbers),
        "audio_and_words": each(maker.example, problems),
        "tokens": each(lambda e: encoder.encode_text(e.clips, e.prompt, e.response), examples),
        "log_mel_beside": each(lambda e: encoder.features([clip.samples for clip in e.clips]), examples),
    }


def anonymous_mb(cache: str, songs: int, examples: int) -> float:
    """Memory of a fresh process that makes examples of that many songs: resident, without pages of files."""
    data = data_module(Path(cache), *demo_songs(songs))
    example = endless_examples(data.training_examples())
    for _ in range(examples):
        example()
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) / 1024


def demo_songs(songs: int) -> tuple[str, ...]:
    counts = {"train": songs, "validation": 1, "test": 1, "shifted": 0}
    return ("dataset=demo", *(f"dataset.{split}_songs={count}" for split, count in counts.items()))


def memory(cache: Path, counts: list[int], examples: int) -> dict[str, float]:
    """`anonymous_mb` for each number of songs, prepared before."""
    found = {}
    for songs in counts:
        data_module(cache, *demo_songs(songs))
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            found[f"anonymous_mb_{songs}_songs"] = pool.submit(anonymous_mb, str(cache), songs, examples).result()
    return found


def in_turns(makers: Mapping[str, tuple[Callable[[], Any], int]], rounds: int) -> dict[str, float]:
    """The median rate of each maker over rounds in which all take turns, after a round to warm up."""
    rates: dict[str, list[float]] = {name: [] for name in makers}
    for number in range(rounds + 1):
        for name, (make, times) in makers.items():
            found = rate(make, times)
            if number > 0:
                rates[name].append(found)
    return {name: statistics.median(found) for name, found in rates.items()}


def measure(root: Path, scratch: Path, rounds: int, examples: int) -> dict[str, float]:
    """All figures on the songs in `root`, by name; those of the clips anchor and rest have no suffix."""
    overrides = ("dataset=musdb18hq", f"dataset.root={root}")
    data = {inputs: data_module(scratch / "cache", *overrides, f"inputs={inputs}") for inputs in INPUTS}
    datasets = {inputs: module.training_examples() for inputs, module in data.items()}
    makers = {inputs: (endless_examples(dataset), examples) for inputs, dataset in datasets.items()}
    makers |= {f"batches_{inputs}": (endless_batches(data[inputs]), -(-examples // 16)) for inputs in INPUTS}
    files = min(PRERENDERED, examples)
    makers["librosa"] = (librosa_mixes(root, scratch / "mixes", files), files)
    if shutil.which("ffmpeg") and shutil.which("ffprobe"):
        makers["musdb"] = (musdb_chunks(root), 2)
    else:
        print("musdb needs the programs ffmpeg and ffprobe; its row is left out.", file=sys.stderr)
    rates = in_turns(makers, rounds)
    bandwidth = copied_bytes_per_s()
    figures: dict[str, float] = {}
    for inputs, suffix in zip(INPUTS, ("", "_stems"), strict=True):
        found, (clips, moved) = rates[inputs], clips_and_bytes(datasets[inputs])
        figures |= {
            f"examples_per_second_per_core{suffix}": found,
            f"ratio_librosa{suffix}": found / rates["librosa"],
            f"ratio_librosa_clip_for_clip{suffix}": found * clips / rates["librosa"],
            f"ratio_musdb{suffix}": found / rates["musdb"] if "musdb" in rates else float("nan"),
            f"bandwidth_share{suffix}": found * moved / bandwidth,
            f"batched_examples_per_second_per_core{suffix}": 16 * rates[f"batches_{inputs}"],
            f"moved_mb_per_example{suffix}": moved / 1e6,
        }
        figures |= {f"{part}_ms{suffix}": spent for part, spent in parts_ms(data[inputs], examples).items()}
    return figures | {
        "librosa_files_per_second": rates["librosa"],
        "musdb_chunks_per_second": rates.get("musdb", float("nan")),
        "bandwidth_gb_per_s": bandwidth / 1e9,
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print.

    Args:
        argv: arguments, those of the command line unless given.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=int, default=10)
    parser.add_argument("--duration-s", type=float, default=30.0, help="of a song; more than 10")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--examples", type=int, default=300, help="in each round")
    parser.add_argument("--memory-songs", type=int, nargs="*", default=[10, 100])
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        write_songs(scratch / "songs", arguments.songs, arguments.duration_s)
        figures = measure(scratch / "songs", scratch, arguments.rounds, arguments.examples)
        figures |= memory(scratch / "cache", arguments.memory_songs, arguments.examples)
    for name, figure in figures.items():
        print(f"{name:45} {figure:10.3f}")
    print(json.dumps({name: None if np.isnan(figure) else round(figure, 4) for name, figure in figures.items()}))


if __name__ == "__main__":
    main()
