"""Each broken model held against every figure there is: a figure that flatters one of them is a figure that lies."""

from __future__ import annotations

import numpy as np
import pytest
from broken_models import SIZE_DB, answered, believes, echoes, listens, raises_the_vocals, says_nothing, worded

from mixlab.baselines.base import ListenedItem
from mixlab.evaluation.loop import close_loop
from mixlab.evaluation.probes.anchor_alone import GAINS_DB, AnchorGain, OtherAnchor, with_other_anchors
from mixlab.evaluation.probes.audio import GlobalGain
from mixlab.evaluation.probes.claims import ClaimSwap
from mixlab.evaluation.probes.wording import Wording
from mixlab.language.advice import Advice, Move
from mixlab.multitrack.segments import Segment
from mixlab.multitrack.statistics import Spread, UsualBalance
from mixlab.reports.mixingbuddy import protocol_tables
from mixlab.reports.unheard import shuffled
from mixlab.scoring import METRICS, Prediction, score
from mixlab.scoring.categories import category_confusion
from mixlab.scoring.conventions import conventions
from mixlab.scoring.loop_path import loop_figures
from mixlab.scoring.scores import headline_predictions
from mixlab.synthesis.problem import PromptCategory
from mixlab.synthesis.protocol import LevelProtocol

SEVERAL = ("set_precision", "set_recall")
"""The figures that exist only where items need several moves."""
EVERY = {*METRICS} - {*SEVERAL}
PLAIN = {name for name in EVERY if METRICS[name].compute is None and not METRICS[name].is_ranked}

READ = {"read": 1, "not_about_level": 0, "not_readable": 0}
NOTHING_DETECTED = dict.fromkeys(("detection_recall", "detection_f1", "detection_d_prime"), 0) | dict.fromkeys(
    ("detection_precision", "detection_precision_at_20")
)
NOTHING_LOCATED = dict.fromkeys(
    ("direction_given_stem", "gain_mae_located_db", "calibration_slope", "calibration_intercept_db", "rank_correlation")
)
WITHIN = ("within_1_db", "within_2_db", "within_3_db", "within_6_db")


@pytest.fixture(scope="module")
def items(draw):
    return worded(draw(150, 8, prompts=tuple(PromptCategory)))


@pytest.fixture(scope="module")
def ranges_db(error):
    return error.ranges_db


@pytest.fixture(scope="module")
def every_figure():
    """A function that gives every figure of predictions; None where one does not apply."""

    def found(predictions):
        headline = score(predictions, resamples=0).headline
        assert not any(name in headline for name in SEVERAL)
        return {name: headline.get(name) for name in EVERY}

    return found


@pytest.fixture(scope="module")
def needed(items):
    """The gains in dB that each headline item needs."""
    return [i.listened.problem.needed_gains_db for i in items if not i.listened.problem.prompt_category.has_claim]


def claimed(items):
    return [i.listened.problem for i in items if i.listened.problem.prompt_category.has_claim]


def right_share(items):
    return np.mean([p.prompt_category is PromptCategory.CORRECT_DESCRIPTION for p in claimed(items)])


def test_who_listens_gets_the_best_value_of_every_figure(items, every_figure):
    found = every_figure(answered(items, listens))
    not_ones = {"false_alarm_rate", "missed_error_rate", "gain_mae_db", "gain_mae_located_db", "detection_d_prime"}
    not_ones |= {"calibration_slope", "calibration_intercept_db", "rank_correlation", "not_about_level", "not_readable"}
    # Right advice is rounded to whole dB, which can leave the range of a category by half a dB.
    assert {name for name in EVERY - not_ones if found[name] != 1} <= {"magnitude_in_range"}
    assert found["magnitude_in_range"] > 0.9
    assert found["false_alarm_rate"] == found["missed_error_rate"] == 0
    assert found["gain_mae_db"] == found["gain_mae_located_db"] < 0.5
    assert found["detection_d_prime"] > 5
    assert found["calibration_slope"] == pytest.approx(1, abs=0.02)
    assert found["calibration_intercept_db"] == pytest.approx(0, abs=0.2)
    assert found["rank_correlation"] > 0.98


def test_always_raising_the_vocals_has_a_value_known_beforehand_in_every_figure(items, needed, every_figure):
    faults = [gains_db for gains_db in needed if gains_db]
    vocals_db = [gains_db["vocals"] for gains_db in faults if "vocals" in gains_db]
    up_db = [gain_db for gain_db in vocals_db if gain_db > 0]
    off_db = [abs((SIZE_DB if stem == "vocals" else 0) - gain_db) for g in faults for stem, gain_db in g.items()]
    faulty, located_db = len(faults) / len(needed), [abs(SIZE_DB - gain_db) for gain_db in up_db]
    every = {
        "joint_accuracy": len(up_db) / len(needed),
        "stem_accuracy": len(vocals_db) / len(needed),
        "direction_accuracy": sum(gain_db > 0 for gains_db in faults for gain_db in gains_db.values()) / len(needed),
        "direction_given_stem": len(up_db) / len(vocals_db),
        "balanced_recall": 0,
        "false_alarm_rate": 1,
        "missed_error_rate": 0,
        "gain_mae_db": np.mean(off_db),
        "gain_mae_located_db": np.mean(located_db),
        **{name: sum(off <= float(name.split("_")[1]) for off in located_db) / len(needed) for name in WITHIN},
        # 6 dB is the edge of both categories of vocals that are too quiet.
        "magnitude_in_range": len(up_db) / len(faults),
        "parse_rate": 1,
        **READ,
        "claimed_joint_accuracy": np.mean([p.needed_gains_db.get("vocals", 0) > 0 for p in claimed(items)]),
        "verdict_balanced_accuracy": 0,
        "detection_precision": faulty,
        "detection_recall": 1,
        "detection_f1": 2 * faulty / (1 + faulty),
        "detection_d_prime": 0,
        "detection_precision_at_20": 0.2,
        "calibration_slope": 0,
        "calibration_intercept_db": SIZE_DB,
        "rank_correlation": None,
    }
    assert every_figure(answered(items, raises_the_vocals)) == pytest.approx(every, abs=1e-9)


def test_saying_nothing_has_the_worst_value_of_every_figure_but_raises_no_alarm(items, needed, every_figure):
    sizes_db = [abs(gain_db) for gains_db in needed for gain_db in gains_db.values()]
    every = NOTHING_DETECTED | NOTHING_LOCATED | dict.fromkeys((*WITHIN, "magnitude_in_range", *PLAIN), 0)
    every |= NOTHING_LOCATED | {"not_readable": 1, "missed_error_rate": 1, "gain_mae_db": np.mean(sizes_db)}
    assert every_figure(answered(items, says_nothing)) == pytest.approx(every, abs=1e-9)
    # A prompt that is echoed says as little, except that a claim in it reads as advice, and is right where it is.
    echoed = every_figure(answered(items, echoes))
    assert 0.5 * right_share(items) < echoed.pop("claimed_joint_accuracy") <= right_share(items)
    assert echoed == pytest.approx({name: every[name] for name in echoed}, abs=1e-9)


def test_believing_every_claim_is_right_about_balanced_mixes_and_right_claims_only(items, needed, every_figure):
    sizes_db = [abs(gain_db) for gains_db in needed for gain_db in gains_db.values()]
    balanced = np.mean([not gains_db for gains_db in needed])
    every = NOTHING_DETECTED | NOTHING_LOCATED | {"missed_error_rate": 1, "false_alarm_rate": 0}
    every |= dict.fromkeys(("joint_accuracy", "direction_accuracy", "stem_accuracy", *WITHIN), balanced)
    every["magnitude_in_range"] = 0
    every |= {"balanced_recall": 1, "parse_rate": 1, **READ, "gain_mae_db": np.mean(sizes_db)}
    every |= {"claimed_joint_accuracy": right_share(items), "verdict_balanced_accuracy": 0.5}
    assert every_figure(answered(items, believes)) == pytest.approx(every, abs=1e-9)


def test_hearing_other_audio_leaves_a_listener_with_chance_in_every_figure(items, every_figure):
    """Its answers are spread like right ones and hang together with nothing."""
    heard, found = every_figure(answered(items, listens)), every_figure(shuffled(answered(items, listens)))
    chance = {"joint_accuracy": 0.04 + 0.64 / 6, "stem_accuracy": 0.04 + 0.64 / 3, "direction_accuracy": 0.36,
              "balanced_recall": 0.2, "false_alarm_rate": 0.8, "missed_error_rate": 0.2, "direction_given_stem": 0.5,
              "detection_precision": 0.8, "detection_recall": 0.8, "detection_f1": 0.8,
              "detection_precision_at_20": 0.2, "verdict_balanced_accuracy": 0.5}  # fmt: skip
    assert {name: found[name] for name in chance} == pytest.approx(chance, abs=0.06)
    for name in ("detection_d_prime", "calibration_slope", "rank_correlation"):
        assert found[name] == pytest.approx(0, abs=0.3), name
    assert found["parse_rate"] == 1
    assert {name: found[name] for name in READ} == READ
    for name in (*WITHIN, "magnitude_in_range", "claimed_joint_accuracy"):
        assert found[name] < 0.45 * heard[name], name
    for name in ("gain_mae_db", "gain_mae_located_db"):
        assert found[name] > heard[name] + 1, name
    told = {*chance, *("detection_d_prime", "calibration_slope", "rank_correlation", "parse_rate", *WITHIN),
            *("magnitude_in_range", "claimed_joint_accuracy", "gain_mae_db", "gain_mae_located_db"),
            "calibration_intercept_db", *READ}  # fmt: skip
    assert told == EVERY


def test_with_several_faults_a_favourite_move_is_rarely_right_and_rarely_all(draw_by, several):
    problems = [item.problem for item in draw_by(several, "bass", 150)]
    needed = [problem.needed_gains_db for problem in problems]
    raising = [Prediction(problem, "", Advice((Move.of("vocals", SIZE_DB),))) for problem in problems]
    found = score(raising, resamples=0).headline
    right = sum(gains_db.get("vocals", 0) > 0 for gains_db in needed)
    assert found["set_precision"] == right / len(problems)
    assert found["set_recall"] == right / sum(map(len, needed))
    silent = score([Prediction(problem, "", None) for problem in problems], resamples=0).headline
    assert silent["set_recall"] == 0
    assert "set_precision" not in silent


def test_the_confusion_of_categories_shows_who_has_one_answer_only(items, ranges_db):
    def taken(model):
        found = category_confusion(headline_predictions(answered(items, model)), ranges_db)
        return {true: {name for name, count in row.items() if count} for true, row in found.items()}

    assert set(map(frozenset, taken(says_nothing).values())) == {frozenset({"unreadable"})}
    assert set(map(frozenset, taken(believes).values())) == {frozenset({"no_error"})}
    # Raised by 6 dB where it is the vocals, another stem where it is not: never loud, and balanced mixes least of all.
    assert set.union(*taken(raises_the_vocals).values()) == {"quiet", "other_stem"}
    assert taken(raises_the_vocals)["no_error"] == {"quiet"}
    heard = category_confusion(headline_predictions(answered(items, listens)), ranges_db)
    assert all(row[true] > 0.8 * sum(row.values()) for true, row in heard.items())


def test_only_who_listens_brings_mixes_closer_to_what_is_usual(items):
    problems = [item.listened.problem for item in items]
    segments = {
        (p.song_id, p.start_s): Segment(
            p.song_id, "test", p.genre, p.start_s, 10.0, p.stems, -15.0, dict.fromkeys(p.stems, -20.0)
        )
        for p in problems
    }
    usual = UsualBalance({(p.genre, "bass", s): Spread(40, 0.0, 1.5) for p in problems for s in p.candidates})
    closer = {}
    for model in (listens, raises_the_vocals, says_nothing, echoes, believes):
        found = conventions(answered(items, model), lambda p: segments[p.song_id, p.start_s], usual, resamples=2)
        closer[model] = found.figures["closer_lu"][0]
    assert closer[listens] > 2
    assert closer[says_nothing] == closer[echoes] == closer[believes] == 0 > closer[raises_the_vocals]


def test_followed_again_and_again_broken_advice_never_settles_a_mix(items, every_figure):
    by_id = {item.listened.problem.item_id: item for item in items}

    def loop(model):
        def ask(problems):
            texts = [model(by_id[problem.item_id]) for problem in problems]
            return [
                Prediction(problem, text, answer.advice)
                for problem, text, answer in zip(problems, texts, answered([by_id[p.item_id] for p in problems], model),
                                                 strict=True)
            ]  # fmt: skip

        first = headline_predictions(answered(items, model))
        return loop_figures(
            close_loop(first, ask, 3, LevelProtocol(headroom_dbfs=-18.0, master_range_db=6.0), seed=1), resamples=2
        )

    raising, silent, trusting = (loop(model) for model in (raises_the_vocals, says_nothing, believes))
    # 6 dB on one stem of three, once more each time.
    assert [value for value, _, _ in raising.harm_db] == pytest.approx([n * SIZE_DB / np.sqrt(3) for n in range(4)])
    assert raising.drift_db[0] > 5
    assert raising.shares["oscillation_share"][0] == raising.shares["stopped_share"][0] == 0
    for found, stopped in ((silent, 0), (trusting, 1)):
        assert len({value for value, _, _ in found.residual_db}) == 1
        assert found.drift_db[0] == found.harm_db[-1][0] == found.shares["converged_share"][0] == 0
        assert found.shares["stopped_share"][0] == stopped


def right(problem):
    return Advice(tuple(Move.of(stem, gain_db) for stem, gain_db in problem.needed_gains_db.items()))


def asked(model):
    """What a model says to variants of problems."""

    def ask(variants):
        heard = [ListenedItem(v, right(v), {}, {}, np.zeros((0, 0, 0)), ()) for v in variants]
        return [prediction.advice for prediction in answered(worded(heard), model)]

    return ask


def test_probes_tell_believing_from_having_one_answer_and_from_saying_nothing(draw):
    problems = [item.problem for item in draw(20, seed=3)]
    models = {"raising": raises_the_vocals, "silent": says_nothing, "echo": echoes, "believing": believes}
    methods = {name: asked(model) for name, model in models.items()}
    swapped, louder = ClaimSwap.of(problems, methods, 2), GlobalGain.of(problems, methods, [-6.0, 6.0], 2)

    def of(probe, figure):
        return {name: probe.figures[name, figure][0] for name in methods}

    # One answer stays, and is right about as often whatever is claimed; none at all does not count as staying.
    assert of(swapped, "stays") == {"raising": 1, "silent": 0, "echo": 0, "believing": 0}
    assert of(swapped, "believes_wrong_claim")["believing"] == 1
    assert of(swapped, "believes_wrong_claim")["silent"] == 0
    assert (
        swapped.figures["raising", "joint_after_right_claim"] == swapped.figures["raising", "joint_after_wrong_claim"]
    )
    assert of(swapped, "joint_after_wrong_claim")["echo"] == of(swapped, "joint_after_wrong_claim")["believing"] == 0
    assert of(louder, "stays") == {"raising": 1, "silent": 0, "echo": 0, "believing": 1}


def test_no_broken_model_seems_to_need_the_anchor(draw):
    problems = [item.problem for item in draw(40, seed=3)]
    models = {"raising": raises_the_vocals, "silent": says_nothing, "echo": echoes, "listening": listens}
    methods = {name: asked(model) for name, model in models.items()}
    louder = AnchorGain.of(problems, methods, several=True, resamples=2)
    other = OtherAnchor.of(with_other_anchors(problems), methods, resamples=2)
    needs_vocals = np.mean([p.needed_gains_db.get("vocals", 0) > 0 for p, _ in with_other_anchors(problems)])
    for name in ("raising", "silent", "echo"):
        for probe in (louder, other):
            assert probe.figures[name, "changes"][0] == 0
        assert all(louder.figures[name, f"joint_at_db={gain_db:g}"][0] == 0 for gain_db in GAINS_DB)
        assert other.figures[name, "drop"][0] == 0
        assert other.figures[name, "joint_accuracy"][0] == pytest.approx(needs_vocals if name == "raising" else 0)
    assert louder.figures["listening", "changes"][0] == louder.figures["listening", "joint_at_db=6"][0] == 1


def test_no_broken_model_minds_how_it_is_asked(items):
    heard = [item for item in items if item.prompt]
    for model, joint in ((raises_the_vocals, None), (says_nothing, 0.0), (listens, 1.0)):
        answers = answered(heard, model)
        found = Wording.of(answers, [prediction.advice for prediction in answers], resamples=2).figures
        assert found["", "changes"][0] == found["", "drop"][0] == 0
        assert joint is None or found["", "joint_seen"][0] == found["", "joint_unseen"][0] == joint


def test_the_predecessors_tables_give_a_broken_model_away_as_well(draw):
    items = worded(draw(60, 4, anchor="other"))
    faulty = sum(bool(item.listened.problem.needed_gains_db) for item in items)
    balanced = len(items) - faulty

    def tables(model):
        return {table.name: table.rows for table in protocol_tables(answered(items, model))}

    raising, silent, trusting = (tables(model) for model in (raises_the_vocals, says_nothing, believes))
    alarms, missed, precision, recall, _ = raising["tasks"]["error detection"]
    assert (alarms, missed, precision, recall) == (balanced, 0, pytest.approx(100 * faulty / len(items)), 100)
    assert raising["target_stems"]["drums"][1:3] == raising["target_stems"]["bass"][1:3] == (0, 0)
    assert raising["directions"]["decrease"][1] == raising["directions"]["no error"][1] == 0
    assert silent["overall"]["all items"][1:4] == (0, 0, 0)
    # What cannot be read is wrong on balanced mixes too, which only the predecessor's direction counts.
    assert silent["tasks"]["direction prediction"] == (balanced, faulty, 0, 0, 0)
    for found, task in ((silent, "error detection"), *((trusting, task) for task in trusting["tasks"])):
        assert found["tasks"][task] == (0, faulty, None, 0, 0)
    assert {row: values[1] for row, values in trusting["categories"].items() if row != "macro avg."} == {
        "very quiet": 0, "quiet": 0, "no error": 100, "loud": 0, "very loud": 0
    }  # fmt: skip
