"""Score the predecessor's files, then list every answer that our parser and its keywords judge differently.

python experiments/predecessor/compare.py FOLDER > experiments/predecessor/results/comparison.md
"""

import sys
from collections import defaultdict
from pathlib import Path

from keywords import keyword_verdict

from mixlab.cli.run import composed
from mixlab.language.advice import Direction
from mixlab.reports.score_command import ScoreSettings, text_rows
from mixlab.reports.table import results_sheet
from mixlab.scoring.formats import read_texts
from mixlab.scoring.metrics import outcomes
from mixlab.scoring.prediction import Prediction
from mixlab.settings import parse


def truth(prediction: Prediction) -> tuple[str, str]:
    """The target of an item and the direction it needs."""
    target = prediction.problem.errors[0].stem
    return target, str(Direction.of(prediction.problem.needed_gains_db.get(target, 0.0)))


def understood(prediction: Prediction) -> str:
    """What our parser made of a text."""
    if prediction.advice is None:
        return "nothing"
    return ", ".join(f"{move.direction} {move.stem}" for move in prediction.advice.moves) or "balanced"


def main() -> None:
    """Print the table of both ways of scoring, and the answers on which they differ."""
    settings = parse(composed("score", "predictions=all", "format=mixingbuddy"), ScoreSettings)
    lines, tables, differences = [], [], defaultdict(list)
    for path in sorted(Path(sys.argv[1]).glob("*.jsonl")):
        texts = read_texts(path, settings.format)
        tables.append(f"`{path.name}`:\n\n{results_sheet(text_rows(texts, settings.resamples)).markdown()}")
        for name, predictions in (("answers", texts.predictions), ("references", texts.references)):
            found = outcomes(predictions)
            ours = list(zip(found["stem_accuracy"] == 1, found["direction_accuracy"] == 1, strict=True))
            theirs = [keyword_verdict(p.text, *truth(p)) for p in predictions]
            cells = []
            for verdicts in (ours, theirs):
                stem, direction = (sum(verdict[i] for verdict in verdicts) for i in (0, 1))
                cells += [str(sum(all(verdict) for verdict in verdicts)), str(stem), str(direction)]
            lines.append(f"| {path.name} | {name} | {len(predictions)} | " + " | ".join(cells) + " |")
            for prediction, mine, other in zip(predictions, ours, theirs, strict=True):
                if tuple(map(bool, mine)) != other:
                    key = (prediction.text, *truth(prediction), understood(prediction), *map(bool, mine), *other)
                    differences[key].append(f"{path.name}, {name}")
    print("\n".join(tables))
    print("Right of 100, by our parser and by keywords:\n")
    print("| file | texts | N | ours: both | stem | direction | keywords: both | stem | direction |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    print("\n".join(lines))
    total = sum(map(len, differences.values()))
    print(f"\n{total} texts are judged differently, {len(differences)} different ones:\n")
    print("| text | needed | we read | ours: stem, direction | keywords: stem, direction | times |")
    print("|---|---|---|---|---|---:|")
    word = {True: "right", False: "wrong"}
    for (text, stem, direction, read, *verdicts), places in sorted(differences.items(), key=lambda kv: -len(kv[1])):
        needed = "balanced" if direction == "leave" else f"{direction} {stem}"
        ours, theirs = (", ".join(word[v] for v in pair) for pair in (verdicts[:2], verdicts[2:]))
        print(f"| {' '.join(text.split())} | {needed} | {read} | {ours} | {theirs} | {len(places)} |")


if __name__ == "__main__":
    main()
