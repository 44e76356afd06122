"""What does a model that heard demo songs alone say of real ones? Each stem 9 dB up and down, and left as it is.

    python experiments/real_songs/advise.py --songs "$MIXLAB_MULTITRACKS" --checkpoint mixlab/models/tiny_advisor

A song is a folder with bass.*, drums.*, vocals.* and other.*; songs without a bass are left out, since the model has no
other anchor. Prints a table in Markdown. Advice is right where it moves the changed stem back and no other one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import soundfile

CHANGE_DB = 9.0
STEMS = ("drums", "vocals", "other")


def advice(checkpoint: str, anchor: Path, tracks: list[Path]) -> list[tuple[str, float]]:
    """The stems that the model moves, each with its gain in dB."""
    # Names with commas or spaces need Hydra's quotes.
    listed = ",".join(f"'{track}'" for track in tracks)
    command = [sys.executable, "-m", "mixlab", "advise", f"checkpoint={checkpoint}", f"anchor='{anchor}'",
               f"tracks=[{listed}]", "format=json"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return [(move["stem"], move["gain_db"]) for move in json.loads(done.stdout)["advice"] if move["gain_db"]]


def main() -> None:
    """Change, ask, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--songs", type=Path, required=True)
    parser.add_argument("--checkpoint", default="mixlab/models/tiny_advisor")
    asked = parser.parse_args()
    print("| song | changed | advice | right |\n|---|---|---|---|")
    right = total = 0
    for song in sorted(folder for folder in asked.songs.iterdir() if folder.is_dir()):
        files = {path.stem: path for path in song.iterdir()}
        if "bass" not in files:
            print(f"| {song.name} | left out: no bass | | |")
            continue
        for stem, change_db in [(None, 0.0), *((stem, sign * CHANGE_DB) for stem in STEMS for sign in (1, -1))]:
            with tempfile.TemporaryDirectory() as place:
                tracks = {name: files[name] for name in STEMS if name in files}
                if stem is not None:
                    samples, rate = soundfile.read(files[stem], dtype="float32")
                    tracks[stem] = Path(place) / f"{stem}.wav"
                    soundfile.write(tracks[stem], samples * 10 ** (change_db / 20), rate, subtype="FLOAT")
                moves = advice(asked.checkpoint, files["bass"], list(tracks.values()))
            said = ", ".join(f"{name} {gain_db:+g} dB" for name, gain_db in moves) or "leave all"
            holds = len(moves) == 1 and moves[0][0] == stem and moves[0][1] * change_db < 0
            if stem is not None:
                right, total = right + holds, total + 1
            what = "nothing" if stem is None else f"{stem} {change_db:+g} dB"
            print(f"| {song.name} | {what} | {said} | {'' if stem is None else 'yes' if holds else 'no'} |", flush=True)
    print(f"\n{right} of {total} changed mixes got the right stem and direction.")


if __name__ == "__main__":
    main()
