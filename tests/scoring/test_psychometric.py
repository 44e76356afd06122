"""From how many dB on an error is found: made listeners of known threshold, and those that have none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtri

from mixlab.language.advice import Advice, Move
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.psychometric import ALL, psychometric_curves

STEMS = ("drums", "other", "vocals")


@pytest.fixture(scope="module")
def listener(problem):
    """Answers of who hears an error of x dB with probability 1 / (1 + (threshold / x) ** steepness), and else guesses.

    A guess moves a random stem either way with probability `guesses`, and leaves the mix otherwise.
    """

    def answer(threshold_db, steepness=2.5, guesses=0.3, misses=0.0, items=600, least_db=0.5, seed=0):
        rng, found = np.random.default_rng(seed), []
        for index in range(items):
            stem, error_db = STEMS[rng.integers(3)], float(least_db * (12 / least_db) ** rng.uniform())
            error_db *= rng.choice([-1.0, 1.0])
            hears = rng.uniform() < (1 - misses) / (1 + (threshold_db / abs(error_db)) ** steepness)
            errors = [(stem, error_db)] if rng.uniform() > 0.2 else []
            moves = [Move.of(stem, -error_db)] if errors and hears else []
            if not moves and rng.uniform() < guesses:
                moves = [Move.of(STEMS[rng.integers(3)], float(rng.choice([-4.0, 4.0])))]
            found.append(Prediction(problem(*errors, item=f"song{index % 60}/{index}"), "", Advice(tuple(moves))))
        return found

    return answer


def test_the_threshold_and_slope_of_a_listener_are_found_again(listener):
    curves = psychometric_curves(listener(2.0, items=3000), resamples=40)
    assert list(curves) == [ALL, *STEMS]
    for stem, curve in curves.items():
        value_db, low_db, high_db = curve.threshold_db
        assert low_db <= value_db <= high_db, stem
        assert low_db < 2.15, stem
        assert high_db > 1.85, stem
        assert value_db == pytest.approx(2.0, abs=0.35), stem
        # Half of what chance does not find, and the steepest rise of a logistic curve.
        assert curve.chance == pytest.approx(0.3 / 6, abs=0.02), stem
        assert float(curve.share(np.array([value_db]))[0]) == pytest.approx((1 + curve.chance) / 2)
        assert curve.slope[0] == pytest.approx(0.95 * 2.5 * math.log(2) / 4, abs=0.12), stem
        assert curve.missed < 0.06, stem


def test_what_is_missed_however_large_raises_the_threshold(listener):
    curve = psychometric_curves(listener(2.0, misses=0.2, items=3000), resamples=40)[ALL]
    # (1 - 0.2) rises to a half at F = 0.625 of a logistic curve, but for what chance adds.
    assert curve.missed == pytest.approx(0.2 * 0.95, abs=0.05)
    assert curve.threshold_db[0] == pytest.approx(2.0 * (0.625 / 0.375) ** (1 / 2.5), abs=0.25)


@pytest.mark.parametrize(
    ("threshold_db", "misses", "words"),
    [(100.0, 0.0, "above"), (0.001, 0.0, "below"), (2.0, 0.7, "above"), (2.0, 1.0, "above")],
)
def test_a_threshold_beyond_what_was_asked_is_told_by_its_side_alone(listener, threshold_db, misses, words):
    for stem, curve in psychometric_curves(listener(threshold_db, misses=misses), resamples=40).items():
        flat = curve.flat("x")
        assert curve.threshold_words.startswith(words), stem
        assert "x/threshold_db" not in flat
        assert "x/slope" not in flat
        assert ("x/threshold_db_low" in flat) == (words == "above")
        assert all(map(math.isfinite, flat.values()))


def test_few_items_fix_no_threshold(listener):
    curves = psychometric_curves(listener(2.0, items=100), resamples=20)
    assert {curves[stem].threshold_words for stem in STEMS} == {"not fixed by these items"}
    assert not {"x/threshold_db", "x/threshold_db_low", "x/threshold_db_high"} & curves["vocals"].flat("x").keys()


def test_d_prime_is_that_of_hits_in_a_doubling_against_all_balanced_mixes(listener):
    answers = listener(2.0, items=400)
    curves = psychometric_curves(answers, resamples=10)

    def z(hits, of, added):
        return ndtri((hits + added) / (of + 2 * added))

    balanced = [p for p in answers if not p.needed]
    for stem in STEMS:
        alarms = sum(stem in p.advised for p in balanced)
        assert sum(size.items for size in curves[stem].sizes) == curves[stem].items
        for size in curves[stem].sizes:
            errors = [abs(p.problem.needed_gains_db.get(stem, 0.0)) for p in answers]
            asked = [p for p, db in zip(answers, errors, strict=True) if size.low_db <= db < size.high_db]
            hits, share = sum(stem in p.advised for p in asked), len(asked) / (len(asked) + len(balanced))
            expected = z(hits, len(asked), share) - z(alarms, len(balanced), 1 - share)
            assert size.d_prime[0] == pytest.approx(expected)
            assert size.found[0] == np.mean([p.is_right for p in asked])
    assert [size.name for size in curves[ALL].sizes] == ["0.5-1", "1-2", "2-4", "4-8", "8-16"]


def test_who_never_listens_tells_nothing_apart(listener):
    curve = psychometric_curves(listener(1e9, guesses=0.8, items=1500), resamples=20)[ALL]
    assert [size.d_prime[0] for size in curve.sizes] == pytest.approx([0.0] * 5, abs=0.4)
    assert curve.threshold_words.startswith("above")


def test_there_is_no_curve_where_no_error_is_small_or_no_mix_balanced(listener):
    assert psychometric_curves(listener(2.0, items=100, least_db=3.0), resamples=2) == {}
    assert psychometric_curves([p for p in listener(2.0, items=100) if p.needed], resamples=2) == {}
    assert psychometric_curves([p for p in listener(2.0, items=100) if not p.needed], resamples=2) == {}
