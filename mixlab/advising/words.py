"""Room advising: a summary in words, in one fixed wording of the project's own templates."""

from __future__ import annotations

from mixlab.advising.summary import SegmentAnswer, Summary
from mixlab.language.advice import Advice, Claim
from mixlab.language.templates import PartWording, ResponseWording, check_verdict, fill_response


def summary_text(summary: Summary, with_sections: bool) -> str:
    """The advice, the agreement among segments and, where asked for, what was said of each section.

    A file of one segment gets the model's own words, unless rounding to steps changed what they say.
    """
    lines = [_advice_text(summary), _agreement_text(summary)]
    if summary.verdict is not None and len(summary.answers) > 1:
        lines.append(f"Your claim is {summary.verdict} in {summary.verdict_agreement:.0%} of the segments asked.")
    if with_sections:
        lines.append("By section:")
        lines += [_section(answer) for answer in summary.answers]
    return "\n".join(lines)


def _advice_text(summary: Summary) -> str:
    if len(summary.answers) == 1 and summary.answers[0].advice is not None:
        said = summary.answers[0].advice
        if all(said.gain_db(stem) == gain_db for stem, gain_db in summary.gains_db.items()):
            return summary.answers[0].text
    advice = summary.advice(with_verdict=True)
    if summary.claim is None or not _fits(advice, summary.claim):
        advice = summary.advice(with_verdict=False)
    wording = ResponseWording(tuple(PartWording(0, 0) for _ in advice.moves or [None]))
    return fill_response(advice, summary.anchor, summary.claim, wording)


def _fits(advice: Advice, claim: Claim) -> bool:
    """Whether the verdict of most segments fits the median gains; where it does not, it is told apart from them."""
    try:
        check_verdict(advice, claim)
    except ValueError:
        return False
    return True


def _agreement_text(summary: Summary) -> str:
    shares = (
        f"{stem.stem} {stem.agreement:.0%} of {stem.segments} segment{'s' if stem.segments > 1 else ''}"
        for stem in summary.stems
    )
    return f"Agreement (not certainty): {', '.join(shares)}."


def _clock(time_s: float) -> str:
    minutes, seconds = divmod(round(time_s), 60)
    return f"{minutes}:{seconds:02d}"


def _section(answer: SegmentAnswer) -> str:
    said = answer.text if answer.advice is not None else f"(not understood: {answer.text})"
    return f"  {_clock(answer.start_s)}-{_clock(answer.end_s)}  {said}"
