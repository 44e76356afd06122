"""Draw items from evaluated runs and render what participants hear, from the songs' own files.

    mixlab study build runs='{fine_tuned: <run>, zero_shot: <run>, loudness_rule: <run>}' out=studies/first
    mixlab study build runs='{fine_tuned: <run>}' mode=annotate out=studies/annotations

Runs are folders of mixlab train or mixlab evaluate; a rival without training is evaluated on the same items by

    mixlab evaluate checkpoint=null baseline=loudness_rule_genre out=outputs/rule
    mixlab evaluate checkpoint=null out=outputs/zero_shot

The folder holds study.json (items, systems, wording: keep it from participants), audio/ with names that say nothing,
predictions/ (what each system says of these items, for mixlab judge and for metrics beside the ratings), and
information.md and consent.md, which you complete before people are asked. Songs whose licence is not known to be free,
MUSDB18's among them, may be played in a study of your own and never published: study.json counts them.
"""

from __future__ import annotations

from mixlab.escaping import say
from mixlab.study.settings import BuildSettings


def main(settings: BuildSettings) -> None:
    """Draw, render and write a study, and say what it holds.

    Raises:
        MixlabError: one sentence on what is wrong.
    """
    from mixlab.study.build import build, source_of

    manifest = build(settings, source_of(settings))
    print(f"{len(manifest.items) - 1} items and one for training, {len(manifest.systems)} systems, in {settings.out}")
    for note in manifest.notes:
        say(note)
    print(f"Complete {settings.out}/information.md and consent.md: fields in [brackets] are yours.")
