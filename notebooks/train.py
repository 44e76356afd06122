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
# # Fine-tune, and read the report
#
# A few steps on a few demo songs (`debug=fast`), to see what a run leaves; the figures mean nothing yet. Without `debug=fast` this is the main
# job of about a quarter of an hour.

# %%
import json
import subprocess
import sys
import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp())
command = [sys.executable, "-m", "mixlab", "train", "+experiment=bass_anchor", "debug=fast", "controls=[]",
           f"paths.outputs={folder / 'outputs'}", f"paths.cache={folder / 'cache'}", "callbacks.progress_bar=false"]  # fmt: skip
done = subprocess.run(command, capture_output=True, text=True, check=False)
print(done.stdout[-2500:])
assert done.returncode == 0, done.stderr[-2000:]

# %% [markdown]
# The run folder says all about the run. `report.html` opens in a browser; `metrics.json` has every figure.

# %%
(run,) = (folder / "outputs").glob("*/*")
print(*sorted(path.name for path in run.iterdir()), sep="\n")
metrics = json.loads((run / "metrics.json").read_text())
for name in (
    "test/joint_accuracy",
    "baselines/loudness_rule/joint_accuracy",
    "baselines/bayes_heard/joint_accuracy",
    "baselines/ridge/joint_accuracy",
    "baselines/oracle/joint_accuracy",
):
    print(f"{name:45} {metrics[name]:.3f}")

# %%
for line in (run / "predictions.jsonl").read_text().splitlines()[:3]:
    row = json.loads(line)
    print("user: ", row["prompt"] or "(audio only)", "\nright:", row["reference"], "\nmodel:", row["text"], "\n")
