"""What each baseline can and cannot do, on simulated songs whose oracle is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixlab.baselines.base import Baseline, Facts, NotAvailable, predictions_of, rounded_gain
from mixlab.baselines.constant import BestConstant, Chance, MostCommon, TextOnly
from mixlab.baselines.conv_regressor import ConvRegressor
from mixlab.baselines.loudness import LoudnessRule, LoudnessRuleGenre, LoudnessRuleSource, shrunk_means
from mixlab.baselines.oracle import Oracle
from mixlab.baselines.registry import BASELINES, build_baselines
from mixlab.baselines.ridge import Ridge
from mixlab.errors import ConfigError
from mixlab.language.advice import Advice, Move, State, Verdict
from mixlab.scoring import score
from mixlab.scoring.comparison import compare_methods
from mixlab.synthesis.problem import GainError, PromptCategory
from tests.conftest import train_settings

CLAIMS = (PromptCategory.CORRECT_DESCRIPTION, PromptCategory.INCORRECT_DESCRIPTION)
NAMES = ("chance", "most_common", "best_constant", "text_only", "loudness_rule", "loudness_rule_heard",
         "loudness_rule_genre", "loudness_rule_source", "loudness_rule_source_genre", "bayes_unknown", "bayes_heard",
         "bayes_known", "anchor_deaf", "ridge", "boosting", "conv_regressor", "oracle")  # fmt: skip
"""Every baseline that comes with the package, in the order of the tables."""


@pytest.fixture(autouse=True)
def _short_training(monkeypatch):
    """What holds for every baseline holds for a network that was hardly trained."""
    monkeypatch.setattr(ConvRegressor, "steps", 3)


@pytest.fixture(scope="module")
def train(draw):
    return draw(300, seed=1)


@pytest.fixture(scope="module")
def heldout(draw):
    return draw(1000, seed=2)


def headline(baseline, items, train=()):
    baseline.fit(train)
    return score(predictions_of(items, baseline.advise(items)), resamples=0).headline


@pytest.fixture(scope="module")
def oracle(balance_db, error):
    return Oracle(balance_db, 1.5, error)


def test_the_oracle_of_the_default_protocol_is_right_on_nine_items_in_ten(oracle, heldout):
    found = headline(oracle, heldout)
    assert found["joint_accuracy"] == pytest.approx(0.893, abs=0.015)
    assert found["direction_accuracy"] == pytest.approx(0.901, abs=0.015)
    assert found["balanced_recall"] == pytest.approx(0.82, abs=0.03)
    assert found["gain_mae_located_db"] == pytest.approx(1.02, abs=0.05)


def test_with_songs_that_never_deviate_the_oracle_is_always_right(balance_db, error, draw):
    items = [
        replace(item, song_lufs={"bass": -20.0} | {s: -20.0 + b for s, b in balance_db[item.problem.genre].items()})
        for item in draw(50)
    ]
    found = headline(Oracle(balance_db, 0.01, error, rounding_db=0.0), items)
    assert found["joint_accuracy"] == 1
    assert found["gain_mae_db"] < 0.06


def test_with_another_anchor_the_oracle_uses_that_its_deviation_is_common_to_all_stems(draw, oracle):
    train, items = draw(300, seed=1, anchor="vocals"), draw(500, seed=2, anchor="vocals")
    by_rule, by_oracle = LoudnessRuleGenre(), oracle
    by_rule.fit(train)
    methods = {
        name: [predictions_of(items, method.advise(items))] for name, method in (("o", by_oracle), ("r", by_rule))
    }
    (found,) = (pair.difference for pair in compare_methods(methods, ["joint_accuracy"], permutations=200))
    assert found.mean_a > 0.89
    assert found.low > 0.02


def test_the_oracle_knows_no_master_gain_and_needs_none(oracle, draw):
    items = draw(20)
    louder = [replace(item, song_lufs={stem: level + 7 for stem, level in item.song_lufs.items()}) for item in items]
    assert oracle.advise(items) == oracle.advise(louder)


def test_the_oracle_refuses_what_it_was_not_told(oracle, draw):
    item = draw(1)[0]
    with pytest.raises(ValueError, match="'polka'"):
        oracle.advise([replace(item, problem=replace(item.problem, genre="polka"))])
    with pytest.raises(ValueError, match="sigma_db above 0"):
        Oracle({}, 0.0, oracle.error)


def test_the_loudness_rule_that_knows_the_genre_comes_close_to_the_oracle_but_not_past_it(train, heldout, oracle):
    rule, plain = LoudnessRuleGenre(), LoudnessRule()
    with_genre, without = headline(rule, heldout, train), headline(plain, heldout, train)
    best = headline(oracle, heldout)["joint_accuracy"]
    assert best - 0.03 < with_genre["joint_accuracy"] < best
    assert without["joint_accuracy"] < with_genre["joint_accuracy"] - 0.15
    # Between the noise of balanced songs, 1.5 dB, and the smallest error, 3 dB.
    assert 1.5 < rule.figures()["threshold_db"] < 3.5


def test_a_genre_that_training_never_had_gets_the_global_mean(train, draw):
    rule, plain = LoudnessRuleGenre(), LoudnessRule()
    rule.fit(train)
    plain.fit(train)
    problem = replace(draw(1)[0].problem, genre="polka")
    assert rule.usual_db(problem, "drums") == plain.usual_db(problem, "drums")
    assert rule.usual_db(replace(problem, genre="rock"), "drums") == pytest.approx(3.0, abs=0.4)


def test_genre_means_are_shrunk_only_as_far_as_genres_resemble_one_another():
    apart = shrunk_means({"a": [-10.0, -10.2, -9.8], "b": [10.0, 10.2, 9.8]})
    assert apart == pytest.approx({"a": -10, "b": 10}, abs=0.1)
    same = shrunk_means({"a": [0.0, 2.0], "b": [0.1, 2.1]})
    assert same == pytest.approx({"a": 1.05, "b": 1.05}, abs=0.03)


def test_a_stem_that_a_song_lacks_is_never_advised(train):
    without = []
    for item in train[:200]:
        if item.problem.error_db("vocals") == 0:
            problem = replace(item.problem, stems=("bass", "drums", "other"))
            levels = {stem: level for stem, level in item.segment_lufs.items() if stem != "vocals"}
            without.append(replace(item, problem=problem, segment_lufs=levels, log_mel=item.log_mel[[0, 1, 3]],
                                   clip_stems=(("bass",), ("drums",), ("other",))))  # fmt: skip
    for kind in (Chance, LoudnessRule, LoudnessRuleGenre, Ridge):
        baseline = kind()
        baseline.fit(train)
        assert all(advice.gain_db("vocals") == 0 for advice in baseline.advise(without)), kind.name


def test_a_silent_clip_is_left_alone(train):
    rule = LoudnessRule()
    rule.fit(train)
    silent = replace(train[0], segment_lufs={**train[0].segment_lufs, "drums": -np.inf})
    assert rule.advise([silent])[0].gain_db("drums") == 0


def test_with_two_errors_at_once_the_rule_moves_two_stems(draw):
    items = []
    for item in draw(200, seed=5):
        extra_db = -8.0 if item.problem.song_id[-1] in "02468" else 8.0
        problem = replace(item.problem, errors=(GainError("drums", extra_db), GainError("vocals", -extra_db)))
        levels = {stem: level - item.problem.error_db(stem) for stem, level in item.segment_lufs.items()}
        levels |= {"drums": levels["drums"] + extra_db, "vocals": levels["vocals"] - extra_db}
        items.append(replace(item, problem=problem, segment_lufs=levels))
    assert headline(LoudnessRuleGenre(), items, items)["joint_accuracy"] > 0.9


def test_ridge_listens_but_cannot_pass_the_oracle(train, heldout, oracle):
    found = headline(Ridge(), heldout, train)
    assert 0.6 < found["joint_accuracy"] < headline(oracle, heldout)["joint_accuracy"]


def test_ridge_is_tuned_on_songs_it_was_not_fitted_on(draw):
    # What noise says of training songs, a fit with more features than items believes; held-out songs show that it is
    # worth nothing, and then the best answer is "balanced".
    def deaf(items):
        rng = np.random.default_rng(0)
        return [replace(item, log_mel=rng.random((4, 60, 3), dtype=np.float32)) for item in items]

    train, items = deaf(draw(40, seed=1)), deaf(draw(100, seed=2))
    assert headline(Ridge(), items, train)["false_alarm_rate"] < 0.2


@pytest.mark.parametrize("songs", [1, 2])
def test_a_handful_of_items_is_enough_to_run(draw, error, songs):
    items = draw(songs, seed=3)
    baselines, _ = build_baselines(NAMES, Facts(error=error))
    for baseline in baselines.values():
        baseline.fit(items)
        assert len(baseline.advise(items)) == len(items)
        assert baseline.advise([]) == []


def test_chance_hits_one_class_in_seven(train, heldout):
    found = np.mean([headline(Chance(seed=seed), heldout[:1000], train)["joint_accuracy"] for seed in range(12)])
    assert found == pytest.approx(1 / 7, abs=0.012)


def test_chance_answers_an_item_alike_whatever_else_is_asked(train):
    chance = Chance(seed=4)
    chance.fit(train)
    assert chance.advise(train[10:20]) == chance.advise(train)[10:20]


def test_the_most_common_answer_is_that_the_mix_is_balanced(train, heldout):
    for kind in (MostCommon, BestConstant):
        found = headline(kind(), heldout, train)
        assert found["balanced_recall"] == 1
        assert found["joint_accuracy"] == pytest.approx(0.2, abs=0.02)


def test_always_answering_6_db_has_a_mean_error_of_2_25_db_for_who_knows_the_direction(train):
    constant = BestConstant()
    constant.fit(train)
    assert constant.figures()["magnitude_db"] == 6
    assert constant.figures()["known_direction_mae_db"] == pytest.approx(2.25, abs=0.1)


def test_a_constant_answer_moves_by_the_median_where_errors_are_usual(draw):
    loud_vocals = [item for item in draw(300) if item.problem.error_db("vocals") > 0]
    middle = float(np.median([item.problem.error_db("vocals") for item in loud_vocals]))
    for kind in (MostCommon, BestConstant):
        baseline = kind()
        baseline.fit(loud_vocals)
        assert baseline.advise(loud_vocals[:1]) == [Advice((Move.of("vocals", -float(round(middle))),))]


def test_a_reader_of_the_text_believes_every_claim_and_cannot_see_which_are_right(draw):
    prompts = (PromptCategory.CORRECT_DESCRIPTION, PromptCategory.INCORRECT_DESCRIPTION, PromptCategory.AUDIO_ONLY)
    reader, items = TextOnly(), draw(1000, seed=2, prompts=prompts)
    reader.fit(draw(600, seed=1, prompts=prompts))
    advice = reader.advise(items)
    by_prompt = score(predictions_of(items, advice), resamples=0).groups["prompt_category"]
    assert by_prompt["correct_description"].values["joint_accuracy"] == 1
    assert by_prompt["incorrect_description"].values["joint_accuracy"] == 0
    # It can use that balanced mixes are a class of their own among wrong claims, and nothing else: 8/15.
    found = score(predictions_of(items, advice), resamples=0).headline["verdict_balanced_accuracy"]
    assert found == pytest.approx(8 / 15, abs=0.05)
    for item, said in zip(items, advice, strict=True):
        assert (said.verdict is None) == (item.problem.claim is None)
        if item.problem.claim is not None and item.problem.claim.state is State.BALANCED:
            assert said == Advice((), Verdict.CONFIRMED)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "oracle"])
def test_no_baseline_but_the_oracle_sees_the_errors_that_it_is_asked_about(draw, error, name):
    baseline = BASELINES[name].of(Facts(error=error))
    baseline.fit(draw(60, seed=1, prompts=CLAIMS))
    items = draw(20, seed=2, prompts=CLAIMS)
    blind = [replace(item, reference=Advice(), problem=replace(item.problem, errors=())) for item in items]
    assert baseline.advise(items) == baseline.advise(blind)


@pytest.mark.parametrize("name", ["chance", "most_common", "best_constant"])
def test_a_baseline_that_reads_no_claims_answers_as_if_there_were_none(draw, name):
    baseline = BASELINES[name]()
    baseline.fit(draw(60, seed=1, prompts=CLAIMS))
    items = draw(20, seed=2, prompts=CLAIMS)
    assert not baseline.reads_claims
    assert baseline.advise(items) == baseline.advise(without_claims(items))


def without_claims(items):
    return [
        replace(item, problem=replace(item.problem, claim=None, prompt_category=PromptCategory.AUDIO_ONLY))
        for item in items
    ]


@pytest.mark.parametrize("kind", [LoudnessRule, LoudnessRuleGenre, Ridge])
def test_a_claim_is_a_prior_that_helps_who_is_unsure(draw, kind):
    baseline, items = kind(), draw(400, seed=2, prompts=CLAIMS)
    baseline.fit(draw(400, seed=1, prompts=CLAIMS))
    told = predictions_of(items, baseline.advise(items))
    untold = [replace(p, problem=t.problem) for p, t in
              zip(predictions_of(items, baseline.advise(without_claims(items))), told, strict=True)]  # fmt: skip
    joint = [score(p, resamples=0).headline["claimed_joint_accuracy"] for p in (told, untold)]
    assert joint[0] > joint[1] + 0.01
    assert baseline.figures()["stem_claim_db"] > 0
    assert score(told, resamples=0).headline["verdict_balanced_accuracy"] > 0.75
    for item, said in zip(without_claims(items), baseline.advise(without_claims(items)), strict=True):
        assert item.problem.claim is None
        assert said.verdict is None


def test_claims_that_are_always_wrong_count_against_what_they_say(draw):
    rule = LoudnessRule()
    rule.fit(draw(400, seed=1, prompts=(PromptCategory.INCORRECT_DESCRIPTION,)))
    assert rule.figures()["stem_claim_db"] < 0


def test_the_oracle_gains_from_claims_and_knows_how_often_they_are_right(draw, oracle, balance_db, error):
    items = draw(1000, seed=2, prompts=CLAIMS)
    told, untold = oracle.advise(items), oracle.advise(without_claims(items))
    joint = [
        score(predictions_of(items, said), resamples=0).headline["claimed_joint_accuracy"] for said in (told, untold)
    ]
    assert joint[1] == pytest.approx(0.893, abs=0.015)
    assert joint[0] == pytest.approx(0.91, abs=0.015)
    assert joint[0] > joint[1] + 0.005
    # Who is told that every claim is right needs no ears.
    trusting = Oracle(balance_db, 1.5, error, right_claim_share=1.0)
    right = [item for item in items if item.problem.prompt_category is PromptCategory.CORRECT_DESCRIPTION]
    found = score(predictions_of(right, trusting.advise(right)), resamples=0).headline
    assert found["claimed_joint_accuracy"] == 1


def test_at_the_source_the_rule_goes_by_what_the_source_measures(draw):
    train, items = draw(100, seed=1), draw(50, seed=2)
    heard, source = LoudnessRule(), LoudnessRuleSource()
    heard.fit(train)
    source.fit([replace(item, source_lufs=item.segment_lufs, segment_lufs={}) for item in train])
    moved = [replace(item, source_lufs=item.segment_lufs, segment_lufs={}) for item in items]
    assert source.advise(moved) == heard.advise(items)


def test_a_baseline_that_was_not_fitted_or_has_nothing_to_fit_says_so(draw, error):
    baselines, _ = build_baselines(NAMES, Facts(error=error))
    for baseline in baselines.values():
        with pytest.raises(RuntimeError, match="fit"):
            baseline.advise(draw(1))
        with pytest.raises(ValueError, match=f"'{baseline.name}' needs training items"):
            baseline.fit([])


def test_without_the_songs_recipe_there_is_no_oracle_and_that_is_said(balance_db, error):
    baselines, notes = build_baselines(NAMES, Facts(error=error))
    assert set(baselines) == set(NAMES) - {"oracle"}
    assert "no oracle" in notes[0]
    baselines, notes = build_baselines(NAMES, Facts(error=error, balance_db=balance_db, sigma_db=1.5))
    assert list(baselines) == list(NAMES)
    assert notes == []
    with pytest.raises(ConfigError, match=r"There is no baseline 'rigde' \(did you mean 'ridge'\?\)"):
        build_baselines(["rigde"], Facts())


def test_baselines_are_registered_in_the_order_of_the_tables():
    assert tuple(BASELINES)[: len(NAMES)] == NAMES
    assert all(BASELINES[name].name == name and BASELINES[name].label for name in BASELINES)


def test_facts_of_a_data_set_reach_the_baselines(balance_db, error, tmp_path):
    limited = error.but(targets=("drums", "vocals"))
    facts = Facts(limited, 0.5, 7, balance_db, 2.0, 0.25, tmp_path)
    found, _ = build_baselines(NAMES, facts)
    assert {baseline.rounding_db for baseline in found.values()} == {0.5}
    assert (found["chance"].seed, found["chance"].targets) == (7, ("drums", "vocals"))
    assert found["conv_regressor"].cache_dir == tmp_path
    oracle = found["oracle"]
    assert (oracle.sigma_db, oracle.right_claim_share, oracle.error) == (2.0, 0.25, limited)


class Never(Baseline):
    """Somebody's own: it is for songs whose balance is known, and leaves every mix as it is."""

    name = "never"
    label = "leaves all"

    @classmethod
    def of(cls, facts):
        if facts.balance_db is None:
            raise NotAvailable("Without a known balance nobody can say never.")
        return cls(facts.rounding_db)

    def fit(self, train_items):
        """Nothing to learn."""

    def advise(self, items):
        return [Advice()] * len(items)


@pytest.fixture
def registered(monkeypatch):
    """A registry with one baseline more, as a user's own module adds it."""
    monkeypatch.setattr(BASELINES, "_entries", dict(BASELINES))
    return BASELINES.add(Never)


def test_a_baseline_from_outside_is_built_named_and_left_out_like_any_other(registered, balance_db, draw):
    found, notes = build_baselines(["never", "chance"], Facts(balance_db=balance_db))
    assert list(found) == ["never", "chance"]
    assert found["never"].advise(draw(2)) == [Advice()] * 8
    assert notes == []
    found, notes = build_baselines(["never"], Facts())
    assert found == {}
    assert notes == ["Without a known balance nobody can say never."]


def test_the_settings_of_an_evaluation_know_baselines_from_outside_and_no_others(registered):
    assert train_settings("evaluation.baselines=[never]").evaluation.baselines == ("never",)
    with pytest.raises(ConfigError, match=r"evaluation\.baselines.*no baseline 'nevr' \(did you mean 'never'\?\)"):
        train_settings("evaluation.baselines=[nevr]")


def test_another_baseline_of_a_known_name_is_refused():
    with pytest.raises(ConfigError, match="Two baselines are called 'ridge'"):
        BASELINES.add(type("Mine", (Never,), {"name": "ridge"}))


@given(gain_db=st.floats(-30, 30).filter(bool), step_db=st.sampled_from([0.5, 1.0, 2.0]))
def test_rounding_keeps_the_sign_and_never_ends_at_zero(gain_db, step_db):
    rounded = rounded_gain(gain_db, step_db)
    assert np.sign(rounded) == np.sign(gain_db)
    assert rounded % step_db == 0
    assert abs(rounded - gain_db) <= (step_db / 2 if abs(gain_db) >= step_db / 2 else step_db) + 1e-9
