"""The overall level of a mix tells next to nothing about what is wrong with it."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from mixlab.audio.levels import rms_dbfs
from mixlab.audio.loudness import POWER_HOP_S, integrated_lufs
from mixlab.multitrack.demo.source import DemoSource
from mixlab.multitrack.preparation import prepare
from mixlab.multitrack.segments import Gates, list_segments
from mixlab.synthesis.draw import draw_problem
from mixlab.synthesis.example import LAYOUTS, make_example
from mixlab.synthesis.protocol import LevelProtocol
from mixlab.synthesis.seeds import generator

ITEMS = 3000
TOLERANCE = 0.03
KINDS = ("single", "several", "relative", "deadband")
CLASSIFIED = ["single", *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS[1:])]


@pytest.fixture(scope="module")
def forty_songs(tmp_path_factory):
    """The store of 20 training and 20 test songs, with their segments."""
    source = DemoSource(train_songs=20, validation_songs=0, test_songs=20, shifted_songs=0, duration_s=12.0)
    store = prepare(source, tmp_path_factory.mktemp("leak"), 16000, workers=1)
    return store, {
        split: list_segments(store, store.split(split), "bass", 10.0, 1.0, Gates())[0] for split in ("train", "test")
    }


def heard(forty_songs, protocol, split: str) -> tuple[np.ndarray, list[str]]:
    """Loudness of the mixture of drawn problems in LUFS, shape (items, 1), and what each needs (``lower drums``).

    The powers of the stems are added, as those of different instruments are.
    """
    store, segments = forty_songs
    levels = {song.song_id: store.levels(song.song_id) for song in store.split(split)}
    powers, classes = [], []
    for index in range(ITEMS):
        rng = generator(5, split, index)
        segment = segments[split][rng.integers(len(segments[split]))]
        problem = draw_problem(segment, protocol, rng, str(index))
        rows = [store.songs[problem.song_id].stems.index(stem) for stem in problem.stems]
        gains_db = [problem.heard_gain_db(stem) for stem in problem.stems]
        first, hops = round(problem.start_s / POWER_HOP_S), round(problem.duration_s / POWER_HOP_S)
        stems = levels[problem.song_id].k_power[rows, first : first + hops]
        powers.append(10 ** (np.asarray(gains_db) / 10) @ stems)
        needed_db = problem.needed_gains_db
        classes.append(", ".join(f"{'raise' if needed_db[stem] > 0 else 'lower'} {stem}" for stem in sorted(needed_db)))
    return integrated_lufs(np.stack(powers))[:, None], classes


def accuracies(heard_by_split, asked=lambda needed: needed) -> tuple[float, float]:
    """Accuracy on test songs of a classifier that hears the loudness alone, and of the most common answer.

    Args:
        asked: what of the needed moves is to be told.
    """
    (loudness, classes), (test_loudness, test_classes) = heard_by_split
    classes, test_classes = [asked(needed) for needed in classes], [asked(needed) for needed in test_classes]
    classifier = DecisionTreeClassifier(max_leaf_nodes=12, random_state=0).fit(loudness, classes)
    most_common = max(set(classes), key=classes.count)
    return classifier.score(test_loudness, test_classes), test_classes.count(most_common) / ITEMS


def louder_or_quieter(needed: str) -> int:
    """Whether more stems have to be raised than lowered (1), or the other way (-1)."""
    return int(np.sign(needed.count("raise") - needed.count("lower")))


@pytest.fixture(scope="module")
def protocol_of(protocol, several, relative, deadband):
    """The protocol of a kind of errors, at the levels of the configuration unless another master gain is asked for."""
    errors = {"single": protocol.error, "several": several, "relative": relative, "deadband": deadband}

    def build(kind: str, anchor: str = "bass", master_range_db: float = 18.0):
        level = LevelProtocol(headroom_dbfs=-32.0, master_range_db=master_range_db)
        return replace(protocol, error=errors[kind], anchor=anchor, level=level)

    return build


@pytest.fixture(scope="module")
def heard_of(forty_songs, protocol_of):
    """What is heard and needed in training and test songs of a kind of errors; drawn once."""

    @cache
    def build(*kind):
        return [heard(forty_songs, protocol_of(*kind), split) for split in ("train", "test")]

    return build


@pytest.mark.parametrize("anchor", ["bass", pytest.param("random", marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", CLASSIFIED)
def test_a_classifier_that_hears_the_loudness_alone_is_at_chance(heard_of, kind, anchor):
    """Within 3 points of the most common answer, on songs it was not fitted to.

    Measured with the bass as anchor: single errors 0.213 against 0.208, several 0.215 against 0.208, relative 0.125
    against 0.129.
    """
    accuracy, chance = accuracies(heard_of(kind, anchor))
    assert accuracy <= chance + TOLERANCE, f"loudness alone {accuracy:.3f}, most common answer {chance:.3f}"


@pytest.mark.parametrize("kind", CLASSIFIED)
def test_the_loudness_hardly_tells_whether_stems_are_too_loud_or_too_quiet(heard_of, kind):
    """Chance is not met exactly: the master gain is uniform over +-18 dB, so that a mix at either end of the range is
    likelier to have been pushed there by errors (one of 12 dB on a dominant stem raises the mixture by several dB).

    Measured: single errors 0.431 against 0.408 for the most common answer, several 0.375 against 0.342, relative 0.397
    against 0.398, where what is loud and what is to be moved are different things.
    """
    accuracy, chance = accuracies(heard_of(kind, "bass"), louder_or_quieter)
    assert accuracy <= chance + 1.5 * TOLERANCE, f"loudness alone {accuracy:.3f}, most common answer {chance:.3f}"


@pytest.mark.parametrize(
    ("kind", "lead"),
    [
        ("single", 0.15),
        pytest.param("several", 0.05, marks=pytest.mark.slow),
        pytest.param("relative", 0.03, marks=pytest.mark.slow),
    ],
)
def test_without_the_master_gain_loudness_would_give_the_answer_away(heard_of, kind, lead):
    """The same classifier, so that the tests above are known to see a leak where there is one. Measured: 0.391 and
    0.289 against 0.208, and 0.171 against 0.129."""
    accuracy, chance = accuracies(heard_of(kind, "bass", 0.0))
    assert accuracy > chance + lead, f"loudness alone {accuracy:.3f}, most common answer {chance:.3f}"


@pytest.mark.parametrize("kind", KINDS)
def test_the_loudness_of_all_clips_together_is_the_same_in_every_layout(forty_songs, protocol_of, kind):
    """So that what the classifier cannot tell in one layout it cannot tell in another."""
    store, segments = forty_songs
    protocol = protocol_of(kind)
    for index, segment in enumerate(segments["test"][:5]):
        problem = draw_problem(segment, protocol, generator(6, index), str(index))
        stems = store.read(problem.song_id, problem.stems, problem.start_s, problem.duration_s)
        examples = [make_example(problem, stems, layout) for layout in LAYOUTS.values()]
        sums = [np.sum([clip.samples for clip in example.clips], axis=0) for example in examples]
        assert np.ptp([rms_dbfs(mixture) for mixture in sums]) < 1e-3
