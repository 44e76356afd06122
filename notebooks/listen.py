# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Hear an error and its repair
#
# A stem is made too loud, and the right advice puts it back. Players must not normalise (`normalize=False`): they would erase the very level
# that this is about. One common trim keeps all three below full scale.

# %%
import numpy as np
from IPython.display import Audio, Markdown, display

from mixlab.language.advice import Advice, Claim, Move, State, Verdict
from mixlab.language.parse import parse
from mixlab.language.templates import render_response
from mixlab.multitrack.demo.source import DemoSource

source = DemoSource(train_songs=0, validation_songs=0, test_songs=1, shifted_songs=0, duration_s=12.0)
song = source.load(source.entries()[0])
stems = {name: np.asarray(samples, dtype=np.float32) for name, samples in song.stems.items()}
print({name: samples.shape for name, samples in stems.items()}, song.sample_rate)

# %%
error_db = {"drums": 9.0}


def mixed(gains_db):
    return sum(samples * np.float32(10 ** (gains_db.get(name, 0.0) / 20)) for name, samples in stems.items())


advice = Advice((Move.of("drums", -9.0),), Verdict.CONFIRMED)
text = render_response(advice, "bass", Claim(State.TOO_LOUD, "drums"), np.random.default_rng(0))
understood = parse(text).advice
repaired = {name: error_db.get(name, 0.0) + understood.gain_db(name) for name in stems}
versions = {"with the error": mixed(error_db), "after the advice": mixed(repaired), "as it was made": mixed({})}
trim = 0.9 / max(float(np.abs(samples).max()) for samples in versions.values())
display(Markdown(f"> {text}"))
for heading, samples in versions.items():
    display(Markdown(heading), Audio(samples * trim, rate=song.sample_rate, normalize=False))

# %% [markdown]
# What the parser understood of the sentence is what was said, and following it restores the mix.

# %%
assert understood == advice
np.testing.assert_allclose(versions["after the advice"], versions["as it was made"], atol=1e-5)
