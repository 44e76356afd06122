"""How alike predictions and experts' annotations are, beside annotator against annotator.

    mixlab similarity predictions=outputs/bass_anchor/<run> annotations=annotations.jsonl
    mixlab similarity predictions=<run> annotations=<file> encoder=all-mpnet-base-v2    from the Hub
    mixlab similarity annotations=MixAssist/                                            annotators alone

An annotation is a line of JSON, {"item": <item_id of a prediction>, "annotator": <name>, "text": <their words>};
"song" and "category" are optional. MixAssist is read from its Parquet files (the test split, or a file's own).

sentence   cosine of sentence embeddings
token      F1 of greedily matched token embeddings (as BERTScore, Zhang et al. 2020)
rouge_l    F1 of the longest common subsequence of words

None of them is a measure of right advice: "raise by 6 dB" and "lower by 6 dB" are neighbours. The AUC says how often
each puts what an annotator advises, in our words, above the same with a wrong stem, direction or size. Writes
similarity.json, similarity.md and items.jsonl into the folder that is printed at the end. Needs
pip install 'mixlab[similarity]'.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from mixlab.runs.job import Job
from mixlab.settings import FilePath, Many, PositiveCount, Seed, Settings


class SimilaritySettings(Settings):
    """The whole configuration of `mixlab similarity`."""

    predictions: FilePath | None
    annotations: FilePath
    encoder: str | None
    stems: Annotated[Many[Annotated[str, Field(pattern=r"^\w+$")]], Field(min_length=2)]
    resamples: PositiveCount
    seed: Seed
    outputs: FilePath


def main(settings: SimilaritySettings, job: Job) -> None:
    """Compare texts, print the tables and write them.

    Raises:
        MixlabError: one sentence on what is wrong, before the encoder is loaded wherever that can be known.
    """
    from mixlab.judging.annotations import read_annotations, read_answers
    from mixlab.judging.measures import Measures
    from mixlab.judging.output import write_results
    from mixlab.judging.similarity import compare_texts, match
    from mixlab.reports.sheets import words

    answers = None if settings.predictions is None else read_answers(Path(settings.predictions).expanduser())
    items, counts = match(answers, read_annotations(Path(settings.annotations).expanduser()))
    measures = Measures(settings.encoder)
    found = compare_texts(items, measures.compare, settings.stems, counts, settings.resamples, settings.seed)
    note = "; ".join(f"{words(name)}: {count}" for name, count in found.counts.items())
    write_results(job.folder, "similarity", found.sheets(), found.flat(), [note], {"items.jsonl": found.items})
