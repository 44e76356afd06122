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
# # Multitracks and their relative loudness
#
# How loud is each stem beside the bass, and how does that differ between genres? Demo songs stand in for real ones: their typical
# balances are invented. Put your own source in their place: `FolderSource`, `Musdb18HQ` and the others yield the same songs.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from mixlab.multitrack.demo.source import DemoSource
from mixlab.multitrack.preparation import prepare
from mixlab.multitrack.segments import Gates, list_segments

cache = Path(tempfile.mkdtemp())
source = DemoSource(train_songs=12, validation_songs=0, test_songs=0, shifted_songs=0, duration_s=20.0)
store = prepare(source, cache, sample_rate=16000, workers=1)
segments, dropped = list_segments(store, list(store.songs.values()), "bass", 10.0, 5.0, Gates())
print(f"{len(segments)} segments of {len(store.songs)} songs; dropped: {dropped}")

# %% [markdown]
# Integrated loudness (BS.1770-4) of every stem above that of the bass, a point a segment.

# %%
genres = sorted({segment.genre for segment in segments})
stems = ["drums", "vocals", "other"]
figure, axes = plt.subplots(1, len(stems), figsize=(11, 3), sharey=True)
for stem, panel in zip(stems, axes, strict=True):
    for place, genre in enumerate(genres):
        heard = [s.lufs for s in segments if s.genre == genre and stem in s.lufs]
        above = [lufs[stem] - lufs["bass"] for lufs in heard]
        panel.plot(np.full(len(above), place), above, "o", alpha=0.4)
    panel.set(title=stem, xticks=range(len(genres)), xticklabels=genres)
    panel.tick_params(axis="x", rotation=60)
axes[0].set_ylabel("LU above the bass")
plt.show()
