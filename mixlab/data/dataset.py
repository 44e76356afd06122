"""Room data: datasets whose items are pure functions of (seed, epoch, index), and the sampler that names them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler

from mixlab.data.encoder import ChatEncoder, EncodedText
from mixlab.multitrack.segments import Segment
from mixlab.multitrack.store import SongStore
from mixlab.synthesis.augment import Augmentation, CrossSong
from mixlab.synthesis.draw import ProblemProtocol, draw_problem, right_advice
from mixlab.synthesis.example import Example, Inputs, make_example
from mixlab.synthesis.problem import Problem, PromptCategory
from mixlab.synthesis.seeds import generator


@dataclass(frozen=True)
class EncodedExample:
    """An example ready to be collated; `waveforms` are its sounds (mostly its clips), each of shape (samples,)."""

    example: Example
    text: EncodedText
    waveforms: tuple[NDArray[np.float32], ...]


class ExampleMaker:
    """Makes problems audible and readable from a store, and encodes them."""

    def __init__(self, store: SongStore, protocol: ProblemProtocol, inputs: Inputs, encoder: ChatEncoder) -> None:
        self.store = store
        self.protocol = protocol
        self.inputs = inputs
        self.encoder = encoder

    def example(self, problem: Problem) -> Example:
        """The example of a problem."""
        loans = {loan.stem: loan for loan in problem.borrowed}
        own = [stem for stem in problem.stems if stem not in loans]
        stems = self.store.read(problem.song_id, own, problem.start_s, problem.duration_s)
        for loan in problem.borrowed:
            stems |= self.store.read(loan.song_id, [loan.stem], loan.start_s, problem.duration_s)
        return make_example(problem, stems, self.inputs, right_advice(problem, self.protocol.error))

    def encode(self, problem: Problem, with_response: bool, audio_of: Problem | None = None) -> EncodedExample:
        """The encoded example; without the response for generation.

        Args:
            audio_of: the problem whose clips are heard in place of its own, for probes.
        """
        example = self.example(problem)
        if audio_of is not None:
            example = replace(example, clips=self.example(audio_of).clips)
        text = self.encoder.encode_text(example.clips, example.prompt, example.response if with_response else None)
        return EncodedExample(example, text, self.encoder.chat.sounds(example.clips))


class TrainingExamples(Protocol):
    """Endless training examples, each a pure function of (seed, epoch, index)."""

    def problem(self, epoch: int, index: int) -> Problem:
        """The problem of an example."""
        ...

    def __getitem__(self, key: tuple[int, int]) -> EncodedExample: ...


class TrainingDataset(Dataset[EncodedExample]):
    """Endless training examples: ``dataset[epoch, index]``.

    Songs are visited in a new order in every pass, so that all are heard equally often; segment, error, prompt, claim
    and wording are drawn anew each time, and augmentations by a generator of their own.

    Args:
        maker: makes the examples, by the training protocol.
        segments: of the training songs.
        seed: of all draws.
        augmentation: what is changed beside the protocol.
        cross_song: needed where stems may come from several songs.
    """

    def __init__(
        self,
        maker: ExampleMaker,
        segments: Sequence[Segment],
        seed: int,
        augmentation: Augmentation | None = None,
        cross_song: CrossSong | None = None,
    ) -> None:
        self.maker = maker
        self.seed = seed
        self.augmentation, self.cross_song = augmentation or Augmentation(), cross_song
        self.by_song = group_by_song(segments)
        self.song_ids = sorted(self.by_song)
        self._order: tuple[tuple[int, int], NDArray[np.int64]] | None = None

    def problem(self, epoch: int, index: int) -> Problem:
        """The problem of a training example: a pure function of (seed, epoch, index)."""
        passes, position = divmod(index, len(self.song_ids))
        if self._order is None or self._order[0] != (epoch, passes):
            # One draw a pass and not one an example, which would cost more the more songs there are.
            order = generator(self.seed, "order", epoch, passes).permutation(len(self.song_ids))
            self._order = ((epoch, passes), order)
        rng = generator(self.seed, "train", epoch, index)
        segments = self.by_song[self.song_ids[self._order[1][position]]]
        segment = segments[rng.integers(len(segments))]
        problem = draw_problem(segment, self.maker.protocol, rng, item_id=f"train-{epoch}-{index}")
        song_s = self.maker.store.songs[problem.song_id].duration_s
        return self.augmentation.apply(problem, song_s, self.cross_song, generator(self.seed, "augment", epoch, index))

    def __getitem__(self, key: tuple[int, int]) -> EncodedExample:
        return self.maker.encode(self.problem(*key), with_response=True)


class ProblemDataset(Dataset[EncodedExample]):
    """A fixed list of problems, as validation and test use it; with `audio_of`, each with another one's clips."""

    def __init__(
        self,
        maker: ExampleMaker,
        problems: Sequence[Problem],
        with_response: bool,
        audio_of: Sequence[Problem] | None = None,
    ) -> None:
        self.maker = maker
        self.problems = problems
        self.with_response = with_response
        self.audio_of = audio_of

    def __len__(self) -> int:
        return len(self.problems)

    def __getitem__(self, index: int) -> EncodedExample:
        other = None if self.audio_of is None else self.audio_of[index]
        return self.maker.encode(self.problems[index], self.with_response, other)


class EpochSampler(Sampler[tuple[int, int]]):
    """Yields ``(epoch, index)`` for a fixed number of examples an epoch, shared among processes in turn.

    Lightning calls `set_epoch`. Since an example is a function of its name alone, the state of a run is the number of
    examples that it has trained on: with `go_on`, an epoch starts at the very next one. Two processes with half the
    batch see together, in every step, what one process sees.

    Args:
        examples_per_epoch: of all processes together.
        process, processes: number of this process and of all, for training on several devices.
    """

    def __init__(self, examples_per_epoch: int, process: int = 0, processes: int = 1) -> None:
        self.examples_per_epoch = examples_per_epoch
        self.process, self.processes = process, processes
        self.epoch = 0
        self._begun: tuple[int, int] | None = None

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def go_on(self, epoch: int, examples: int) -> None:
        """Start `epoch`, and no other, after the first `examples` of it."""
        self.epoch = epoch
        self._begun = (epoch, examples)

    def __len__(self) -> int:
        """Examples of a whole epoch for this process, whether it is gone on with in the middle or not."""
        return self.examples_per_epoch // self.processes

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch = self.epoch
        first = self._begun[1] if self._begun is not None and self._begun[0] == epoch else 0
        whole = len(self) * self.processes
        return ((epoch, index) for index in range(first + self.process, whole, self.processes))


def group_by_song(segments: Sequence[Segment]) -> dict[str, list[Segment]]:
    """Segments by song id, in their order."""
    by_song: dict[str, list[Segment]] = defaultdict(list)
    for segment in segments:
        by_song[segment.song_id].append(segment)
    return dict(by_song)


def frozen_problems(
    segments: Sequence[Segment], protocol: ProblemProtocol, items_per_song: int, seed: int, split: str
) -> list[Problem]:
    """The items of a validation or test set: they depend on `seed` (``evaluation.seed``) and the protocol alone.

    Each song gives `items_per_song` items; prompt categories of positive weight take turns within a song, in an order
    drawn for each song, so that every song is asked in every way.
    """
    allowed = [category for category in PromptCategory if protocol.prompt.weights.get(category, 0.0) > 0]
    problems = []
    for song_id, song_segments in group_by_song(segments).items():
        order = generator(seed, split, song_id).permutation(len(allowed))
        for number in range(items_per_song):
            rng = generator(seed, split, song_id, number)
            segment = song_segments[rng.integers(len(song_segments))]
            category = allowed[order[number % len(allowed)]]
            problems.append(draw_problem(segment, protocol, rng, f"{song_id}-{number}", category))
    return problems
