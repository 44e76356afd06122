"""Room web: what happens when someone drops files, asks, applies or leaves; no page and no server in it."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mixlab.advising.apply import MIX_NAME, Plan, Rendered
from mixlab.advising.apply import render as render_audio
from mixlab.advising.exchange import gains_csv, reaper_project
from mixlab.advising.usual import usual
from mixlab.errors import MixlabError
from mixlab.web import archives, demo, drawing, preview
from mixlab.web.sessions import Folder, Folders
from mixlab.web.uploads import (
    Limits,
    Upload,
    UploadError,
    check_audio,
    check_size,
    check_together,
    display_name,
    extension,
    nameless,
    unique_name,
)
from mixlab.web.work import LEFT_OUT, Advisor, Work, advise, as_json, safe_name

LONGEST_WORDS = 300
HIGHEST_IGNORED_DB = 6.0

PLAYERS_MB = 40.0
"""What the files for the players take at most: half a minute of each role, losslessly packed."""


@dataclass(frozen=True)
class Desk:
    """All that the page and the API ask for; every method may raise MixlabError, one sentence for the person."""

    advisor: Advisor
    folders: Folders
    limits: Limits

    def work_of(self, folder: Folder) -> Work:
        """The person's song; an empty one at first."""
        if folder.work is None:
            folder.work = Work()
        work: Work = folder.work
        return work

    def take(self, folder: Folder, paths: Sequence[str]) -> list[str]:
        """Take uploaded files and archives into a person's folder: all of them, or none and a sentence.

        Returns:
            Names of what was left out of archives.
        """
        work, new, left_out = self.work_of(folder), list[Upload](), list[str]()
        wanted = [Path(path) for path in dict.fromkeys(paths)]
        uploaded = [path for path in wanted if self.folders.is_upload(path)]
        try:
            if len(wanted) > self.limits.files:
                raise UploadError(f"These are {len(wanted)} files; at most {self.limits.files} are taken.")
            for path in wanted:
                found, others = self._files_of(path, folder)
                left_out += others
                for shown, held in found:
                    taken = [track.upload.name for track in work.tracks] + [upload.name for upload in new]
                    new.append(Upload(unique_name(shown, taken), held, check_audio(held, shown, self.limits).header))
            check_together([*(track.upload for track in work.tracks), *new], self.limits)
            outlines = [self._outline(upload) for upload in new]
        except BaseException:
            for path in set(folder.path.iterdir()) - {track.upload.path for track in work.tracks}:
                if path.is_file() and path not in folder.served.values():
                    path.unlink()
            raise
        finally:
            for path in uploaded:
                self.folders.drop_upload(path)
        folder.outlines |= {upload.path: outline for upload, outline in zip(new, outlines, strict=True)}
        work.known_db = None
        work.add(new, self.advisor.description.stems)
        return left_out

    def _files_of(self, path: Path, folder: Folder) -> tuple[list[tuple[str, Path]], list[str]]:
        """Shown name and place of the audio in one upload, moved or unpacked into the folder."""
        name = display_name(path.name)
        if not self.folders.is_upload(path):
            raise UploadError(f"{name} was not uploaded to this server; upload it first.")
        if archives.is_archive(name):
            moved = folder.path / f"{folder.count()}.zip"
            with self.folders.room(self.limits.total_mb, folder.address):
                os.replace(path, moved)
                try:
                    return archives.unpack(moved, name, folder.path, self.limits)
                finally:
                    moved.unlink()
        check_size(name, path.stat().st_size, self.limits.file_mb)
        held = folder.path / f"{folder.count()}{extension(name)}"
        os.replace(path, held)
        return [(name, held)], []

    def _outline(self, upload: Upload) -> list[float]:
        # Decodes the whole file, so that a corrupt one is named now.
        try:
            return drawing.peaks(upload.path)
        except MixlabError as error:
            raise UploadError(nameless(str(error), upload.path, upload.name)) from error

    def take_demo(self, folder: Folder, title: str) -> demo.DemoSong:
        """Put a demo song in the place of what a person has."""
        song = next((song for song in demo.SONGS if song.title == title), None)
        if song is None:
            raise MixlabError("There is no such demo song; pick one of the list.")
        self.clear(folder)
        work = self.work_of(folder)
        uploads = demo.write_demo(song, folder.path)
        folder.outlines |= {upload.path: self._outline(upload) for upload in uploads}
        work.add(uploads, self.advisor.description.stems)
        work.known_db = {song.stem: -song.error_db}
        return song

    def clear(self, folder: Folder) -> None:
        """Delete a person's files and forget them."""
        for path in folder.path.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        folder.work, folder.served, folder.outlines = None, {}, {}

    def keep_downloads(self, folder: Folder) -> None:
        """Delete all of a person's files but those that may be fetched; nothing can be asked on them any more."""
        for path in set(folder.path.iterdir()) - set(folder.served.values()):
            path.unlink()
        folder.work = None

    def set_role(self, folder: Folder, number: int, role: str) -> None:
        """Correct the role of a track, by its place in the list."""
        work = self.work_of(folder)
        if role not in (*self.advisor.description.stems, LEFT_OUT):
            raise MixlabError("There is no such role; pick one of the list.")
        if not 0 <= number < len(work.tracks):
            raise MixlabError("There is no such track any more; drop the files again.")
        if work.tracks[number].role != role:
            work.tracks[number].role = role
            work.forget_advice()

    def ask(self, folder: Folder, anchor: str, words: str, genre: str | None) -> Iterator[tuple[float, str]]:
        """Listen to a person's song, telling how far it is; whoever stops iterating cancels."""
        if len(words) > LONGEST_WORDS:
            raise MixlabError(f"Your sentence has {len(words)} characters; at most {LONGEST_WORDS} are read.")
        if not words.isprintable():
            raise MixlabError("Your sentence holds characters that cannot be seen; write it in one line.")
        if genre is not None and genre not in usual().genres:
            raise MixlabError(f"The genre is none that is known ({', '.join(usual().genres)}); leave it out.")
        yield from advise(self.work_of(folder), self.advisor, anchor, words, genre)

    def listenable(self, folder: Folder, ignore_below_db: float) -> str:
        """The players, with files for the browser to fetch."""
        work = self.work_of(folder)
        if work.advised is None:
            return ""
        with self.folders.room(PLAYERS_MB, folder.address):
            files = preview.write_stems(work, folder.path, work.advised.window_s)
        versions: dict[str, Mapping[str, float]] = {"before": {}, "after": work.total_db(ignore_below_db)}
        if work.known_db is not None:
            versions["reference"] = work.known_db
        made = preview.match(files, versions, work.advised.window_s)
        return drawing.player(made, {role: folder.serve(path, path.name) for role, path in files.items()})

    def lists(self, folder: Folder, ignore_below_db: float) -> dict[str, str]:
        """Write the gains as JSON, CSV and REAPER project; label -> address."""
        work = self.work_of(folder)
        texts = {
            "advice.json": json.dumps(as_json(work, ignore_below_db), ensure_ascii=False, indent=1),
            "gains.csv": gains_csv(work.gains(ignore_below_db)),
            "gains.rpp": reaper_project(work.gains(ignore_below_db)),
        }
        for name, text in texts.items():
            (folder.path / name).write_text(text, encoding="utf-8")
        labels = {
            "advice.json": "All of the advice (JSON)",
            "gains.csv": "Gain of each file (CSV)",
            "gains.rpp": "Project for REAPER, to be saved beside your files (RPP)",
        }
        return {label: folder.serve(folder.path / name, name) for name, label in labels.items()}

    def apply(self, folder: Folder, ignore_below_db: float) -> tuple[Rendered, dict[str, str]]:
        """Write the rebalanced stems and their mix into one archive, from the files as they came.

        Returns:
            What was written, and the archive's label and address.
        """
        work = self.work_of(folder)
        if work.advised is None:
            raise MixlabError("There is no advice to apply yet; ask for it first.")
        gains_db = work.total_db(ignore_below_db)
        # 24-bit files, and their mix as long as the longest of them.
        sizes = [track.header.frames * track.header.channels * 3 for track in work.heard]
        room_mb = 2 * (sum(sizes) + 2 * max(sizes)) / 1e6
        out = folder.path / "out"
        outputs, taken = {}, [MIX_NAME]
        for track in work.heard:
            name = unique_name(f"{safe_name(Path(track.name).stem)}.wav", taken)
            taken.append(name)
            outputs[track.path] = out / name
        archive = folder.path / "rebalanced.zip"
        with self.folders.room(room_mb, folder.address):
            try:
                rendered = render_audio(Plan(outputs, out / MIX_NAME), work.heard, gains_db)
                with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
                    for path in rendered.files:
                        packed.write(path, path.name)
            finally:
                shutil.rmtree(out, ignore_errors=True)
        work.applied_db, work.is_applied = gains_db, True
        return rendered, {"Rebalanced stems and their mix (ZIP of 24-bit WAV)": folder.serve(archive, archive.name)}
