"""Room items: items drawn from songs: every training example a pure function of (seed, epoch, index)."""

from __future__ import annotations

import copy
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mixlab.errors import ConfigError
from mixlab.items.bank import ItemBank, TrueBalance
from mixlab.items.settings import ItemSettings
from mixlab.language.banks import HELD_OUT, Banks
from mixlab.multitrack.demo.source import DemoSource
from mixlab.multitrack.preparation import prepare
from mixlab.multitrack.segments import Segment, group_by_song, list_segments
from mixlab.multitrack.song import MultitrackSource
from mixlab.multitrack.statistics import UsualBalance, usual_balance
from mixlab.multitrack.store import SongStore
from mixlab.synthesis.anchor import fixed_anchor
from mixlab.synthesis.augment import Augmentation, CrossSong
from mixlab.synthesis.draw import draw_problem, drawable
from mixlab.synthesis.example import Example, Layout, make_example
from mixlab.synthesis.problem import Problem, PromptCategory
from mixlab.synthesis.protocol import ProblemProtocol, PromptProtocol
from mixlab.synthesis.seeds import generator

log = logging.getLogger(__name__)

UNSEEN_SPLITS = ("test", "shifted")
"""Those whose prompts are worded in paraphrases that are held out."""


class SongExamples:
    """Makes problems audible and readable from a store, in the words of banks of templates.

    Args:
        usual: the balance of the training songs as it is heard; None where responses give no reasons.
    """

    def __init__(self, store: SongStore, layout: Layout, banks: Banks, usual: UsualBalance | None = None) -> None:
        self.store, self.layout, self.banks, self.usual = store, layout, banks, usual

    def example(self, problem: Problem) -> Example:
        """The example of a problem."""
        loans = {loan.stem: loan for loan in problem.borrowed}
        own = [stem for stem in problem.stems if stem not in loans]
        places = [(problem.song_id, own, problem.start_s, problem.duration_s)]
        places += [(loan.song_id, [loan.stem], loan.start_s, problem.duration_s) for loan in problem.borrowed]
        stems: dict[str, NDArray[np.float32]] = {}
        lufs: dict[str, float] = {}
        for place in places:
            stems |= self.store.read(*place)
            lufs |= self.store.lufs(*place)
        return make_example(problem, stems, self.layout, self.banks, lufs, self.usual)


class DrawnTraining:
    """Endless training problems.

    Songs are visited in a new order in every pass, so that all are heard equally often; segment, error, prompt, claim
    and wording are drawn anew each time, and augmentations by a generator of their own.

    Args:
        store: of the songs.
        segments: of the training songs.
        protocol: how problems are drawn.
        seed: of all draws.
        augmentation: what is changed beside the protocol.
        cross_song: needed where stems may come from several songs.
    """

    def __init__(
        self,
        store: SongStore,
        segments: Sequence[Segment],
        protocol: ProblemProtocol,
        seed: int,
        augmentation: Augmentation,
        cross_song: CrossSong | None = None,
    ) -> None:
        self.store, self.protocol, self.seed = store, protocol, seed
        self.augmentation, self.cross_song = augmentation, cross_song
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
        problem = draw_problem(segment, self.protocol, rng, item_id=f"train-{epoch}-{index}")
        song_s = self.store.songs[problem.song_id].duration_s
        return self.augmentation.apply(problem, song_s, self.cross_song, generator(self.seed, "augment", epoch, index))


class DrawnItems(ItemBank):
    """Items drawn from a source of songs.

    Args:
        source: where songs come from. The other arguments are those of `ItemBank`.

    Raises:
        ConfigError: if stems of several songs are to be mixed and the songs are no demo songs, the anchor is no role,
            or a template of a bank cannot be read back.
    """

    def __init__(self, source: MultitrackSource, settings: ItemSettings, sample_rate: int) -> None:
        super().__init__(settings, sample_rate)
        probability = settings.data.augmentation.cross_song_probability
        if probability > 0 and not isinstance(source, DemoSource):
            raise ConfigError(
                f"data.augmentation.cross_song_probability is {probability:g}, but "
                "there is no true balance between stems of different songs unless they were made to one, as demo songs "
                "are; set it to 0 or choose dataset=demo."
            )
        for prompt in (settings.prompt, settings.evaluation.prompt):
            _ = prompt.banks  # read and checked before songs are rendered
        self.source = source
        self.store: SongStore
        anchor = fixed_anchor(settings.anchor.stem)
        if anchor is not None and anchor not in self.roles:
            raise ConfigError(
                f"anchor.stem is '{anchor}', but the roles of these songs are {', '.join(self.roles)}; choose one of "
                "them, or a rule such as anchor=random."
            )

    @property
    def roles(self) -> tuple[str, ...]:
        """Those of the source."""
        return self.source.roles

    def prepare(self) -> None:
        """Bring the songs into the store."""
        self.store = prepare(self.source, self.cache_dir, self.sample_rate, self.data.prepare_workers)

    def setup(self) -> None:
        """List the segments of every split.

        Raises:
            ConfigError: if no training segment is left.
        """
        if self.segments:
            return
        self.prepare()
        for split in sorted({song.split for song in self.store.songs.values()}):
            rules = self.data if split == "train" else self.heldout
            segments, dropped = list_segments(
                self.store,
                self.store.split(split),
                fixed_anchor(self.settings.anchor.stem),
                self.data.segment_s,
                rules.segment_step_s,
                rules.gates,
            )
            able = drawable(segments, self.training_protocol if split == "train" else self.heldout_protocol)
            if len(able) < len(segments):
                dropped["segments_without_target"] = len(segments) - len(able)
            self.segments[split], self.dropped[split] = able, dict(Counter(dropped))
        mixed = any(song.work for song in self.store.songs.values())
        if mixed and (self.settings.error.relative or self.heldout.error.relative):
            raise ConfigError(
                "error.kind is relative, where a stem is exactly right or off by a gap, but these songs have several "
                "mixes (dataset.mixes), whose mixers differ; choose error and evaluation/error of another kind, or set "
                "dataset.mixes to false."
            )
        if not self.segments.get("train"):
            raise ConfigError(
                f"No segment of {self.data.segment_s:g} s with {self.needs} is left to train on "
                f"(dropped: {self.dropped.get('train', {})}); choose another anchor, loosen data.gates or check "
                "dataset.root."
            )
        for split in ("validation", "test"):
            if not self.segments.get(split):
                log.warning(
                    "No %s items are left (dropped: %s)", split, self.dropped.get(split, "no songs in the split")
                )

    def training(self) -> DrawnTraining:
        """The training problems by (epoch, index)."""
        segments, augmentation = self.segments["train"], self.data.augmentation
        cross_song = None
        if augmentation.cross_song_probability > 0 and isinstance(self.source, DemoSource):
            balance_db = {genre: self.source.balance_db(genre) for s in segments if (genre := s.genre) is not None}
            cross_song = CrossSong(self.store, segments, balance_db, self.source.sigma_db, self.data.level)
        return DrawnTraining(self.store, segments, self.training_protocol, self.seed, augmentation, cross_song)

    @property
    def examples(self) -> SongExamples:
        """What makes examples of held-out problems."""
        return self._worded(self.heldout.prompt)

    @property
    def training_examples(self) -> SongExamples:
        """What makes examples of training problems."""
        return self._worded(self.settings.prompt)

    def _worded(self, prompt: PromptProtocol) -> SongExamples:
        heard = [replace(segment, lufs_source={}) for segment in self.segments["train"]] if prompt.reasons else ()
        return SongExamples(self.store, self.inputs, prompt.banks, usual_balance(heard) if prompt.reasons else None)

    def problems(self, split: str) -> list[Problem]:
        """The held-out items of a split.

        They depend on `heldout` and the anchor alone. Each song gives as many items; prompt categories of positive
        weight take turns within a song, in an order drawn for each song, so that every song is asked in every way.
        What is tested, and no model chosen by, is asked in paraphrases that are held out of training.
        """
        asked, protocol = self.heldout, self.heldout_protocol
        per_song = asked.validation_items_per_song if split == "validation" else asked.items_per_song
        allowed = [category for category in PromptCategory if category in asked.prompt.shares]
        problems = []
        for song_id, segments in group_by_song(self.segments.get(split, [])).items():
            order = generator(asked.seed, split, song_id).permutation(len(allowed))
            for number in range(per_song):
                rng = generator(asked.seed, split, song_id, number)
                segment = segments[rng.integers(len(segments))]
                category = allowed[order[number % len(allowed)]]
                problem = draw_problem(segment, protocol, rng, f"{song_id}-{number}", category)
                problems.append(replace(problem, unseen_wording=split in UNSEEN_SPLITS))
        return problems

    def tuning_problems(self, count: int) -> list[Problem]:
        """Problems on training songs; a function of the evaluation's seed."""
        protocol = self.heldout_protocol
        segments = drawable(self.segments["train"], protocol)
        problems = []
        for index in range(count):
            rng = generator(self.heldout.seed, "tuning", index)
            problems.append(draw_problem(segments[rng.integers(len(segments))], protocol, rng, f"tuning-{index}"))
        return problems

    def notes(self) -> list[str]:
        """Sentences on songs that are not served, or not as one may think."""
        own = self.heldout.prompt.prompts
        if self.heldout.prompt.banks.prompts.held_out is not None:
            return list(self.store.notes)
        return [*self.store.notes, f"Tests are worded as training is: {own} has no part {HELD_OUT}."]

    def song_lufs(self, problem: Problem) -> Mapping[str, float]:
        """Integrated loudness of the stems over the whole unmodified song, at the source's own rate."""
        return self.store.songs[problem.song_id].song_lufs

    def true_balance(self) -> TrueBalance | None:
        """What the songs' balance was drawn from: known for demo songs, None for all others."""
        if not isinstance(self.source, DemoSource):
            return None
        genres = sorted({str(song.genre) for song in self.store.songs.values()})
        return TrueBalance({genre: self.source.balance_db(genre) for genre in genres}, self.source.sigma_db)

    def as_trained(self) -> DrawnItems | None:
        """As `ItemBank.as_trained`."""
        asked = self.heldout
        if (self.settings.error, self.settings.prompt.words) == (asked.error, asked.prompt.words):
            return None
        own = copy.copy(self)
        trained = asked.but(error=self.settings.error, prompt=self.settings.prompt)
        own.settings = self.settings.but(evaluation=trained)
        own.segments = self.segments | {"test": drawable(self.segments.get("test", []), own.heldout_protocol)}
        for known in ("_segment_of", "_segments_of_song"):
            own.__dict__.pop(known, None)
        return own
