"""Questions put to a server: bounded attempts, nothing asked twice, nothing made up."""

from __future__ import annotations

import json

import pytest

from mixlab.calling.call_log import CallLog
from mixlab.calling.endpoint import Endpoint
from mixlab.calling.settings import Price
from mixlab.errors import MixlabError
from mixlab.judging.asking import Judge
from mixlab.judging.forms import FormAsked, Preference
from mixlab.judging.questions import Question
from tests.calling.scripted_server import Scripted

FIRST = json.dumps({"reason": "x", "better": "first"})


def question(number=0, draw=0):
    message = {"role": "user", "content": f"Which of {number}?"}
    return Question(f"song/{number}", ("model", "opponent"), draw, (message,), Preference)


@pytest.fixture
def log(tmp_path):
    with CallLog(tmp_path / "calls.jsonl") as opened:
        yield opened


@pytest.fixture
def judge(log):
    def make(server, attempts=3, **request):
        return Judge(log, server.url, "m", request, FormAsked.JSON_SCHEMA, attempts)

    return make


def ask_all(judge, server, questions, concurrency=1, give_up_after=100, **others):
    return judge.ask_all(
        questions, Endpoint(server.url, "JUDGE_KEY", 0, 20.0, None), concurrency, give_up_after, **others
    )


def test_the_form_is_asked_for_with_the_request(serve, judge):
    server = serve(lambda body, number: Scripted(FIRST))
    (result,) = ask_all(judge(server, temperature=0.3), server, [question()])
    assert result.value.better == "first"
    assert server.requests[0]["temperature"] == 0.3
    assert server.requests[0]["response_format"]["json_schema"]["name"] == "preference"


def test_an_answer_without_form_is_asked_for_again_and_told_why(serve, judge):
    server = serve(lambda body, number: Scripted(FIRST if number == 2 else f"No JSON, try {number}."))
    (result,) = ask_all(judge(server), server, [question()])
    assert result.value.better == "first"
    said = [message["content"] for message in server.requests[2]["messages"]]
    assert said[:2] == ["Which of 0?", "No JSON, try 1."]
    assert said[2].startswith("That cannot be used: there is no JSON object in it.")


def test_attempts_are_bounded_and_then_the_answer_is_missing(serve, judge):
    server = serve(lambda body, number: Scripted(f"Still no JSON, {number}."))
    (result,) = ask_all(judge(server), server, [question()])
    assert (result.value, len(server.requests)) == (None, 3)
    assert "no answer kept to the form" in result.missing
    assert ask_all(judge(server), server, [question()])[0].value is None
    assert len(server.requests) == 3


def test_what_was_answered_is_never_asked_again(serve, judge):
    server = serve(lambda body, number: Scripted(FIRST))
    questions = [question(number, draw) for number in range(5) for draw in range(2)]
    ask_all(judge(server), server, questions[:6])
    assert len(server.requests) == 6
    estimate = judge(server).estimate(questions)
    assert (estimate.calls, estimate.answered) == (4, 6)
    assert all(result.value is not None for result in ask_all(judge(server), server, questions, concurrency=3))
    assert len(server.requests) == 10


def test_an_attempt_that_was_answered_counts_when_asking_goes_on(serve, judge):
    server = serve(lambda body, number: Scripted("No JSON." if number == 0 else FIRST, 200 if number != 1 else 500))
    assert ask_all(judge(server), server, [question()])[0].missing == "the server answered 500"
    assert ask_all(judge(server), server, [question()])[0].value is not None
    assert [len(body["messages"]) for body in server.requests] == [1, 3, 3]


def test_questions_that_ask_the_same_are_asked_once(serve, judge):
    server = serve(lambda body, number: Scripted(FIRST, delay_s=0.05))
    steps = []
    results = ask_all(judge(server), server, [question()] * 4, concurrency=4, progress=lambda: steps.append(1))
    assert (len(results), len(server.requests), len(steps)) == (4, 1, 1)


def test_no_more_calls_are_in_flight_than_allowed(serve, judge):
    server = serve(lambda body, number: Scripted(FIRST, delay_s=0.03))
    ask_all(judge(server), server, [question(number) for number in range(20)], concurrency=3)
    assert server.most_at_once <= 3


def test_a_failed_call_is_missing_and_the_others_go_on(serve, judge):
    server = serve(lambda body, number: Scripted(FIRST, 500 if number == 1 else 200))
    results = ask_all(judge(server), server, [question(number) for number in range(3)])
    assert [result.missing for result in results] == ["", "the server answered 500", ""]
    assert ask_all(judge(server), server, [question(1)])[0].value is not None


def test_a_server_that_is_down_is_given_up_and_what_it_said_is_kept(serve, judge, log):
    server = serve(lambda body, number: Scripted(FIRST, 200 if number < 2 else 500))
    with pytest.raises(MixlabError, match="left 3 calls in a row without an answer"):
        ask_all(judge(server), server, [question(number) for number in range(50)], give_up_after=3)
    assert len(log) == 2
    assert len(server.requests) == 5


def test_a_refused_key_stops_everything_at_once(serve, judge):
    server = serve(lambda body, number: Scripted(status=401))
    with pytest.raises(MixlabError, match="refuses the key"):
        ask_all(judge(server), server, [question(number) for number in range(50)], concurrency=2)
    assert len(server.requests) < 50


def test_cost_is_told_where_prices_and_lengths_are_known(serve, judge):
    server = serve(lambda body, number: Scripted(FIRST))
    estimate = judge(server, max_tokens=100).estimate([question(number) for number in range(10)])
    assert (estimate.calls, estimate.input_tokens, estimate.output_tokens) == (10, 28, 1000)
    assert estimate.cost(Price(input=2.0, output=10.0)) == pytest.approx((28 * 2.0 + 1000 * 10.0) / 1e6)
    assert estimate.cost(Price(input=None, output=10.0)) is None
    assert judge(server).estimate([question()]).output_tokens is None
    assert server.requests == []
