"""Room advising: what the command has to say, as text for a reader and as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mixlab.advising.apply import Rendered
from mixlab.advising.consultation import counted
from mixlab.advising.summary import Summary
from mixlab.multitrack.tracks import Track


@dataclass(frozen=True)
class Report:
    """The advice with where it comes from and what was written.

    Attributes:
        text: the advice in words.
        tracks: the anchor first.
        ignored: segments that give no advice, by reason (a key of `consultation.REASONS`).
        notes: sentences on what the user may not expect.
    """

    text: str
    summary: Summary
    tracks: Sequence[Track]
    ignored: Counter[str]
    notes: Sequence[str]
    rendered: Rendered | None

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values; ``trim_db`` is None where nothing was written."""
        files: dict[str, list[str]] = {}
        for track in self.tracks:
            files.setdefault(track.role, []).append(str(track.path))
        return {
            "text": self.text,
            **self.summary.to_json(),
            "files": files,
            "ignored_segments": dict(self.ignored),
            "notes": list(self.notes),
            "trim_db": None if self.rendered is None else self.rendered.trim_db,
            "true_peak_dbtp": None if self.rendered is None else self.rendered.true_peak_dbtp,
            "written": [] if self.rendered is None else [str(path) for path in self.rendered.files],
        }

    def to_text(self) -> str:
        """The report for a reader."""
        roles = ", ".join(f"{track.name} as {track.role}" for track in self.tracks[1:])
        anchor = self.tracks[0]
        lines = [self.text, "", f"Anchor: {anchor.name} as {anchor.role}. Heard beside it: {roles}."]
        if self.ignored:
            lines.append(f"Segments without advice: {counted(self.ignored)}.")
        lines += self.notes
        if self.rendered is not None:
            names = ", ".join(path.name for path in self.rendered.files)
            lines.append(f"Written to {self.rendered.files[0].parent}: {names}.")
            lines.append(f"True peak of the mix: {self.rendered.true_peak_dbtp:.1f} dBTP.")
            if self.rendered.trim_db:
                lines.append(f"All of these files are trimmed by {self.rendered.trim_db:g} dB, so that none clips.")
        return "\n".join(lines)
