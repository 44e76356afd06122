"""Probes tell who listens, who believes, who uses the anchor, on methods whose answers are known."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from mixlab.baselines.base import predictions_of
from mixlab.baselines.constant import TextOnly
from mixlab.baselines.loudness import LoudnessRuleGenre
from mixlab.baselines.oracle import Oracle
from mixlab.errors import ConfigError
from mixlab.evaluation.probes.anchor_alone import AnchorGain, OtherAnchor, with_anchor_gain, with_other_anchors
from mixlab.evaluation.probes.anchors import AnchorSwap
from mixlab.evaluation.probes.audio import Constrained, GlobalGain, ShuffledAudio, other_audio
from mixlab.evaluation.probes.base import PROBES, LeftOut, ProbeKind, spread
from mixlab.evaluation.probes.claims import ClaimSwap
from mixlab.evaluation.probes.wording import Wording
from mixlab.evaluation.probing import run_probes
from mixlab.language.advice import Advice, Direction, Move
from mixlab.runs.settings import ProbesSettings
from mixlab.scoring import Prediction
from mixlab.settings import parse
from mixlab.synthesis.problem import PromptCategory
from tests.conftest import composed

RESAMPLES = 100


def right(problems):
    return [Advice(tuple(Move.of(s, g) for s, g in p.needed_gains_db.items())) for p in problems]


def believing(problems):
    sign = {Direction.RAISE: 6.0, Direction.LOWER: -6.0}
    return [
        Advice()
        if p.claim is None or p.claim.stem is None
        else Advice((Move.of(p.claim.stem, sign[p.claim.direction]),))
        for p in problems
    ]


@pytest.fixture(scope="module")
def problems(draw):
    return [item.problem for item in draw(20, seed=3)]


@pytest.fixture(scope="module")
def relative_problems(draw_by, relative):
    return [item.problem for item in draw_by(relative, "random", 20, seed=3)]


def values(probe, method=""):
    return {figure: value for (name, figure), (value, _, _) in probe.figures.items() if name == method}


def test_who_holds_their_ground_stays_and_who_believes_never_does(problems):
    probe = ClaimSwap.of(problems, {"": right, "believer": believing}, RESAMPLES)
    firm, believer = values(probe), values(probe, "believer")
    assert (firm["stays"], firm["agreement"], firm["believes_wrong_claim"]) == (1, 1, 0)
    assert firm["joint_after_right_claim"] == firm["joint_after_wrong_claim"] == 1
    assert (believer["stays"], believer["believes_wrong_claim"]) == (0, 1)
    assert (believer["joint_after_right_claim"], believer["joint_after_wrong_claim"]) == (1, 0)
    assert believer["agreement"] == pytest.approx(1 / 7)
    flat = probe.flat("probe")
    assert (flat["probe/claim_swap/stays"], flat["probe/claim_swap/believer/stays"]) == (1, 0)
    # Of twenty songs none is no proof that there never is one: Wilson's edge.
    assert flat["probe/claim_swap/believer/stays_high"] == pytest.approx(1.96**2 / (20 + 1.96**2), abs=1e-3)
    assert (flat["probe/claim_swap/items"], flat["probe/claim_swap/songs"]) == (80, 20)


def test_a_reader_of_the_text_never_stays_and_an_answer_that_cannot_be_read_stays_nowhere(draw, problems):
    reader = TextOnly()
    reader.fit(draw(150, seed=1, prompts=(PromptCategory.CORRECT_DESCRIPTION, PromptCategory.INCORRECT_DESCRIPTION)))
    items = {item.problem.item_id: item for item in draw(20, seed=3)}

    def read(variants):
        return reader.advise([replace(items[v.item_id], problem=v) for v in variants])

    probe = ClaimSwap.of(problems, {"text_only": read, "mute": lambda asked: [None] * len(asked)}, RESAMPLES)
    assert values(probe, "text_only")["stays"] == 0
    assert values(probe, "mute")["stays"] == values(probe, "mute")["joint_after_right_claim"] == 0


def test_gains_re_referenced_exactly_have_no_distance(relative_problems):
    found = values(probe := AnchorSwap.of(relative_problems, {"": right}, RESAMPLES))
    assert found["distance_db"] == pytest.approx(0, abs=1e-9)
    assert found["same_direction"] > 0.99
    assert found["gain_mae_db"] == pytest.approx(0)
    assert values(probe, "anchor_blind")["distance_db"] > 2


def test_who_ignores_the_anchor_is_as_far_off_as_the_anchor_blind_row(relative_problems):
    def blind(problems):
        gains_db = {"drums": 6.0, "vocals": -4.0, "other": 2.0, "bass": 3.0}
        return [Advice(tuple(Move.of(s, gains_db[s]) for s in p.candidates)) for p in problems]

    probe = AnchorSwap.of(relative_problems, {"": blind}, RESAMPLES)
    assert values(probe)["distance_db"] == pytest.approx(values(probe, "anchor_blind")["distance_db"], abs=1.5)
    assert values(probe)["distance_db"] > 3


def test_a_gain_on_the_anchor_alone_moves_what_every_other_stem_needs(problems, relative_problems):
    for problem in (problems[0], relative_problems[0]):
        moved = with_anchor_gain(problem, 6.0)
        assert moved.error_db(problem.anchor) == problem.error_db(problem.anchor) + 6
        for stem in problem.candidates:
            assert moved.relative_error_db(stem) == pytest.approx(problem.relative_error_db(stem) - 6)
            assert moved.heard_gain_db(stem) == problem.heard_gain_db(stem)
    assert with_anchor_gain(problems[0], 0.0) == problems[0]


def test_who_hears_the_anchor_follows_it_and_who_is_deaf_to_it_changes_nothing(relative_problems):
    def deaf(asked):
        return [Advice((Move.of(p.candidates[0], 3.0),)) for p in asked]

    methods = {"": right, "deaf": deaf, "mute": lambda asked: [None] * len(asked)}
    probe = AnchorGain.of(relative_problems, methods, several=True, resamples=RESAMPLES)
    follows, deaf_found, mute = values(probe), values(probe, "deaf"), values(probe, "mute")
    assert follows["changes_at_db=6"] > 0.5
    assert {follows[f"joint_at_db={g}"] for g in (-6, -3, 0, 3, 6)} == {1}
    assert deaf_found["changes"] == 0
    assert deaf_found["joint_at_db=6"] < 0.2
    assert mute["changes"] == 0
    assert mute["joint_at_db=0"] == 0


def test_who_may_name_one_stem_alone_is_not_asked_for_all_that_a_moved_anchor_needs(problems):
    found = values(AnchorGain.of(problems, {"": right}, several=False, resamples=RESAMPLES))
    assert not any(figure.startswith("joint") for figure in found)
    assert found["changes_at_db=-3"] == 1


def test_the_anchor_of_another_song_keeps_the_level_of_its_own_mix(problems):
    songs = sorted({problem.song_id for problem in problems})
    pairs = with_other_anchors([replace(p, headroom_gain_db=float(songs.index(p.song_id))) for p in problems])
    assert len(pairs) == len(problems)
    for problem, variant in pairs:
        (loan,) = variant.borrowed
        assert (loan.stem, variant.needed) == (problem.anchor, problem.needed)
        assert loan.song_id != problem.song_id
        own_mix_db = songs.index(loan.song_id)
        assert variant.heard_gain_db(loan.stem) == pytest.approx(own_mix_db + problem.master_gain_db)
    one_song = [replace(problem, song_id="only") for problem in problems]
    assert with_other_anchors(one_song) == []


def test_what_needs_no_anchor_is_left_with_another_songs(problems):
    def by_anchor(asked):
        return [Advice() if p.borrowed else advice for p, advice in zip(asked, right(asked), strict=True)]

    pairs = with_other_anchors(problems)
    probe = OtherAnchor.of(pairs, {"": by_anchor, "anchor_deaf": right}, RESAMPLES)
    faulty = sum(bool(problem.needed) for problem, _ in pairs) / len(pairs)
    assert values(probe) == pytest.approx({"joint_accuracy": 1 - faulty, "drop": faulty, "changes": faulty})
    assert values(probe, "anchor_deaf") == {"joint_accuracy": 1, "drop": 0, "changes": 0}


def test_who_advises_nothing_is_consistent_and_far_from_the_truth(relative_problems):
    found = values(AnchorSwap.of(relative_problems, {"": lambda asked: [Advice()] * len(asked)}, RESAMPLES))
    assert (found["distance_db"], found["same_direction"]) == (0, 1)
    assert found["gain_mae_db"] > 1


def test_the_master_level_changes_nothing_for_who_is_deaf_to_it(problems):
    def by_level(asked):
        return [Advice((Move.of("drums", 3.0),)) if p.master_gain_db > 0 else Advice() for p in asked]

    probe = GlobalGain.of(problems, {"": right, "by_level": by_level}, [-12.0, 12.0], RESAMPLES)
    assert values(probe)["stays"] == 1
    assert values(probe)["gain_change_db"] == 0
    found = values(probe, "by_level")
    assert (found["stays"], found["stays_at_db=-12"], found["stays_at_db=12"]) == (0, 1, 0)
    assert found["gain_change_db"] == pytest.approx(3 / 3 / 2)


def test_the_audio_of_another_item_is_another_songs_with_the_same_stems(problems):
    few = [replace(p, stems=p.stems[:3]) for p in problems[:5]]
    asked = [*problems[5:], *few]
    others = other_audio(asked, seed=0)
    assert all(a.song_id != b.song_id for a, b in zip(asked, others, strict=True))
    # The five of two songs that lack a stem cannot all be exchanged among themselves.
    assert all(a.stems == b.stems for a, b in zip(asked[:-5], others[:-5], strict=True))
    assert others == other_audio(asked, seed=0)
    assert other_audio(problems[:4], seed=0) is None


def test_who_listens_loses_what_listening_brings_when_the_audio_is_anothers(draw, balance_db, error):
    items = draw(100, seed=3)
    by_id = {item.problem.item_id: item for item in items}
    oracle = Oracle(balance_db, 1.5, error)
    own = predictions_of(items, oracle.advise(items))
    others = other_audio([item.problem for item in items], seed=0)
    elsewhere = oracle.advise([by_id[problem.item_id] for problem in others])
    probe = ShuffledAudio.of(own, predictions_of(items, elsewhere), RESAMPLES)
    found = values(probe)
    assert found["joint_accuracy"] < 0.25
    assert found["drop"] > 0.6
    assert found["same_advice"] < 0.3
    deaf = [Prediction(item.problem, "", Advice()) for item in items]
    assert values(ShuffledAudio.of(deaf, deaf, RESAMPLES)) == pytest.approx(
        {"joint_accuracy": sum(not i.problem.errors for i in items) / len(items), "drop": 0, "same_advice": 1}
    )


def test_items_are_spread_over_songs_and_have_no_claim(draw):
    problems = [item.problem for item in draw(50, prompts=tuple(PromptCategory), seed=5)]
    chosen = spread(problems, 20)
    assert len(chosen) == 20
    assert len({problem.song_id for problem in chosen}) > 15
    assert all(problem.claim is None for problem in chosen)
    assert spread([p for p in problems if p.claim is not None], 5) == []


def test_a_rule_that_measures_beside_the_anchor_uses_it(draw_by, relative):
    items = draw_by(relative, "random", 60, seed=4)
    rule = LoudnessRuleGenre()
    rule.fit(draw_by(relative, "random", 200, seed=1))
    by_id = {item.problem.item_id: item for item in items}

    def ask(variants):
        return rule.advise([replace(by_id[v.item_id], problem=v) for v in variants])

    found = AnchorSwap.of([item.problem for item in items], {"": ask}, RESAMPLES)
    assert values(found)["distance_db"] < 0.8 * values(found, "anchor_blind")["distance_db"]


def test_a_grammar_that_mends_every_answer_gains_what_was_unreadable(problems):
    advice = right(problems)
    mended = [Prediction(p, f"text {i}", a) for i, (p, a) in enumerate(zip(problems, advice, strict=True))]
    free = [replace(p, text="?", advice=None) if i % 4 == 0 else p for i, p in enumerate(mended)]
    found = values(Constrained.of(free, mended, RESAMPLES))
    assert found["parse_rate"] == 1
    assert found["joint_accuracy"] == 1
    assert found["gain"] == found["changed"] == found["advice_changed"] == pytest.approx(0.25)


def test_who_reads_the_words_is_told_from_who_listens_by_asking_in_other_words(problems):
    heard = [replace(p, unseen_wording=True, prompt_category=PromptCategory.ADVICE_SEEKING) for p in problems]
    listener = [Prediction(p, "", advice) for p, advice in zip(heard, right(heard), strict=True)]
    firm = values(Wording.of(listener, right(heard), RESAMPLES))
    assert (firm["joint_seen"], firm["joint_unseen"], firm["drop"], firm["changes"]) == (1, 1, 0, 0)
    lost = [Prediction(p, "", None) for p in heard]
    reader = values(Wording.of(lost, right(heard), RESAMPLES))
    assert (reader["joint_seen"], reader["joint_unseen"], reader["drop"], reader["changes"]) == (1, 0, 1, 1)


def test_only_items_with_a_sentence_in_unseen_words_are_asked_in_seen_ones(problems, probes):
    categories = (PromptCategory.AUDIO_ONLY, PromptCategory.ADVICE_SEEKING)
    asked = [
        replace(p, unseen_wording=index % 4 < 2, prompt_category=categories[index % 2])
        for index, p in enumerate(problems)
    ]
    again = []
    subject = probed(asked, probes)
    subject.model = lambda variants: [Advice() for variant in variants if again.append(variant) is None]
    found = Wording().ask(subject)
    assert found.items == len(again) == len(problems) // 4
    assert all(not p.unseen_wording and p.prompt_category is PromptCategory.ADVICE_SEEKING for p in again)
    known = [replace(p, unseen_wording=False) for p in asked]
    with pytest.raises(LeftOut, match="no test item is worded otherwise than training"):
        Wording().ask(probed(known, probes))


def test_every_probe_has_a_title_and_says_how_to_read_it():
    assert set(PROBES) == {"audio_shuffled", "claim_swap", "anchor_gain", "other_anchor", "anchor_swap", "global_gain",
                           "constrained", "wording"}  # fmt: skip
    for name, kind in PROBES.items():
        assert kind.name == name
        assert kind.title
        assert kind.caption


class Silence(ProbeKind):
    """Somebody's own: how often is nothing advised? Of a model that was trained beside one anchor alone."""

    name = "silence"
    title = "How often does it say nothing?"
    caption = "Share: of the items without any advice."

    def ask(self, probing):
        if probing.anchors is None:
            raise LeftOut("The probe silence was left out: the model was not trained.")
        said = [float(advice == Advice()) for advice in probing.model(probing.chosen)]
        songs = [problem.song_id for problem in probing.chosen]
        return self.found(songs, {"": {"share": said}}, probing.resamples)


@pytest.fixture
def registered(monkeypatch):
    """A registry with one probe more, as a user's own module adds it."""
    monkeypatch.setattr(PROBES, "_entries", dict(PROBES))
    return PROBES.add(Silence())


@pytest.fixture(scope="module")
def probes():
    """The settings of the probes."""
    return parse(composed("checkpoint=null", name="evaluate")["probes"], ProbesSettings)


def probed(problems, settings, *, anchors=("bass",), can_vary=True, shuffled=None):
    """A model that advises nothing, and what it was asked."""
    heard = [Prediction(problem, "", Advice()) for problem in problems]
    return SimpleNamespace(
        settings=settings, resamples=RESAMPLES, anchors=anchors, heard=heard, shuffled=shuffled,
        chosen=spread(problems, settings.items), error=SimpleNamespace(relative=False),
        evaluator=SimpleNamespace(bank=SimpleNamespace(can_vary=can_vary)),
        model=lambda asked: [Advice()] * len(asked),
        baselines=lambda names=None, reads_claims=None: {},
    )  # fmt: skip


def test_a_probe_from_outside_is_asked_like_any_other(registered, problems, probes):
    chosen = probes.but(which=("silence", "global_gain"), items=10)
    found, notes = run_probes(probed(problems, chosen))
    assert [probe.name for probe in found] == ["silence", "global_gain"]
    assert found[0].flat("probe")["probe/silence/share"] == 1
    assert (found[0].title, found[0].items) == ("How often does it say nothing?", 10)
    assert notes == []


def test_what_cannot_be_asked_is_left_out_with_its_reason(registered, problems, probes):
    chosen = probes.but(which=("silence", "audio_shuffled", "anchor_swap"), items=10)
    found, notes = run_probes(probed(problems, chosen, anchors=None))
    assert notes == [
        "The probe silence was left out: the model was not trained.",
        "The probe audio_shuffled was left out: all items are of one song.",
        "The probe anchor_swap was left out: only relative errors are an error beside every anchor "
        "(evaluation/error=relative).",
    ]
    assert found == []
    _, notes = run_probes(probed(problems, probes.but(which=("anchor_swap",))))
    assert notes == [
        "The probe anchor_swap was left out: the checkpoint was trained beside the anchor 'bass' alone, so that "
        "another one means nothing to it (train with error=relative anchor=random)."
    ]


def test_probes_that_make_variants_are_left_out_together_where_clips_are_as_they_are(registered, problems, probes):
    heard = [Prediction(problem, "", Advice()) for problem in problems]
    chosen = probes.but(which=("audio_shuffled", "claim_swap", "silence"))
    found, notes = run_probes(probed(problems, chosen, can_vary=False, shuffled=heard))
    assert [probe.name for probe in found] == ["audio_shuffled"]
    assert notes == ["Left out since exported clips are as they are: the probes claim_swap, silence."]


def test_where_every_item_has_a_claim_there_is_nothing_to_vary(draw, probes):
    claimed = [item.problem for item in draw(5, prompts=(PromptCategory.CORRECT_DESCRIPTION,))]
    found, notes = run_probes(probed(claimed, probes.but(which=("claim_swap",))))
    assert found == []
    assert notes == ["Left out since every item has a claim in its prompt: the probes claim_swap."]


def test_a_probe_that_nobody_registered_is_refused_with_what_was_meant(problems, probes):
    with pytest.raises(ConfigError, match=r"no probe 'claim_swop' \(did you mean 'claim_swap'\?\)"):
        run_probes(probed(problems, probes.but(which=("claim_swop",))))
