"""Examples: a problem made audible and readable, without chance, normalisation or clipping."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mixlab.audio.levels import apply_gain, rms_dbfs
from mixlab.audio.log_mel import LogMel
from mixlab.errors import ConfigError
from mixlab.language.advice import State
from mixlab.language.banks import Banks, PromptBank, ResponseBank, default_banks
from mixlab.language.degree import Degree
from mixlab.language.parse import parse
from mixlab.language.templates import fill_prompt
from mixlab.multitrack.statistics import Spread, UsualBalance
from mixlab.synthesis.draw import draw_problem
from mixlab.synthesis.example import LAYOUTS, Example, Layout, make_clips, make_example
from mixlab.synthesis.problem import AnswerForm, GainError, Problem, PromptCategory
from mixlab.synthesis.seeds import generator

SEEDS = st.integers(0, 2**32 - 1)
FRONT_END = LogMel(16000, 8192, 5000, 64, 160000)
OWN_LAYOUTS = ["stems", "anchor_rest", "mixture"]


@pytest.fixture(scope="module")
def problem_of(segment, protocol):
    """Draws a problem of a segment with the given stems."""

    def build(*stems: str, seed: int = 0, category: PromptCategory | None = None, **changes) -> Problem:
        return replace(draw_problem(segment(*stems), protocol, generator(seed), "item", category), **changes)

    return build


def example_of(problem: Problem, stems, layout: str = "stems") -> Example:
    return make_example(problem, stems, LAYOUTS[layout])


@pytest.mark.parametrize("faulty", ["drums", "other", "vocals"])
def test_6_db_on_a_stem_move_its_features_by_0_15_and_no_other_clips_at_all(problem_of, segment, noise_stems, faulty):
    stems = noise_stems(segment())
    balanced = problem_of(errors=(), error_category="no_error")
    boosted = replace(balanced, errors=(GainError(faulty, 6.0),), error_category="loud")
    pairs = zip(*(example_of(p, stems, "stems").clips for p in (balanced, boosted)), strict=True)
    for before, after in pairs:
        if after.stems == (faulty,):
            features = FRONT_END(torch.from_numpy(np.stack([before.samples, after.samples])))
            np.testing.assert_allclose(features[1] - features[0], 0.15, atol=1e-5)
        else:
            np.testing.assert_array_equal(after.samples, before.samples)


@given(SEEDS, st.sampled_from(OWN_LAYOUTS))
@settings(max_examples=20)
def test_clips_sum_to_the_mixture_whatever_the_layout(problem_of, segment, noise_stems, seed, layout):
    problem, stems = problem_of(seed=seed), noise_stems(segment(), samples=4000)
    common_db = problem.headroom_gain_db + problem.master_gain_db
    mixture = sum(
        samples.astype(np.float64) * 10 ** ((common_db + problem.error_db(stem)) / 20)
        for stem, samples in stems.items()
    )
    clips = example_of(problem, stems, layout).clips
    np.testing.assert_allclose(sum(clip.samples for clip in clips), mixture, atol=2e-6 * np.abs(mixture).max())
    assert sorted(stem for clip in clips for stem in clip.stems) == sorted(problem.stems)


@pytest.mark.parametrize("layout", OWN_LAYOUTS)
def test_no_clip_is_normalised_or_clipped(problem_of, segment, noise_stems, layout):
    stems = {stem: samples * 40 for stem, samples in noise_stems(segment()).items()}
    problem = problem_of(errors=(GainError("drums", 12.0),), error_category="very_loud", headroom_gain_db=0.0)
    clips = example_of(problem, stems, layout).clips
    for clip in clips:
        assert clip.samples.dtype == np.float32
        assert np.abs(clip.samples).max() > 2.0
        expected = sum(apply_gain(stems[s], problem.master_gain_db + problem.error_db(s)) for s in clip.stems)
        np.testing.assert_allclose(clip.samples, expected, rtol=1e-5, atol=1e-5)


def test_the_unmodified_mixture_lies_at_the_headroom_level_plus_the_master_gain(problem_of, segment, noise_stems):
    stems = noise_stems(segment())
    measured = rms_dbfs(np.sum(list(stems.values()), axis=0))
    problem = problem_of(errors=(), error_category="no_error", headroom_gain_db=-32.0 - measured)
    (clip,) = example_of(problem, stems, "mixture").clips
    assert rms_dbfs(clip.samples) == pytest.approx(-32.0 + problem.master_gain_db, abs=1e-3)


def test_the_source_samples_are_left_alone(problem_of, segment, noise_stems):
    stems = noise_stems(segment())
    copies = {stem: samples.copy() for stem, samples in stems.items()}
    example_of(problem_of(), stems)
    for stem in stems:
        np.testing.assert_array_equal(stems[stem], copies[stem])


@given(SEEDS, st.sampled_from(OWN_LAYOUTS))
@settings(max_examples=20)
def test_a_clip_is_to_the_bit_the_sum_of_its_stems_with_their_gains(problem_of, segment, noise_stems, seed, layout):
    problem, stems = problem_of(seed=seed), noise_stems(segment(), samples=4000)
    common_db = problem.headroom_gain_db + problem.master_gain_db
    for clip in example_of(problem, stems, layout).clips:
        parts = [apply_gain(stems[stem], common_db + problem.error_db(stem)) for stem in clip.stems]
        assert clip.samples.tobytes() == np.sum(parts, axis=0, dtype=np.float32).tobytes()


LABELS = {
    "stems": ["Anchor, bass:", "Drums:", "Other:", "Vocals:"],
    "anchor_rest": ["Anchor, bass:", "The rest, drums, other and vocals:"],
    "mixture": ["Mixture, anchor bass:"],
}


@pytest.mark.parametrize("category", list(PromptCategory))
@pytest.mark.parametrize("layout", OWN_LAYOUTS)
def test_labels_belong_to_the_layout_and_stand_in_every_category(problem_of, segment, noise_stems, layout, category):
    clips = example_of(problem_of(category=category), noise_stems(segment(), samples=100), layout).clips
    assert [clip.label for clip in clips] == LABELS[layout]


@given(SEEDS)
def test_audio_only_has_no_sentence_and_every_other_category_has_one(problem_of, segment, noise_stems, seed):
    stems = noise_stems(segment(), samples=10)
    for category in PromptCategory:
        prompt = example_of(problem_of(seed=seed, category=category), stems, "stems").prompt
        assert (prompt == "") == (category is PromptCategory.AUDIO_ONLY)


@given(SEEDS, st.sampled_from(PromptCategory), st.sampled_from(["value", "range"]))
@settings(max_examples=150)
def test_the_response_reads_back_as_the_right_advice(problem_of, segment, noise_stems, seed, category, answer):
    problem = problem_of(seed=seed, category=category, answer=AnswerForm(answer))
    example = example_of(problem, noise_stems(segment(), samples=10))
    parsed = parse(example.response)
    assert parsed.advice == example.reference, example.response


@given(SEEDS)
def test_a_stem_that_the_segment_lacks_has_no_clip_no_name_and_no_error(problem_of, segment, noise_stems, seed):
    problem = problem_of("bass", "drums", "other", seed=seed)
    stems = noise_stems(segment(), samples=10)
    example = example_of(problem, stems)
    assert [clip.stems for clip in example.clips] == [("bass",), ("drums",), ("other",)]
    said = " ".join([example.prompt, example.response, *(clip.label for clip in example.clips)]).lower()
    assert not any(word in said for word in ("vocal", "voice", "singer"))
    assert problem.error_db("vocals") == 0.0


def test_the_same_problem_makes_the_same_example(problem_of, segment, noise_stems):
    problem, stems = problem_of(seed=3), noise_stems(segment(), samples=1000)
    first, second = (example_of(problem, stems) for _ in range(2))
    assert (first.prompt, first.response) == (second.prompt, second.response)
    for one, other in zip(first.clips, second.clips, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)


def test_wordings_vary_with_their_seed(problem_of, segment, noise_stems):
    stems = noise_stems(segment(), samples=10)
    problem = problem_of(
        category=PromptCategory.ADVICE_SEEKING, errors=(GainError("drums", 6.2),), error_category="loud"
    )
    examples = [example_of(replace(problem, wording_seed=seed), stems) for seed in range(200)]
    assert len({example.prompt for example in examples}) >= 8
    assert len({example.response for example in examples}) >= 30
    assert len({example.reference for example in examples}) == 1


def test_the_anchor_comes_first_whatever_it_is(noise_stems, segment):
    stems = noise_stems(segment(), samples=10)
    clips = make_clips(stems, ("vocals", "bass", "drums"), "vocals", LAYOUTS["stems"], dict.fromkeys(stems, 0.0))
    assert [clip.label for clip in clips] == ["Anchor, vocals:", "Bass:", "Drums:"]


@pytest.mark.parametrize(("layout", "clips"), [("stems", 4), ("anchor_rest", 2), ("mixture", 1)])
def test_a_layout_knows_how_many_clips_it_makes_at_most(layout, clips):
    assert LAYOUTS[layout].most_clips(4) == clips


def pairs(order):
    return [order[:1], *(order[start : start + 2] for start in range(1, len(order), 2))]


def in_pairs(stems, anchor):
    return f"Heard together, {' and '.join(stems)}:"


def test_a_layout_from_outside_groups_and_introduces_the_clips(problem_of, segment, noise_stems):
    layout = Layout("pairs", "the anchor, then the others in pairs", pairs, in_pairs)
    stems = noise_stems(segment(), samples=100)
    clips = make_example(problem_of(), stems, pickle.loads(pickle.dumps(layout))).clips
    assert [clip.stems for clip in clips] == [("bass",), ("drums", "other"), ("vocals",)]
    assert clips[1].label == "Heard together, drums and other:"
    assert layout.most_clips(6) == 4


@pytest.mark.parametrize("groups", [lambda order: [], lambda order: [order, ()], lambda order: [("kazoo",)]])
def test_a_layout_that_makes_clips_of_nothing_is_refused(groups):
    with pytest.raises(ConfigError, match="input layout 'odd' makes of the stems"):
        Layout("odd", "nothing", groups).most_clips(4)


def test_a_layout_that_nobody_registered_is_refused_with_what_was_meant():
    with pytest.raises(ConfigError, match=r"There is no input layout 'stem' \(did you mean 'stems'\?\)"):
        LAYOUTS["stem"]


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_unseen_words_are_held_out_and_change_the_prompt_alone(problem_of, segment, noise_stems, seed):
    problem, stems = problem_of(seed=seed), noise_stems(segment(), samples=50)
    seen, unseen = example_of(problem, stems), example_of(replace(problem, unseen_wording=True), stems)
    bank = default_banks().prompts
    for example, templates in ((seen, bank), (unseen, bank.held_out)):
        texts = {fill_prompt(text, problem.claim, problem.anchor) for text in templates.templates(problem.claim)}
        assert example.prompt in (texts if problem.prompt_category is not PromptCategory.AUDIO_ONLY else {""})
    assert seen.response == unseen.response
    assert seen.reference == unseen.reference


def test_a_bank_that_holds_nothing_out_asks_in_the_words_that_it_has(problem_of, segment, noise_stems):
    problem = problem_of(category=PromptCategory.ADVICE_SEEKING, unseen_wording=True)
    banks = replace(default_banks(), prompts=replace(default_banks().prompts, held_out=None))
    example = make_example(problem, noise_stems(segment(), samples=50), LAYOUTS["stems"], banks)
    assert example.prompt in {fill_prompt(text, None, "bass") for text in banks.prompts.advice_seeking}


def test_a_reason_is_what_the_meter_says_of_the_clips(problem_of, segment, noise_stems):
    usual = UsualBalance({("all", "bass", stem): Spread(9, 3.0, 2.0) for stem in ("drums", "other", "vocals")})
    stems = noise_stems(segment())
    lufs = dict.fromkeys(stems, -30.0) | {"drums": -26.0}  # 4 dB above the bass before the error
    known = {"lufs": lufs, "usual": usual}
    problem = problem_of(category=PromptCategory.AUDIO_ONLY, errors=(GainError("drums", 6.0),), master_gain_db=-7.0)
    texts = [
        make_example(replace(problem, wording_seed=seed), stems, LAYOUTS["stems"], **known).response
        for seed in range(9)
    ]
    assert all("are 10 dB above the bass, " in text and "about 3 above" in text for text in texts)
    assert all(parse(text).advice == problem.right_advice for text in texts)
    quiet = replace(problem, errors=(GainError("drums", -0.6),))  # 3.4 dB above, where 3 is usual: no reason to raise
    assert "most songs" not in make_example(quiet, stems, LAYOUTS["stems"], **known).response
    plain = make_example(problem, stems, LAYOUTS["stems"], lufs=lufs).response
    reasoned = make_example(problem, stems, LAYOUTS["stems"], **known).response
    assert reasoned.startswith(f"{plain} ")


def test_banks_of_ones_own_word_the_texts_and_leave_the_sound_as_it_is(problem_of, segment, noise_stems):
    problem = problem_of(category=PromptCategory.ADVICE_SEEKING, errors=(GainError("drums", 6.2),))
    stems = noise_stems(segment(), samples=100)
    usual = default_banks()
    responses = ResponseBank(
        {state: dict.fromkeys(Degree, ("The {stem} {are|is} off.",)) for state in State},
        usual.responses.solutions,
        usual.responses.verdicts,
    )
    banks = Banks(PromptBank(("Any thoughts?",), usual.prompts.claims), responses)
    own, plain = make_example(problem, stems, LAYOUTS["stems"], banks), make_example(problem, stems, LAYOUTS["stems"])
    assert own.prompt == "Any thoughts?"
    assert own.response.startswith("The drums are off. ")
    assert parse(own.response).advice == plain.reference
    for one, other in zip(own.clips, plain.clips, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)
