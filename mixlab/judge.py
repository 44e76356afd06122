"""Let a language model judge advice by a rubric, over any OpenAI-compatible endpoint.

    python -m mixlab.judge predictions=outputs/bass_anchor/<run> endpoint=http://127.0.0.1:8000/v1 model=<name>

Needs ``pip install 'mixlab[judge]'``. The key, if the server wants one, is read from an environment variable.
``--help`` explains what is judged and what is written.
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from mixlab import cli


def main(cfg: DictConfig) -> None:
    """Check the configuration and the files, say what it costs, then ask, print and write."""
    from mixlab.judging.schema import judge_settings

    settings = judge_settings(cfg)
    from mixlab.judging.command import judge

    judge(settings)


if __name__ == "__main__":
    # Beside its room's code: in conf/, `model` is a group of the training configuration.
    cli.run(main, "judge", folder=str(Path(__file__).resolve().parent / "judging" / "conf"))
