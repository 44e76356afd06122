"""The ceiling of a listener: it recovers what is known of simulated songs, and says how sure it is."""

from __future__ import annotations

import numpy as np
import pytest

from mixlab.baselines.bayes import hypotheses_of
from mixlab.evaluation.ceiling import STEPS_DB, best_joint_accuracy, ceilings, possible_covariances
from mixlab.multitrack.segments import Segment
from mixlab.scoring.results import HEARD
from mixlab.synthesis.draw import draw_problem
from mixlab.synthesis.protocol import ProblemProtocol
from tests.closed_form import ONE_STEM, best_joint
from tests.conftest import train_settings

CLIPS = 6
WITHIN_DB = 1.0


def simulated(songs, sd_db, stems=("drums",), seed=0):
    """Segments of songs of two genres whose stems spread by `sd_db` and clips of them by `WITHIN_DB` more."""
    rng = np.random.default_rng(seed)
    segments = []
    for song in range(songs):
        genre_db = 4.0 if song % 2 else -4.0
        own_db = sd_db * rng.standard_normal(len(stems))
        for start in range(CLIPS):
            levels = -20.0 + genre_db + own_db + WITHIN_DB * rng.standard_normal(len(stems))
            lufs = {"bass": -20.0} | dict(zip(stems, levels.tolist(), strict=True))
            active = tuple(sorted(lufs))
            segments.append(Segment(f"{song}", "train", f"genre {song % 2}", 10.0 * start, 10.0, active, -20.0, lufs))
    return segments


def asked(segments, error):
    settings, rng = train_settings(), np.random.default_rng(0)
    protocol = ProblemProtocol("bass", error, settings.prompt, settings.data.level)
    return [draw_problem(segment, protocol, rng, str(index)) for index, segment in enumerate(segments[:50])]


@pytest.mark.parametrize("sd_db", [1.5, 2.0, 3.0, 4.0, 6.0])
def test_the_ceiling_of_simulated_songs_lies_in_its_interval(sd_db, error):
    segments = simulated(150, sd_db, seed=4)
    found = ceilings(segments, asked(segments, error), error)
    assert list(found) == list(HEARD)
    for name, heard in HEARD.items():
        value, low, high = found[name]
        known = best_joint(ONE_STEM, sd_db=np.hypot(sd_db, WITHIN_DB / np.sqrt(heard or CLIPS)))
        assert low <= known <= high, (name, known)
        assert low <= value <= high
        assert high - low < 0.12


@pytest.mark.parametrize(("sd_db", "known"), [(1.5, 0.90), (2.0, 0.81), (3.0, 0.68), (4.0, 0.56), (6.0, 0.42)])
def test_with_three_candidates_the_ceiling_is_the_known_one(sd_db, known, error):
    stems = ("drums", "other", "vocals")
    found = best_joint_accuracy(sd_db**2 * np.eye(3), hypotheses_of(error, stems, STEPS_DB))
    assert found == pytest.approx(known, abs=0.015)


def test_more_segments_lead_to_a_higher_ceiling_and_more_songs_to_a_narrower_interval(error):
    few, many = (
        ceilings(segments, asked(segments, error), error)
        for segments in (simulated(12, 2.0, ("drums", "vocals")), simulated(200, 2.0, ("drums", "vocals")))
    )
    values = [value for value, _, _ in many.values()]
    assert values == sorted(values)
    assert values[-1] > values[0] + 0.02
    for name, (_, low, high) in many.items():
        assert few[name][2] - few[name][1] > 2 * (high - low)


def test_several_errors_and_relative_ones_have_a_ceiling_too(several, relative):
    segments = simulated(40, 1.5, ("drums", "vocals"))
    for error in (several, relative):
        value, low, high = ceilings(segments, asked(segments, error), error)["joint_accuracy"]
        assert 0.4 < low < value < high < 0.95


def test_of_too_few_songs_nothing_is_said(error):
    segments = simulated(2, 2.0)
    assert ceilings(segments, asked(segments, error), error) == {}
    assert ceilings(simulated(9, 2.0), asked(simulated(9, 2.0, ("vocals",)), error), error) == {}
    # With one song more the interval says how little that is.
    found = ceilings(simulated(3, 2.0), asked(segments, error), error)
    _, low, high = found["joint_accuracy"]
    assert high - low > 0.3


def test_variances_that_an_estimate_allows_are_those_of_the_classical_interval():
    # With 20 degrees of freedom s^2 * 20 / chi^2: 34.17 and 9.591 are its 2.5 % and 97.5 % points.
    drawn = possible_covariances(np.diag([4.0, 9.0]), 20)
    for index, variance in enumerate((4.0, 9.0)):
        assert np.percentile(drawn[:, index, index], [10, 90]) == pytest.approx(
            [variance * 20 / 28.41, variance * 20 / 12.44], rel=0.15
        )
