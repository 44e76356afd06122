"""Several judges of the same questions: Krippendorff's alpha of scores and ranks."""

from __future__ import annotations

import json

import pytest

from mixlab.errors import InputFileError
from mixlab.judging.judges import alphas, judged_in, read_judge


def scored(rule, texts=8, draws=2):
    return [
        {"item": f"song{text}/0", "subject": "model", "draw": draw, "asked": f"q{text}", "missing": "",
         "answer": {"reason": "x", "effectiveness": rule(text)}}
        for text in range(texts)
        for draw in range(draws)
    ]  # fmt: skip


def test_judges_that_say_the_same_agree_and_contrary_ones_do_not():
    one, same, contrary = (
        judged_in(scored(rule)) for rule in (lambda t: 1 + t % 5, lambda t: 1 + t % 5, lambda t: 5 - t % 5)
    )
    assert alphas([one, same])["effectiveness"] == (pytest.approx(1.0), 8)
    assert alphas([one, contrary])["effectiveness"][0] < 0
    assert alphas([one, contrary])["effectiveness"][0] < alphas([one, same, contrary])["effectiveness"][0] < 1.0


def test_a_text_counts_where_two_judges_scored_it():
    one, other = scored(lambda t: 1 + t % 5), scored(lambda t: 1 + t % 5, texts=5)
    other[0]["answer"] = other[1]["answer"] = None
    assert alphas([judged_in(one), judged_in(other)])["effectiveness"][1] == 4


def test_ranks_agree_by_criterion_too():
    def rankings(order):
        ranks = {"fluency": {name: place for place, name in enumerate(order, start=1)}}
        return [
            {"item": "s/0", "shown": ["a", "b", "c"], "draw": 0, "asked": f"q{n}", "ranks": ranks} for n in range(4)
        ]

    one, other = judged_in(rankings("abc")), judged_in(rankings("abc"))
    assert alphas([one, other])["rank_fluency"] == (pytest.approx(1.0), 12)
    assert alphas([one, judged_in(rankings("cba"))])["rank_fluency"][0] < 0


def test_what_another_judge_left_is_read_and_what_is_no_such_folder_refused(tmp_path):
    with pytest.raises(InputFileError, match=r"holds neither scores\.jsonl nor rankings\.jsonl"):
        read_judge(tmp_path)
    rows = scored(lambda t: 1 + t % 5)
    (tmp_path / "scores.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_judge(tmp_path) == judged_in(rows)
    strange = [{key: value for key, value in row.items() if key != "asked"} for row in rows]
    (tmp_path / "scores.jsonl").write_text("".join(json.dumps(row) + "\n" for row in strange))
    with pytest.raises(InputFileError, match="holds answers of another form"):
        read_judge(tmp_path)


def test_judges_of_other_questions_are_refused():
    other = [row | {"asked": f"x{number}"} for number, row in enumerate(scored(lambda t: 1 + t % 5))]
    with pytest.raises(InputFileError, match="The judges share no question"):
        alphas([judged_in(scored(lambda t: 1 + t % 5)), judged_in(other)])
