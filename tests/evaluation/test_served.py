"""A model behind a server answers the same items from the same clips: what it is sent, what it costs, what is kept."""

from __future__ import annotations

import base64
import io
import json
import re

import numpy as np
import pytest
import soundfile
import yaml

from mixlab.calling.call_log import CallLog
from mixlab.calling.endpoint import Endpoint
from mixlab.calling.settings import Price
from mixlab.errors import ConfigError, MixlabError
from mixlab.evaluation import evaluate_command
from mixlab.evaluation.answering import Answering
from mixlab.evaluation.served import PEAK_DBFS, ServedModel, spoken
from mixlab.language.templates import render_response
from mixlab.runs.settings import AnswererSettings
from mixlab.scoring import read_predictions
from mixlab.scoring.formats import OWN_ROWS, read_texts
from mixlab.storage import config_folder
from mixlab.synthesis.example import Clip
from tests.calling.scripted_server import Scripted
from tests.commands import refused
from tests.conftest import composed
from tests.evaluation.test_evaluate_command import QUICK, SMALL

KEY = "a-key-that-nobody-may-see"
BALANCED = "The mix is balanced. Leave everything as it is."
SOON = {"Retry-After-Ms": "1"}


@pytest.fixture(scope="module")
def bank(demo_source, build_small):
    """The demo songs, a clip a stem."""
    return build_small(demo_source, "inputs.layout=stems", "evaluation.items_per_song=2")


@pytest.fixture
def model(bank, tmp_path):
    """A function that makes a served model, whose answers are kept in one place; further settings by name."""
    logs = []

    def make(server, seed=0, **others):
        values = yaml.safe_load((config_folder() / "answerer" / "openai.yaml").read_text())["answerer"]
        values |= {"endpoint": server.url, "model": "m", "retries": 1, "timeout_s": 20.0} | others
        settings = AnswererSettings.model_validate(values)
        for log in logs:
            log.close()
        logs[:] = [CallLog(settings.log_path(tmp_path))]
        endpoint = Endpoint(settings.endpoint, "ANSWERER_KEY", settings.retries, settings.timeout_s, None)
        return ServedModel(settings, bank, seed, 40, logs[0], endpoint)

    yield make
    for log in logs:
        log.close()


@pytest.fixture
def asked(bank):
    """A function that has a model answer problems."""
    return lambda model, problems, audio_of=None: Answering(bank, None, None).answer(model, problems, audio_of)


def sounds(message):
    """The sounds of a message, shape (samples,) each."""
    parts = [part["input_audio"] for part in message["content"] if part["type"] == "input_audio"]
    assert all(part["format"] == "wav" for part in parts)
    read = [soundfile.read(io.BytesIO(base64.b64decode(part["data"]))) for part in parts]
    assert {rate for _, rate in read} == {16000}
    return [samples for samples, _ in read]


def test_each_clip_comes_behind_its_name_and_the_users_sentence_last(bank, model, asked, scripted):
    server = scripted(lambda body, number: Scripted(BALANCED))
    problem = next(problem for problem in bank.problems("test") if problem.claim is not None)
    (prediction,) = asked(model(server), [problem])
    (body,) = server.requests
    system, user = body["messages"]
    assert (body["model"], body["temperature"], system["role"], user["role"]) == ("m", 0.0, "system", "user")
    example = bank.examples.example(problem)
    kinds = [part["type"] for part in user["content"]]
    assert kinds == ["text", "input_audio"] * len(example.clips) + ["text"]
    said = [part["text"] for part in user["content"] if part["type"] == "text"]
    assert said == [*(clip.label for clip in example.clips), example.prompt]
    assert said[0] == "Anchor, bass:"
    assert (prediction.problem, prediction.prompt, prediction.text) == (problem, example.prompt, BALANCED)
    assert prediction.reference == example.response
    assert prediction.advice.moves == ()


def test_what_clips_are_beside_each_other_arrives_and_nothing_is_clipped(bank, model, asked, scripted):
    server = scripted(lambda body, number: Scripted(BALANCED))
    problems = bank.problems("test")[:4]
    asked(model(server, concurrency=1), problems)
    for problem, body in zip(problems, server.requests, strict=True):
        clips = [clip.samples for clip in bank.examples.example(problem).clips]
        heard = sounds(body["messages"][-1])
        gain = max(np.abs(h).max() for h in heard) / max(np.abs(c).max() for c in clips)
        for clip, sound in zip(clips, heard, strict=True):
            assert np.abs(sound - gain * clip).max() <= 2.0 / 2**15
        assert max(np.abs(h).max() for h in heard) == pytest.approx(10 ** (PEAK_DBFS / 20), abs=1e-4)


def test_a_clip_above_full_scale_takes_the_others_down_with_it():
    loud, quiet = np.full(100, 4.0, np.float32), np.full(100, 0.5, np.float32)
    parts = spoken([Clip("Loud:", ("a",), loud), Clip("Quiet:", ("b",), quiet)], "", 16000)
    a, b = sounds({"content": parts})
    assert a.max() / b.max() == pytest.approx(8.0, rel=1e-3)
    assert a.max() < 1.0
    assert not np.any(sounds({"content": spoken([Clip("Silent:", ("a",), 0 * loud)], "", 16000)})[0])


def test_a_second_run_asks_only_what_is_missing(bank, model, asked, scripted):
    server = scripted(lambda body, number: Scripted(f"Lower the drums by {number + 1} dB."))
    problems = bank.problems("test")[:6]
    first = asked(model(server), problems[:4])
    again = model(server)
    estimate = again.estimate([(problems, None)])
    assert (estimate.calls, estimate.answered) == (2, 4)
    assert asked(again, problems)[:4] == first
    assert len(server.requests) == 6
    (log,) = again.log.path.parent.glob("*.jsonl")
    assert len({json.loads(line)["key"] for line in log.read_text().splitlines()}) == 6


def test_the_clips_of_another_item_are_heard_under_the_same_words(bank, model, asked, scripted):
    server = scripted(lambda body, number: Scripted(BALANCED))
    problem, other = [problem for problem in bank.problems("test") if problem.claim is not None][:2]
    one = model(server)
    (prediction,) = asked(one, [problem], [other])
    assert prediction.problem == problem
    own, others = (one.request(p, p)["messages"][-1] for p in (problem, other))
    (heard,) = (body["messages"][-1] for body in server.requests)
    np.testing.assert_array_equal(sounds(heard), sounds(others))
    assert heard["content"][-1] == own["content"][-1] != others["content"][-1]


def test_what_has_no_answer_after_all_tries_counts_as_wrong_and_is_said(bank, model, asked, scripted):
    def busy(body, number):
        return Scripted(BALANCED, status=429 if "Drums" in str(body["messages"]) else 200, headers=SOON)

    server = scripted(busy)
    problems = bank.problems("test")[:6]
    with_drums = [problem for problem in problems if "drums" in problem.stems]
    assert len(with_drums) > 0
    one = model(server, retries=2, give_up_after=100)
    predictions = asked(one, problems)
    assert [p.advice is None for p in predictions] == [problem in with_drums for problem in problems]
    assert len(server.requests) == len(problems) + 2 * len(with_drums)
    (note,) = one.notes()
    assert note.startswith("Asked: m at http://127.0.0.1:")
    assert note.endswith(
        f"zero-shot. Missing: {len(with_drums)} of 6 answers: {len(with_drums)} x the server answered 429."
    )


def test_a_call_that_failed_is_made_again_and_a_slow_one_is_not_waited_for(bank, model, asked, scripted):
    server = scripted(lambda body, number: Scripted(BALANCED, status=500 if number == 0 else 200, headers=SOON))
    (prediction,) = asked(model(server), bank.problems("test")[:1])
    assert (prediction.text, len(server.requests)) == (BALANCED, 2)
    slow = scripted(lambda body, number: Scripted(BALANCED, delay_s=3.0))
    one = model(slow, timeout_s=0.2, retries=0)
    asked(one, bank.problems("test")[:1])
    assert "1 x the server took too long" in one.notes()[0]


def test_solved_examples_of_training_songs_come_first_and_are_drawn_by_seed(bank, model, asked, scripted):
    server = scripted(lambda body, number: Scripted(BALANCED))
    problem = bank.problems("test")[0]
    for seed in (0, 0, 1):
        request = model(server, shots=3, seed=seed).request(problem, problem)
        assert [message["role"] for message in request["messages"]] == ["system", *["user", "assistant"] * 3, "user"]
        server.requests.append(request)
    one, same, other = (request["messages"] for request in server.requests)
    assert one == same
    assert one[1:-1] != other[1:-1]
    assert one[-1] == other[-1]
    solved = {}
    for training in bank.tuning_problems(40):
        example = bank.examples.example(training)
        solved[json.dumps(spoken(example.clips, example.prompt, 16000))] = (training.song_id, example.response)
    songs = {problem.song_id for problem in bank.problems("test")}
    for user, assistant in zip(one[1:-1:2], one[2:-1:2], strict=True):
        song, response = solved[json.dumps(user["content"])]
        assert assistant["content"] == response
        assert song not in songs
    with pytest.raises(ConfigError, match=r"answerer\.shots is 41, but there are 40 training items"):
        model(server, shots=41).request(problem, problem)


def test_cost_is_told_in_calls_seconds_and_tokens_at_stated_prices(bank, model, scripted):
    server = scripted(lambda body, number: Scripted(BALANCED))
    problems = bank.problems("test")[:2]
    one = model(server, shots=1, audio_tokens_per_s=10.0, request={"max_tokens": 50})
    estimate = one.estimate([(problems, None), (problems, None)])
    turns = [message for p in problems for message in one.request(p, p)["messages"] if message["role"] == "user"]
    audio_s = sum(sound.size for message in turns for sound in sounds(message)) / 16000
    assert estimate.audio_s == pytest.approx(audio_s, rel=1e-3)
    assert (estimate.calls, estimate.output_tokens, estimate.audio_tokens) == (2, 100, round(10 * estimate.audio_s))
    assert estimate.cost(Price(input=1.0, output=2.0)) is None
    cost = estimate.cost(Price(input=1.0, output=2.0, audio=30.0))
    assert cost == pytest.approx((estimate.input_tokens + 30 * estimate.audio_tokens + 200) / 1e6)
    assert re.search(
        r"2 calls \(0 are answered already\), \d+ s of audio \(about ", estimate.sentence(Price(input=1.0, output=2.0))
    )
    assert server.requests == []


def test_no_more_calls_are_in_flight_than_allowed(bank, model, asked, scripted):
    server = scripted(lambda body, number: Scripted(BALANCED, delay_s=0.05))
    asked(model(server, concurrency=2), bank.problems("test"))
    assert server.most_at_once == 2


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def evaluate(cache, out, url, *others):
    overrides = ("answerer=openai", f"answerer.endpoint={url}", "answerer.model=m", "answerer.retries=0", f"out={out}",
                 f"paths.cache={cache}", *SMALL, *QUICK, *others)  # fmt: skip
    return evaluate_command.main(evaluate_command.settings(composed(*overrides, name="evaluate"), overrides))


def test_its_answers_are_scored_and_reported_beside_all_rivals(cache, tmp_path, scripted, monkeypatch, capsys):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    rng = np.random.default_rng(0)
    server = scripted(lambda body, number: Scripted(f"Raise the vocals by {rng.integers(1, 9)} dB."))
    others = ("probes.which=[audio_shuffled]", "answerer.price={input: 1, audio: 1, output: 1}")
    assert np.isnan(evaluate(cache, tmp_path, server.url, *others, "answerer.dry_run=true"))
    told = re.search(r"To ask: (\d+) calls \(0 are answered already\), .* cost at most about", capsys.readouterr().out)
    assert server.requests == []
    assert not list(tmp_path.iterdir())
    joint = evaluate(cache, tmp_path, server.url, *others)
    assert len(server.requests) == int(told[1])
    assert set(server.keys) == {f"Bearer {KEY}"}
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["test/joint_accuracy"] == joint
    assert {"baselines/loudness_rule_genre/model_lead_p_holm", "probe/audio_shuffled/drop"} <= set(metrics)
    predictions = read_predictions(tmp_path / "predictions.jsonl")
    # Two items may share the words, and so one question where clips are exchanged.
    assert len(predictions) < len(server.requests) <= 2 * len(predictions)
    assert all(prediction.text.startswith("Raise the vocals") for prediction in predictions)
    right = [p.needed.keys() == {"vocals"} and p.problem.needed_gains_db["vocals"] > 0 for p in predictions]
    assert [prediction.is_right for prediction in predictions] == right
    assert read_texts(tmp_path / "predictions.jsonl", OWN_ROWS).predictions == predictions
    page = (tmp_path / "report.html").read_text()
    assert "m, zero-shot" in page
    assert f"Missing: 0 of {int(told[1])} answers." in page
    assert evaluate(cache, tmp_path / "again", server.url, *others) == joint
    assert len(server.requests) == int(told[1])
    written = [path for folder in (tmp_path, cache) for path in folder.rglob("*") if path.is_file()]
    assert not any(KEY.encode() in path.read_bytes() for path in written)
    assert KEY not in capsys.readouterr().out


def test_a_model_that_says_what_is_right_is_right_everywhere(bank, model, asked, scripted):
    said = {}
    for problem in bank.problems("test"):
        example = bank.examples.example(problem)
        parts = spoken(example.clips, example.prompt, 16000)
        text = render_response(example.reference, problem.anchor, problem.claim, np.random.default_rng(1))
        said[json.dumps(parts)] = text
    server = scripted(lambda body, number: Scripted(said[json.dumps(body["messages"][-1]["content"])]))
    assert all(prediction.is_right for prediction in asked(model(server), bank.problems("test")))


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (404, "knows no chat completions or no model 'm' (404); correct endpoint"),
        (401, "refuses the key (401); set the environment variable OPENAI_API_KEY"),
        (400, "left the first question without an answer: the server answered 400"),
    ],
)
def test_a_server_that_cannot_answer_is_told_by_its_first_answer(cache, tmp_path, scripted, status, sentence):
    server = scripted(lambda body, number: Scripted(status=status))
    with pytest.raises(MixlabError) as raised:
        evaluate(cache, tmp_path, server.url)
    assert sentence in str(raised.value)
    assert len(server.requests) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["model=m"], "The key 'answerer.endpoint' has no value"),
        (["endpoint=http://h/v1"], "The key 'answerer.model' has no value"),
        (["endpoint=h", "model=m"], "The key 'answerer.endpoint' is 'h': it is no URL"),
        (["endpoint='http://me:hush@h/v1'", "model=m"], "The key 'answerer.endpoint' holds a user name"),
        (["endpoint=http://h", "model=m", "baseline=ridge"], "an answerer stands in a model's place"),
        (["endpoint=http://h", "model=m", "evaluation.loop_steps=2"], "the cost is told before an answerer is asked"),
        (["endpoint=http://h", "model=m", "probes.which=[claim_swap]"], "set evaluation.loop_steps=1"),
        (["endpoint=http://h", "model=m", "evaluation.segments=2"], "set evaluation.segments=1"),
        (["endpoint=http://h", "model=m", "readings=relative"], "set readings=none"),
        (["endpoint=http://h", "model=m", "trainer=ddp"], "one process asks an answerer; choose trainer=cpu"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_in_one_sentence(tmp_path, words, sentence):
    said = refused(tmp_path, "evaluate", "answerer=openai", *words)
    assert sentence in said
    assert "hush" not in said
