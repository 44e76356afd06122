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
# # Read a sweep
#
# Two ranks and two seeds, a few steps each: what a sweep folder holds, and the report that stands at its end.

# %%
import csv
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

folder = Path(tempfile.mkdtemp())
sweep = folder / "sweep"
command = [sys.executable, "-m", "mixlab", "train", "-m", "+experiment=bass_anchor", "debug=fast", "controls=[]", "adapter.r=4,16", "seed=0,1",
           "evaluation/baselines=none", f"paths.outputs={folder}", f"paths.cache={folder / 'cache'}",
           "callbacks.progress_bar=false", f"hydra.sweep.dir={sweep}"]  # fmt: skip
done = subprocess.run(command, capture_output=True, text=True, check=False)
print(done.stdout[-1500:])
assert done.returncode == 0, done.stderr[-2000:]

# %%
with (sweep / "report" / "tables" / "settings.csv").open() as file:
    rows = list(csv.DictReader(file))
for row in rows:
    print({key: row[key] for key in ("setting", "seeds", "joint_accuracy", "parse_rate")})

# %%
places = range(len(rows))
means = [float(row["joint_accuracy"]) for row in rows]
spread = [[mean - float(row["joint_accuracy_low"] or mean) for mean, row in zip(means, rows, strict=True)],
          [float(row["joint_accuracy_high"] or mean) - mean for mean, row in zip(means, rows, strict=True)]]  # fmt: skip
plt.errorbar(places, means, yerr=spread, fmt="o", capsize=3)
plt.xticks(places, [row["setting"] for row in rows])
plt.ylabel("joint accuracy (after four steps)")
plt.show()
