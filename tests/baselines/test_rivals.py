"""Rivals that hear the clip, on made data whose best answer is an integral that can be written down."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from mixlab.baselines.base import Facts, ListenedItem, NotAvailable, predictions_of
from mixlab.baselines.levels import Levels, usual_levels
from mixlab.baselines.loudness import LoudnessRuleGenre
from mixlab.baselines.registry import BASELINES, build_baselines
from mixlab.baselines.timbre import timbre
from mixlab.multitrack.segments import Segment
from mixlab.scoring import score
from mixlab.synthesis.draw import draw_problem
from mixlab.synthesis.problem import PromptCategory
from mixlab.synthesis.protocol import ProblemProtocol, PromptProtocol
from tests.closed_form import BALANCED, LOUD, ONE_STEM, QUIET, best_joint
from tests.conftest import train_settings

RIVALS = ("loudness_rule_heard", "bayes_unknown", "bayes_heard", "bayes_known", "anchor_deaf", "boosting")
MEANS_DB = {"folk": -5.0, "punk": 5.0}
"""Usual loudness above the bass, of every stem, so far apart that an error looks like the other genre."""
SD_DB = 2.0


@cache
def make(
    songs: int,
    stems: tuple[str, ...] = ("bass", "drums"),
    *,
    seed: int = 0,
    timbres: bool = True,
    prompts: tuple[PromptCategory, ...] = (PromptCategory.AUDIO_ONLY,),
) -> list[ListenedItem]:
    """One item a song: every stem beside the bass is normal around its genre's mean with `SD_DB`.

    Args:
        timbres: whether genres sound different.
    """
    settings, rng = train_settings(), np.random.default_rng(seed)
    prompt = PromptProtocol(weights=dict.fromkeys(prompts, 1.0 / len(prompts)))
    protocol = ProblemProtocol("bass", settings.error, prompt, settings.data.level)
    items = []
    for song in range(songs):
        genre = list(MEANS_DB)[song % len(MEANS_DB)]
        lufs = {stem: -20.0 + (stem != "bass") * (MEANS_DB[genre] + SD_DB * rng.standard_normal()) for stem in stems}
        segment = Segment(f"{seed}-{song}", "test", genre, 0.0, 10.0, tuple(sorted(stems)), -20.0, lufs)
        problem = draw_problem(segment, protocol, rng, f"item-{seed}-{song}")
        heard = {stem: lufs[stem] + problem.heard_gain_db(stem) for stem in problem.stems}
        slope = np.linspace(0.0, 0.3, 6) * (timbres and genre == "punk")
        log_mel = np.stack(
            [0.025 * heard[stem] + slope[:, None] + 0.03 * rng.standard_normal((6, 3)) for stem in problem.stems]
        )
        clips = tuple((stem,) for stem in problem.stems)
        items.append(ListenedItem(problem, problem.right_advice, heard, lufs, log_mel.astype(np.float32), clips))
    return items


KNOWN, UNKNOWN = (best_joint(ONE_STEM, means_db, SD_DB) for means_db in ((0.0,), tuple(MEANS_DB.values())))
ITEMS = 1000
WITHIN = 0.035
"""About three standard errors of a share of so many items, and what fitting on as many costs."""


@pytest.fixture(scope="module")
def rival(error):
    """Fits a rival on made songs, once each."""
    fitted = {}

    def found(name, stems=("bass", "drums"), **made):
        key = (name, stems, *made.items())
        if key not in fitted:
            fitted[key] = build_baselines([name], Facts(error=error))[0][name]
            fitted[key].fit(make(ITEMS, stems, seed=1, **made))
        return fitted[key]

    return found


def joint(baseline, items):
    return score(predictions_of(items, baseline.advise(items)), resamples=0).headline["joint_accuracy"]


def test_the_integrals_are_what_they_should_be():
    assert best_joint(ONE_STEM, sd_db=0.1) == pytest.approx(1.0, abs=1e-3)
    assert best_joint(ONE_STEM, sd_db=9.0) == pytest.approx(0.61, abs=0.01)
    assert KNOWN > UNKNOWN + 0.15


@pytest.mark.parametrize(
    ("name", "timbres", "best"),
    [
        ("bayes_known", False, KNOWN),
        ("bayes_heard", True, KNOWN),
        ("bayes_heard", False, UNKNOWN),
        ("bayes_unknown", True, UNKNOWN),
        ("loudness_rule_heard", True, KNOWN),
        ("boosting", True, KNOWN),
        ("boosting", False, UNKNOWN),
    ],
)
def test_a_rival_reaches_the_best_that_its_kind_of_listener_can(rival, name, timbres, best):
    found = joint(rival(name, timbres=timbres), make(ITEMS, seed=2, timbres=timbres))
    assert found == pytest.approx(best, abs=WITHIN)


def test_who_never_hears_the_anchor_knows_of_two_stems_their_difference_and_of_one_nothing(rival):
    classes = [(0.2, ranges_db) for ranges_db in (LOUD, QUIET, LOUD, QUIET, BALANCED)]
    two = ("bass", "drums", "vocals")
    best = best_joint(classes, sd_db=SD_DB * np.sqrt(2.0))
    assert joint(rival("anchor_deaf", two), make(ITEMS, two, seed=2)) == pytest.approx(best, abs=WITHIN)
    assert joint(rival("anchor_deaf"), make(ITEMS, seed=2)) == pytest.approx(0.4, abs=WITHIN)
    assert best < joint(rival("bayes_known", two), make(ITEMS, two, seed=2)) - 0.1


def test_a_gain_on_the_anchor_alone_changes_no_answer_of_who_is_deaf_to_it(rival):
    stems = ("bass", "drums", "vocals")
    items = make(60, stems, seed=2)
    turned = [
        replace(
            item,
            segment_lufs={**item.segment_lufs, "bass": item.segment_lufs["bass"] + 6.0},
            log_mel=item.log_mel + np.float32(0.15) * (np.arange(3) == 0)[:, None, None],
        )
        for item in items
    ]
    deaf, hearing = rival("anchor_deaf", stems), rival("bayes_heard", stems)
    assert deaf.advise(turned) == deaf.advise(items)
    assert np.mean([a != b for a, b in zip(hearing.advise(turned), hearing.advise(items), strict=True)]) > 0.5


@pytest.mark.parametrize("name", RIVALS)
def test_genre_labels_are_used_in_fitting_only_unless_the_genre_is_told(rival, name):
    items = make(60, seed=2)
    unlabelled = [replace(item, problem=replace(item.problem, genre=None)) for item in items]
    as_before = rival(name, timbres=True).advise(items) == rival(name, timbres=True).advise(unlabelled)
    assert as_before == (BASELINES[name].told == "")


def test_told_a_genre_that_training_never_had_bayes_weighs_all_of_them(rival):
    items = [replace(item, problem=replace(item.problem, genre="polka")) for item in make(60, seed=2)]
    assert rival("bayes_known", timbres=False).advise(items) == rival("bayes_unknown", timbres=True).advise(items)


@pytest.mark.parametrize(("name", "means_db"), [("bayes_heard", (0.0,)), ("bayes_unknown", tuple(MEANS_DB.values()))])
def test_bayes_counts_how_probable_a_claim_is(rival, name, means_db):
    # Half the claims are the right one, the others one of the two wrong ones.
    said = [
        [(p * (0.5 if right == claimed else 0.25), r) for right, (p, r) in enumerate(ONE_STEM)] for claimed in range(3)
    ]
    best = sum(best_joint(classes, means_db, SD_DB) for classes in said)
    assert best > best_joint(ONE_STEM, means_db, SD_DB)
    claims = (PromptCategory.CORRECT_DESCRIPTION, PromptCategory.INCORRECT_DESCRIPTION)
    items, baseline = make(ITEMS, seed=2, prompts=claims), rival(name, timbres=True)
    found = score(predictions_of(items, baseline.advise(items)), resamples=0).headline
    assert found["claimed_joint_accuracy"] == pytest.approx(best, abs=WITHIN)


@pytest.mark.parametrize("name", RIVALS)
def test_a_stem_that_is_silent_or_was_never_heard_leaves_an_answer_and_no_warning(rival, name):
    stems = ("bass", "drums", "vocals")
    items = make(8, stems, seed=2)
    silent = [replace(item, segment_lufs={**item.segment_lufs, "drums": -np.inf}) for item in items]
    assert len(rival(name, stems).advise(silent)) == 8
    # Training had neither vocals nor any anchor but the bass.
    other = [replace(item, problem=replace(item.problem, anchor="vocals")) for item in items]
    for asked in (items, other):
        assert len(rival(name, timbres=True).advise(asked)) == 8


def test_bayes_is_not_to_be_had_where_nobody_knows_how_errors_are_drawn():
    with pytest.raises(NotAvailable, match="no bayes_heard"):
        BASELINES["bayes_heard"].of(Facts())


def test_who_knows_more_than_a_model_says_what():
    told = {name: kind.told for name, kind in BASELINES.items() if kind.told}
    assert set(told) == {"loudness_rule_genre", "loudness_rule_source", "loudness_rule_source_genre", "bayes_known",
                         "oracle"}  # fmt: skip
    assert told["oracle"] == "the whole song"


def test_where_genres_sound_apart_the_rule_that_hears_them_is_the_rule_that_is_told(rival):
    items, told = make(200, seed=2), LoudnessRuleGenre()
    told.fit(make(ITEMS, seed=1))
    assert rival("loudness_rule_heard", timbres=True).advise(items) == told.advise(items)


def test_timbre_tells_no_level():
    clip = np.random.default_rng(0).random((64, 9))
    assert timbre(clip + 0.3) == pytest.approx(timbre(clip))
    assert timbre(clip).shape == (32,)
    assert timbre(clip[::-1]) != pytest.approx(timbre(clip))


def test_levels_part_into_what_songs_do_and_what_clips_do():
    rng = np.random.default_rng(0)
    song_db = np.array([[4.0, 1.0], [1.0, 2.25]])
    clips = []
    for song in range(1500):
        genre = "rock" if song % 2 else "jazz"
        own = rng.multivariate_normal([3.0, -2.0] if genre == "rock" else [-3.0, 2.0], song_db)
        for drums, vocals in own + rng.standard_normal((5, 2)) * [1.0, 2.0]:
            common = rng.uniform(-30, -10)
            clips.append(Levels(f"{song}", genre, {"bass": common, "drums": common + drums, "vocals": common + vocals}))
    found = usual_levels(clips, "bass")
    assert (found.stems, found.genres, found.spare) == (("drums", "vocals"), ("jazz", "rock"), 1498)
    assert found.shares == pytest.approx([0.5, 0.5])
    assert found.means(["vocals", "drums"]) == pytest.approx(np.array([[2.0, -3.0], [-2.0, 3.0]]), abs=0.25)
    # The mean of five clips has a fifth of their own spread, which the spread of songs cannot be told from.
    for within, share in ((True, 1.0), (False, 0.2)):
        expected = song_db + share * np.diag([1.0, 4.0])
        assert found.covariance(["drums", "vocals"], within) == pytest.approx(expected, abs=0.35)
    # Beside another anchor its own deviation is common to all.
    beside = usual_levels(clips, "drums")
    assert beside.covariance(["bass"]) == pytest.approx(found.covariance(["drums"]))
