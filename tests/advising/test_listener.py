"""The real model behind the command: clips of any length up to the window, in batches of mixed lengths."""

from dataclasses import replace

import numpy as np
import pytest

from mixlab.advising.listener import ModelListener
from mixlab.advising.session import Question
from mixlab.chat.encoder import EncodedExample
from mixlab.chat.readings import Readings
from mixlab.models.checkpoints import load_trained
from mixlab.synthesis.example import Clip

from .conftest import tone


@pytest.fixture(scope="module")
def listener(checkpoint):
    """A listener with the untrained checkpoint."""
    return ModelListener(load_trained(checkpoint))


def question(seconds, clips=2, prompt=""):
    labels = ("Anchor, bass:", "Drums:", "Vocals:")[:clips]
    return Question(
        tuple(Clip(label, (label,), tone(200.0 * (n + 1), seconds)[:, 0]) for n, label in enumerate(labels)), prompt
    )


@pytest.mark.parametrize(("seconds", "audio_tokens"), [(3.0, 2), (5.0, 4), (10.0, 8)])
def test_a_shorter_clip_has_fewer_audio_tokens(listener, seconds, audio_tokens):
    asked = question(seconds, clips=1)
    encoded = EncodedExample.of_question(listener.encoder, asked.clips, asked.prompt)
    assert int(np.sum(encoded.text.input_ids == listener.encoder.chat.audio_token_id)) == audio_tokens
    assert [clip.size for clip in encoded.waveforms] == [round(seconds * 16000)]


def test_a_batch_of_mixed_lengths_and_stems_answers_as_one_by_one(listener):
    questions = [question(10.0, 3), question(3.1, 2, "The drums are too loud."), question(6.0, 2)]
    assert listener(questions) == [listener([one])[0] for one in questions]


@pytest.mark.parametrize(("meter", "shown"), [("relative", "above the bass:"), ("lufs", "LUFS:")])
def test_a_model_that_was_trained_with_a_meter_has_it_in_advice_too(save_checkpoint, meter, shown):
    readings = Readings.model_validate({"meter": meter, "form": "words"})
    own = ModelListener(load_trained(save_checkpoint(readings=readings)))
    quiet, loud = (
        replace(clip, stems=(stem,)) for clip, stem in zip(question(10.0).clips, ("bass", "drums"), strict=True)
    )
    asked = Question((quiet, replace(loud, samples=loud.samples * 4)), "")
    text = own.encoder.prompt_text(own.encoder.shown(asked.clips), "")
    assert shown in text
    assert len(own([asked])) == 1
