import pytest

from mixlab.chat.collate import Collator
from mixlab.chat.datasets import HeldoutExamples
from mixlab.chat.encoder import ChatEncoder
from mixlab.chat.readings import NO_READINGS, Readings
from mixlab.items.drawn import SongExamples
from mixlab.language.banks import default_banks
from mixlab.models.adapters import LANGUAGE_MODEL_LINEARS, lora
from mixlab.models.backbones.tiny import Tiny
from mixlab.models.loss import ResponseLoss
from mixlab.models.optim import AdamWCosine
from mixlab.models.settings import LossSettings
from mixlab.synthesis.example import LAYOUTS
from mixlab.synthesis.problem import GainError, Problem, PromptCategory


class SineStore:
    """Stands in for a song store: every stem is a tone of its own."""

    def lufs(self, song_id, stems, start_s, duration_s):
        from mixlab.audio.loudness import integrated_lufs, k_weighted_power

        heard = self.read(song_id, stems, start_s, duration_s)
        return {stem: float(integrated_lufs(k_weighted_power(heard[stem][None], 16000))) for stem in heard}

    def read(self, song_id, stems, start_s, duration_s):
        import numpy as np

        time = np.arange(round(16000 * duration_s)) / 16000
        tones = {"bass": 80.0, "drums": 400.0, "vocals": 900.0, "other": 2500.0}
        return {stem: (0.1 * np.sin(2 * np.pi * tones[stem] * time)).astype(np.float32) for stem in stems}


ROLES = ("bass", "drums", "vocals", "other")


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
        errors=(GainError(stems[-1], gain_db, "loud"),),
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


def examples_of(layout: str = "stems") -> SongExamples:
    """Makes examples of tones."""
    return SongExamples(SineStore(), LAYOUTS[layout], default_banks())


def batches_of(backbone, layout: str = "stems", readings: Readings = NO_READINGS):
    """Collates problems for training, or for generation."""
    encoder = ChatEncoder(backbone.chat, readings)

    def make(problems, generation=False, features=True):
        dataset = HeldoutExamples(problems, examples_of(layout), encoder, with_response=not generation)
        collate = Collator(encoder, features, left=generation, keep_examples=generation, roles=ROLES)
        return collate([dataset[index] for index in range(len(problems))])

    return make


@pytest.fixture
def make_batch(base):
    """Collates problems with the clip of each stem."""
    return batches_of(base)


def response_loss(backbone, **settings):
    """The loss of the default roles."""
    return ResponseLoss(LossSettings(**settings), backbone, ROLES)


def adamw(lr=1e-3, weight_decay=0.01, lora_b_factor=4.0):
    """The optimizer that trainings of a few steps use."""
    return AdamWCosine(lr=lr, weight_decay=weight_decay, warmup_steps=1, lora_b_factor=lora_b_factor)


def small_lora(base, adapter=lora, **changes):
    """A LoRA adapter of rank 4 on the linear layers of the language model."""
    usual = {"r": 4, "scale": 2.0, "dropout": 0.0, "target_modules": LANGUAGE_MODEL_LINEARS, "train_projector": True}
    return adapter(base, **(usual | changes))
