"""Examples of the demo songs, encoded."""

import pytest

from mixlab.chat.datasets import HeldoutExamples
from mixlab.items.drawn import SongExamples
from mixlab.language.banks import default_banks
from mixlab.synthesis.draw import draw_problem
from mixlab.synthesis.example import LAYOUTS
from mixlab.synthesis.seeds import generator


@pytest.fixture(scope="session")
def segment_of_all(demo_segments):
    """A segment in which all four stems are active."""
    return next(segment for segment in demo_segments if len(segment.stems) == 4)


@pytest.fixture(scope="session")
def encode_drawn(demo_store, demo_segments, encoder):
    """Draws problems of the demo songs under a protocol and encodes their examples."""

    def encode(protocol, count):
        problems = [
            draw_problem(demo_segments[index % len(demo_segments)], protocol, generator(0, index), f"item-{index}")
            for index in range(count)
        ]
        examples = SongExamples(demo_store, LAYOUTS["stems"], default_banks())
        dataset = HeldoutExamples(problems, examples, encoder, with_response=True)
        return [dataset[index] for index in range(count)]

    return encode
