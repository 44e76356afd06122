"""The default protocol draws what it always drew, so that figures of different versions stay comparable."""

import hashlib
import json
from dataclasses import replace

from mixlab.synthesis.draw import draw_problem
from mixlab.synthesis.problem import PromptCategory
from mixlab.synthesis.seeds import generator

KEYS = ("item_id", "song_id", "split", "genre", "start_s", "duration_s", "anchor", "stems", "error_category",
        "prompt_category", "claim", "headroom_gain_db", "master_gain_db", "wording_seed")  # fmt: skip
FIRST = {
    "anchor": "bass",
    "claim": None,
    "duration_s": 10.0,
    "error_category": "very_quiet",
    "errors": [{"gain_db": -6.240028930060247, "stem": "vocals"}],
    "genre": "jazz",
    "headroom_gain_db": -14.0,
    "item_id": "0",
    "master_gain_db": -0.5859204491337238,
    "moves": [["vocals", 6.0, 6.0]],
    "prompt_category": "advice_seeking",
    "song_id": "song",
    "split": "train",
    "start_s": 3.0,
    "stems": ["bass", "drums", "other", "vocals"],
    "wording_seed": 1215426821,
}
DIGEST = "9722b8d1e703a6f9c29197e891f2135e4e443bbb336d88805517297015992b10"


def test_problems_of_the_default_protocol_are_the_same_bit_for_bit(segment, protocol):
    protocol = replace(protocol, level=protocol.level.but(master_range_db=12.0))  # the default when these were drawn
    lines = []
    for stems in (("bass", "drums", "other", "vocals"), ("bass", "drums", "vocals"), ("bass", "other")):
        for index in range(100):
            category = list(PromptCategory)[index % 4] if index % 2 else None
            problem = draw_problem(segment(*stems), protocol, generator(3, "train", 1, index), str(index), category)
            written, advice = problem.to_json(), problem.right_advice
            if written["claim"] is not None:
                written["claim"].pop("degree")  # said of them later, by a generator of its own
            record = {key: written[key] for key in KEYS} | {
                "errors": [{"stem": error.stem, "gain_db": error.error_db} for error in problem.errors],
                "moves": [[move.stem, move.low_db, move.high_db] for move in advice.moves],
            }
            lines.append(json.dumps(record, sort_keys=True))
    assert json.loads(lines[0]) == FIRST
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == DIGEST
