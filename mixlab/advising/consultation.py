"""Room advising: a user's signals put to a model segment by segment, and the answers put together; no files in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mixlab.advising.session import SHORTEST_SEGMENT_S, Answer, Question, Session, SessionSegment
from mixlab.advising.summary import Quorum, SegmentAnswer, Summary, read_claim, summarise
from mixlab.errors import InputFileError, MixlabError
from mixlab.language.advice import Claim
from mixlab.language.wording import STEM_NAMES
from mixlab.models.checkpoints import Description
from mixlab.synthesis.example import LAYOUTS, Layout

REASONS = {
    "too_short": f"shorter than {SHORTEST_SEGMENT_S:g} s",
    "mixture_too_quiet": "far quieter than the rest of the file",
    "anchor_inactive": "anchor silent",
    "nothing_beside_anchor": "nothing beside the anchor",
    "not_understood": "answer not understood",
    "stem_silent": "advice on a stem that is not heard there",
    "moves_anchor": "advice to move the anchor",
    "unsure": "not sure enough of the answer",
}
"""Why a segment gives no advice, in words."""


@dataclass(frozen=True)
class Consultation:
    """What will be asked: the segments that can be judged, and the user's sentence.

    Attributes:
        ignored: segments that will not be asked about, by reason (a key of `REASONS`).
        claim: what the sentence claims, where our own parser can read it.
    """

    session: Session
    segments: Sequence[SessionSegment]
    ignored: Counter[str]
    prompt: str | None
    claim: Claim | None
    layout: Layout

    @classmethod
    def of(cls, session: Session, anchor_name: str, description: Description, prompt: str | None) -> Consultation:
        """Find the segments that a checkpoint can judge.

        Args:
            anchor_name: what an error calls the anchor's file.

        Raises:
            InputFileError: if there are none, naming the file where one is the reason.
        """
        segments, ignored = session.segments(description.segment_s, description.headroom_dbfs)
        if not segments:
            raise InputFileError(_nothing_to_judge(session, anchor_name, ignored))
        claim = None if prompt is None else read_claim(prompt)
        return cls(session, segments, ignored, prompt, claim, LAYOUTS[description.inputs])

    def ask(self, listener: Answer, batch_size: int) -> Iterator[list[SegmentAnswer]]:
        """The answers, a batch at a time; clips are made with each, so that a long file needs no more memory."""
        named = (*self.session.signals, *STEM_NAMES)
        for start in range(0, len(self.segments), batch_size):
            chosen = self.segments[start : start + batch_size]
            prompts = [self._prompt_for(segment) for segment in chosen]
            said = listener(
                [
                    Question(self.session.clips(segment, self.layout), prompt)
                    for segment, prompt in zip(chosen, prompts, strict=True)
                ]
            )
            yield [
                SegmentAnswer.read(segment.start_s, segment.end_s, segment.stems, answer, bool(prompt), named)
                for segment, prompt, answer in zip(chosen, prompts, said, strict=True)
            ]

    def summary(self, answers: Sequence[SegmentAnswer], quorum: Quorum | None = None) -> Summary:
        """All answers put together.

        Raises:
            MixlabError: if none gave advice.
        """
        summary = summarise(answers, self.session.anchor, self.session.others, self.claim, quorum)
        if all(answer.advice is None for answer in answers):
            why = "" if set(summary.reasons) == {"not_understood"} else f": {counted(summary.reasons)}"
            raise MixlabError(
                f"The model's answer could not be read as advice in any of {len(answers)} segments{why} (the first was "
                f"{answers[0].text[:80]!r}); use a checkpoint that was trained for longer."
            )
        return summary

    def notes(self, summary: Summary) -> list[str]:
        """Sentences on what the user may not expect."""
        notes, claim = [], self.claim
        if claim is not None and claim.stem is not None and claim.stem not in self.session.signals:
            notes.append(f"Your sentence speaks of '{claim.stem}', but no track has that role, so it was left out.")
        elif claim is not None and claim.stem in summary.unheard:
            notes.append(f"Your sentence speaks of '{claim.stem}', which is never heard, so it was left out.")
        if self.prompt is not None and claim is None and summary.verdict is None:
            notes.append("Your sentence was put to the model, but no claim could be read in it, so none is answered.")
        if summary.unheard:
            unheard = ", ".join(summary.unheard)
            notes.append(f"Without advice, since never heard together with the anchor: {unheard} (0 dB on apply).")
        return notes

    def _prompt_for(self, segment: SessionSegment) -> str:
        """The user's sentence, or none in a segment where the stem that it speaks of is not heard."""
        stem = None if self.claim is None else self.claim.stem
        return "" if self.prompt is None or (stem is not None and stem not in segment.stems) else self.prompt


def counted(ignored: Counter[str]) -> str:
    """Reasons with their counts, as "3 (anchor silent), 1 (shorter than 3 s)"."""
    return ", ".join(f"{count} ({REASONS[reason]})" for reason, count in ignored.items())


def _nothing_to_judge(session: Session, anchor_name: str, ignored: Counter[str]) -> str:
    """The sentence for tracks in which no segment can be judged."""
    if session.duration_s < SHORTEST_SEGMENT_S:
        anchor_s = session.signals[session.anchor].size / session.sample_rate
        return (
            f"The tracks are {session.duration_s:.2g} s long ({anchor_name} at most {anchor_s:.2g} s), but "
            f"{SHORTEST_SEGMENT_S:g} s are needed for advice; give longer files."
        )
    if session.cancelled:
        return (
            f"No segment of the tracks can be judged: {counted(ignored)}; in mono, which is what the model hears, the "
            f"channels of {', '.join(sorted(session.cancelled))} cancel each other: if one is inverted, invert it back."
        )
    if not session.signals[session.anchor].any():
        return f"The anchor {anchor_name} is silent throughout; give a track with sound as the anchor."
    return (
        f"No segment of the tracks can be judged: {counted(ignored)}; the anchor {anchor_name} and at least one other "
        "track have to be heard together."
    )
