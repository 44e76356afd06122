"""Encoding: ids and features are those of transformers' own processor, labels lie on the response alone."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixlab.chat import encoder as encoders
from mixlab.chat.encoder import IGNORED, ChatEncoder
from mixlab.multitrack.song import STEMS
from mixlab.synthesis.draw import draw_problem
from mixlab.synthesis.example import LAYOUTS, Clip, make_example
from mixlab.synthesis.problem import PromptCategory
from mixlab.synthesis.seeds import generator

LAYOUT_NAMES = ["stems", "anchor_rest", "mixture"]


def noise_clip(label: str = "Drums:", seconds: float = 10.0, seed: int = 0, level: float = 0.05) -> Clip:
    samples = level * np.random.default_rng(seed).standard_normal(round(seconds * 16000))
    return Clip(label, ("drums",), samples.astype(np.float32))


def conversation(clips, prompt: str, response: str | None = None) -> list[dict]:
    content = []
    for clip in clips:
        content += [{"type": "text", "text": f"{clip.label} "}, {"type": "audio", "audio_url": "clip.wav"}]
    if prompt:
        content.append({"type": "text", "text": prompt})
    turns = [{"role": "user", "content": content}]
    return turns if response is None else [*turns, {"role": "assistant", "content": response}]


def processed(processor, clips, prompt: str, response: str | None = None):
    """What transformers' processor makes of the same conversation."""
    text = processor.apply_chat_template(
        conversation(clips, prompt, response), add_generation_prompt=response is None, tokenize=False
    )
    return processor(
        text=text, audio=[clip.samples for clip in clips], sampling_rate=16000, return_tensors="np", padding=True
    )


PROMPT, RESPONSE = "How is the balance?", "The drums are too loud. Lower the drums by 6 dB."


@pytest.mark.parametrize("clips", [1, 2, 4])
@pytest.mark.parametrize("prompt", ["", PROMPT])
def test_ids_and_features_are_the_processors(processor, encoder, clips, prompt):
    clips = [noise_clip(f"Clip {number}:", seed=number) for number in range(clips)]
    reference = processed(processor, clips, prompt)
    np.testing.assert_array_equal(encoder.encode_text(clips, prompt, None).input_ids, reference["input_ids"][0])
    features = encoder.features([clip.samples for clip in clips])
    np.testing.assert_allclose(features, reference["input_features"], atol=1e-4)
    frames = encoder.front_end.frames(encoder.line_up([clip.samples for clip in clips])[1])
    np.testing.assert_array_equal(reference["feature_attention_mask"].sum(axis=1), frames)


@pytest.mark.parametrize("seconds", [2.5, 5.0, 7.3, 9.99])
def test_a_clip_shorter_than_the_window_has_the_processors_number_of_audio_tokens(processor, encoder, seconds):
    clips = [noise_clip(seconds=seconds)]
    reference = processed(processor, clips, PROMPT)
    np.testing.assert_array_equal(encoder.encode_text(clips, PROMPT, None).input_ids, reference["input_ids"][0])


@settings(max_examples=25)
@given(
    st.integers(0, 2**32 - 1), st.sampled_from(PromptCategory), st.sampled_from(LAYOUT_NAMES), st.sampled_from(STEMS)
)
def test_the_prompt_is_an_exact_prefix_of_the_conversation_in_the_processors_own_template(
    processor, encoder, segment_of_all, protocol, seed, category, layout, anchor
):
    protocol = replace(protocol, anchor=anchor)
    problem = draw_problem(segment_of_all, protocol, generator(seed), "item", category)
    stems = {stem: noise_clip().samples for stem in problem.stems}
    example = make_example(problem, stems, LAYOUTS[layout])
    prompt = encoder.encode_text(example.clips, example.prompt, None).input_ids
    whole = encoder.encode_text(example.clips, example.prompt, example.response)
    np.testing.assert_array_equal(whole.input_ids[: prompt.size], prompt)
    reference = processed(processor, example.clips, example.prompt, example.response)["input_ids"][0]
    np.testing.assert_array_equal(whole.input_ids, reference[: whole.input_ids.size])
    # The template ends a turn with a line break, which nobody has to learn to say.
    assert processor.tokenizer.decode(reference[whole.input_ids.size :]).strip() == ""


def test_labels_lie_on_the_response_and_its_end_alone(processor, encoder):
    clips = [noise_clip()]
    prompt = encoder.encode_text(clips, PROMPT, None)
    whole = encoder.encode_text(clips, PROMPT, RESPONSE)
    assert (prompt.labels == IGNORED).all()
    assert (whole.labels[: prompt.input_ids.size] == IGNORED).all()
    learnt = whole.labels[prompt.input_ids.size :]
    np.testing.assert_array_equal(learnt, whole.input_ids[prompt.input_ids.size :])
    assert learnt[-1] == encoder.end_token_id
    assert processor.tokenizer.decode(learnt) == f"{RESPONSE}<|im_end|>"
    assert (learnt == encoder.end_token_id).sum() == 1


@pytest.mark.parametrize("clips", [1, 2, 4])
def test_a_clip_has_been_heard_at_the_token_that_closes_it(processor, encoder, clips):
    clips = [noise_clip(f"Clip {number}:", seconds=10.0 - number, seed=number) for number in range(clips)]
    whole = encoder.encode_text(clips, PROMPT, RESPONSE)
    closing = processor.tokenizer.convert_tokens_to_ids(processor.audio_eos_token)
    np.testing.assert_array_equal(whole.clip_ends, whole.input_ids == closing)


def test_decisive_tokens_carry_stem_direction_and_number(processor, encoder):
    whole = encoder.encode_text([noise_clip()], PROMPT, RESPONSE)
    said = processor.tokenizer.decode(whole.input_ids[whole.decisive])
    assert all(word in said for word in ("drums", "loud", "Lower", "6"))
    assert "The" not in said
    assert not whole.decisive[whole.labels == IGNORED].any()


def test_other_audio_gives_other_features_and_the_same_ids(encoder):
    one, other = noise_clip(seed=1), noise_clip(seed=2)
    assert np.abs(np.subtract(*encoder.features([one.samples, other.samples]))).max() > 0.1
    np.testing.assert_array_equal(
        encoder.encode_text([one], PROMPT, None).input_ids, encoder.encode_text([other], PROMPT, None).input_ids
    )


def test_the_order_of_clips_is_the_order_of_labels(encoder):
    text = encoder.prompt_text([noise_clip("Anchor, bass:"), noise_clip("Drums:"), noise_clip("Vocals:")], "")
    assert text.index("Anchor, bass:") < text.index("Drums:") < text.index("Vocals:")


def test_a_clip_longer_than_the_window_is_refused_and_not_cut(encoder):
    with pytest.raises(ValueError, match=r"a clip of 10\.5 s exceeds the model's 10 s"):
        encoder.line_up([noise_clip().samples, noise_clip(seconds=10.5).samples])


def test_prompts_that_come_again_have_the_same_ids_however_many_are_kept(processor, chat, monkeypatch):
    clips = [noise_clip()]
    prompts = ["", PROMPT, "Is it balanced?", PROMPT, ""]
    expected = [processed(processor, clips, prompt)["input_ids"][0].tolist() for prompt in prompts]
    for kept in (1, 2, 100):
        monkeypatch.setattr(encoders, "KEPT_PROMPTS", kept)
        fresh = ChatEncoder(chat)
        assert [fresh.encode_text(clips, prompt, None).input_ids.tolist() for prompt in prompts] == expected
        assert len(fresh._prompts) <= kept


def test_a_prompt_of_its_own_clip_lengths_is_not_taken_for_another(processor, encoder):
    for seconds in (10.0, 5.0, 10.0):
        clips = [noise_clip(seconds=seconds)]
        reference = processed(processor, clips, PROMPT)["input_ids"][0]
        np.testing.assert_array_equal(encoder.encode_text(clips, PROMPT, None).input_ids, reference)


def test_an_encoder_is_small_enough_to_travel_to_workers(encoder):
    copy = pickle.loads(pickle.dumps(encoder))
    assert isinstance(copy, ChatEncoder)
    clips = [noise_clip()]
    np.testing.assert_array_equal(
        copy.encode_text(clips, PROMPT, RESPONSE).input_ids, encoder.encode_text(clips, PROMPT, RESPONSE).input_ids
    )
