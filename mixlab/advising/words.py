"""Room advising: a summary in words, in one fixed wording of the project's own templates."""

from __future__ import annotations

from mixlab.advising.consultation import REASONS
from mixlab.advising.summary import SegmentAnswer, Summary
from mixlab.language.advice import Advice, Claim, State
from mixlab.language.templates import PartWording, ResponseWording, check_verdict, fill_response
from mixlab.language.wording import is_plural, sentence_name


def summary_text(summary: Summary, with_sections: bool) -> str:
    """The advice or why there is none, the agreement among segments, and the answer to the user's claim.

    A file of one segment gets the model's own words. `with_sections` adds what was said of each section.
    """
    lines = [_advice_text(summary)]
    lines += [f"No advice on the {sentence_name(stem.stem)}: {stem.doubt}." for stem in summary.stems if stem.doubt]
    lines += [text for text in (_agreement_text(summary), _claim_text(summary)) if text]
    if with_sections:
        lines.append("By section:")
        lines += [_section(answer) for answer in summary.answers]
    return "\n".join(lines)


def _advice_text(summary: Summary) -> str:
    if len(summary.answers) == 1 and summary.answers[0].advice is not None:
        return summary.answers[0].text
    advice = summary.advice(with_verdict=True)
    unsure = [answer.probability or 0.0 for answer in summary.answers if answer.reason == "unsure"]
    if not advice.moves and unsure and all(stem.doubt for stem in summary.stems):
        return f"I cannot tell: the model is not sure enough of its answer (it says {max(unsure):.0%} at most)."
    if not advice.moves and any(stem.doubt for stem in summary.stems):
        return "No move is advised: what the segments say is not enough for one."
    if summary.claim is None or not _fits(advice, summary.claim):
        advice = summary.advice(with_verdict=False)
    wording = ResponseWording(tuple(PartWording(0, 0) for _ in advice.moves or [None]))
    return fill_response(advice, summary.anchor, summary.claim, wording)


def _fits(advice: Advice, claim: Claim) -> bool:
    """Whether the verdict of most segments fits the moves; where it does not, it is told apart from them."""
    try:
        check_verdict(advice, claim)
    except ValueError:
        return False
    return True


def _agreement_text(summary: Summary) -> str:
    shares = ", ".join(
        f"{stem.stem} {stem.agreement:.0%} of {stem.segments} segment{'s' if stem.segments > 1 else ''}"
        for stem in summary.stems
        if not stem.doubt
    )
    return f"Agreement (not certainty): {shares}." if shares else ""


def _claim_text(summary: Summary) -> str:
    asked = sum(answer.was_asked for answer in summary.answers)
    claim = "Your claim" if summary.claim is None else f"Your claim that {_claim(summary.claim)}"
    if summary.verdict is not None:
        share, count = f"{summary.verdict_agreement:.0%}", summary.verdict_segments
        return f"{claim} is {summary.verdict} ({share} of {count} segment{'s' if count > 1 else ''} asked)."
    if summary.claim is None or not asked:
        return ""
    return f"{claim} is neither confirmed nor corrected: {summary.verdict_doubt}."


def _claim(claim: Claim) -> str:
    if claim.stem is None:
        return "the mix is balanced"
    how = "loud" if claim.state is State.TOO_LOUD else "quiet"
    return f"the {sentence_name(claim.stem)} {'are' if is_plural(claim.stem) else 'is'} too {how}"


def _clock(time_s: float) -> str:
    minutes, seconds = divmod(round(time_s), 60)
    return f"{minutes}:{seconds:02d}"


def _section(answer: SegmentAnswer) -> str:
    said = f"({REASONS[answer.reason]}: {answer.text})" if answer.reason else answer.text
    is_read = answer.reason in ("", "unsure")
    sure = "" if answer.probability is None or not is_read else f"  (says {answer.probability:.0%})"
    return f"  {_clock(answer.start_s)}-{_clock(answer.end_s)}  {said}{sure}"
