import pytest

from mixlab.data.collate import Collator
from mixlab.data.dataset import ExampleMaker, ProblemDataset
from mixlab.data.encoder import ChatEncoder
from mixlab.models.backbones.tiny import Tiny
from mixlab.synthesis.draw import ErrorCategory, ErrorProtocol, LevelProtocol, ProblemProtocol, PromptProtocol
from mixlab.synthesis.example import Inputs
from mixlab.synthesis.problem import GainError, Problem, PromptCategory


class SineStore:
    """Stands in for a song store: every stem is a tone of its own."""

    def read(self, song_id, stems, start_s, duration_s):
        import numpy as np

        time = np.arange(round(16000 * duration_s)) / 16000
        tones = {"bass": 80.0, "drums": 400.0, "vocals": 900.0, "other": 2500.0}
        return {stem: (0.1 * np.sin(2 * np.pi * tones[stem] * time)).astype(np.float32) for stem in stems}


PROTOCOL = ProblemProtocol(
    anchor="bass",
    error=ErrorProtocol({"loud": ErrorCategory(1.0, 3.0, 6.0)}),
    prompt=PromptProtocol({"audio_only": 1.0}),
    level=LevelProtocol(),
)


def make_problem(number: int, gain_db: float = 5.0, stems: tuple[str, ...] = ("bass", "drums", "vocals")) -> Problem:
    return Problem(
        item_id=f"item-{number}",
        song_id=f"song-{number}",
        split="test",
        genre="rock",
        start_s=0.0,
        duration_s=10.0,
        anchor="bass",
        stems=stems,
        errors=(GainError(stems[-1], gain_db),),
        error_category="loud",
        prompt_category=PromptCategory.ADVICE_SEEKING if number % 2 else PromptCategory.AUDIO_ONLY,
        claim=None,
        headroom_gain_db=-10.0,
        master_gain_db=0.0,
        wording_seed=number,
    )


@pytest.fixture
def base():
    """The tiny Qwen2-Audio, untrained."""
    return Tiny(base=None).build()


@pytest.fixture
def make_batch(base):
    """Collates problems for training, or for generation."""
    encoder = ChatEncoder(base.chat)
    maker = ExampleMaker(SineStore(), PROTOCOL, Inputs.STEMS, encoder)

    def make(problems, generation=False, features=True):
        dataset = ProblemDataset(maker, problems, with_response=not generation)
        collate = Collator(encoder, features, left=generation, keep_examples=generation)
        return collate([dataset[index] for index in range(len(problems))])

    return make
