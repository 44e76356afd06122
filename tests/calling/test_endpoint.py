"""Calls to a real HTTP server on loopback that answers well, late, badly or not at all."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mixlab.calling.endpoint import CallFailed, Endpoint, Pace
from mixlab.errors import ConfigError, MixlabError

from .scripted_server import Scripted

REQUEST = {"model": "m", "messages": [{"role": "user", "content": "?"}], "temperature": 0.5, "top_k": 4}
SOON = {"Retry-After-Ms": "1"}


@pytest.fixture(autouse=True)
def _no_key(monkeypatch):
    monkeypatch.delenv("JUDGE_KEY", raising=False)


def endpoint(url, retries=2, timeout_s=20.0, per_minute=None):
    return Endpoint(url, "JUDGE_KEY", retries, timeout_s, per_minute)


def test_a_request_arrives_as_it_is_and_its_answer_comes_back(serve):
    server = serve(lambda body, number: Scripted("Hello."))
    reply = endpoint(server.url).complete(REQUEST)
    assert (reply.text, reply.finish, reply.model) == ("Hello.", "stop", "m")
    assert (reply.prompt_tokens, reply.completion_tokens) == (11, 7)
    assert server.requests == [REQUEST]


def test_the_key_comes_from_the_environment_alone(serve, monkeypatch):
    server = serve(lambda body, number: Scripted("Hello."))
    monkeypatch.setenv("OPENAI_API_KEY", "of somebody else")
    endpoint(server.url).complete(REQUEST)
    monkeypatch.setenv("JUDGE_KEY", "secret")
    endpoint(server.url).complete(REQUEST)
    assert server.keys == ["Bearer none", "Bearer secret"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_or_failing_server_is_asked_again(serve, status):
    server = serve(lambda body, number: Scripted("At last.", 200 if number == 2 else status, headers=SOON))
    assert endpoint(server.url).complete(REQUEST).text == "At last."
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [429, 500, 400, 422])
def test_a_server_that_goes_on_failing_leaves_the_call_without_an_answer(serve, status):
    server = serve(lambda body, number: Scripted(status=status, headers=SOON))
    with pytest.raises(CallFailed, match=f"answered {status}"):
        endpoint(server.url, retries=1).complete(REQUEST)
    assert len(server.requests) == (2 if status in (429, 500) else 1)


def test_a_slow_server_is_not_waited_for(serve):
    server = serve(lambda body, number: Scripted("Late.", delay_s=3.0))
    with pytest.raises(CallFailed, match="took too long"):
        endpoint(server.url, retries=0, timeout_s=0.2).complete(REQUEST)


@pytest.mark.parametrize("body", [b"<html>busy</html>", b"{}", b'{"choices": []}', b'{"choices": [{}]}', b"", b"null"])
def test_an_answer_that_is_no_chat_completion_is_a_failed_call(serve, body):
    server = serve(lambda _, number: Scripted(body=body))
    with pytest.raises(CallFailed, match="no chat completion"):
        endpoint(server.url).complete(REQUEST)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_ends_the_run_and_is_not_shown(serve, status, monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", "secret")
    server = serve(lambda body, number: Scripted(status=status, body=b'{"error": {"message": "bad key secret"}}'))
    with pytest.raises(
        MixlabError, match=rf"refuses the key \({status}\); set the environment variable JUDGE_KEY"
    ) as raised:
        endpoint(server.url).complete(REQUEST)
    assert "secret" not in str(raised.value)


def test_a_wrong_address_or_model_ends_the_run(serve):
    server = serve(lambda body, number: Scripted("Never."))
    with pytest.raises(MixlabError, match=r"no model 'm' \(404\); correct endpoint \(it often ends in /v1\)"):
        endpoint(server.url.removesuffix("/v1")).complete(REQUEST)


def test_a_server_that_is_not_there_is_a_failed_call():
    with pytest.raises(CallFailed, match="cannot be reached"):
        endpoint("http://127.0.0.1:9/v1", retries=0).complete(REQUEST)


def test_without_the_client_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ConfigError, match=r"pip install 'mixlab\[judge\]'"):
        endpoint("http://127.0.0.1:9/v1")


def test_callers_are_let_through_at_the_rate_and_not_in_a_burst():
    slept = []
    pace = Pace(120, clock=lambda: 10.0, sleep=slept.append)
    for _ in range(4):
        pace.wait()
    assert slept == [0.5, 1.0, 1.5]


def test_a_pause_is_not_made_up_for_by_a_burst():
    now, slept = [0.0], []
    pace = Pace(60, clock=lambda: now[0], sleep=slept.append)
    pace.wait()
    now[0] = 100.0
    pace.wait()
    pace.wait()
    assert slept == [1.0]


def test_tries_count_against_the_rate_too(serve, monkeypatch):
    turns = []
    monkeypatch.setattr(Pace, "wait", lambda self: turns.append(threading.get_ident()))
    server = serve(lambda body, number: Scripted("Now.", 429 if number == 0 else 200, headers=SOON))
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(endpoint(server.url, per_minute=60.0).complete, REQUEST).result().text == "Now."
    assert len(turns) == len(server.requests) == 2


def test_what_the_server_says_of_a_failure_is_told_without_the_key(serve, monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", "secret")
    said = b'{"error": {"message": "This model takes no audio, whatever secret you have."}}'
    server = serve(lambda body, number: Scripted(status=400, body=said))
    with pytest.raises(CallFailed, match=r"answered 400 \(This model takes no audio, whatever \.\.\. you have\.\)"):
        endpoint(server.url).complete(REQUEST)
