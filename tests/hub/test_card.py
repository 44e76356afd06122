"""The card says what a person has to know before using or passing on a data set."""

from dataclasses import replace

import pytest

from mixlab.hub.card import card
from mixlab.items.manifest import read_manifest

UNFREE = {"Ärger - Lied": {"split": "test", "genre": None, "licence": None, "free": False}}


@pytest.fixture
def manifest(exported):
    return read_manifest(exported)


def test_it_says_that_clips_keep_their_level_and_where_the_formats_were_read(manifest):
    text = card(manifest)
    assert "**No per-clip normalisation:**" in text
    assert "swift.readthedocs.io" in text
    assert "LLaMA-Factory/blob/main/data/README.md" in text
    for split, items in manifest.items.items():
        assert f"| {split} | {items} |" in text


def test_demo_songs_are_called_what_they_are(manifest):
    statement = "They show that a method works; only music can show"
    assert statement in " ".join(card(manifest).split())
    assert statement not in " ".join(card(replace(manifest, balance_db=None, sigma_db=None)).split())


def test_a_set_with_audio_left_out_tells_how_to_rebuild_it(manifest):
    text = card(replace(manifest, songs={**manifest.songs, **UNFREE}, withheld={"test": 2}))
    assert "Clips of 2 items are left out" in text
    assert "mixlab export rebuild=" in text
    assert "| unknown | 1 | left out |" in text
    assert "license: other" in text


@pytest.mark.parametrize(("audio", "reason"), [("all", "audio=all"), ("rebuilt", "rebuilt")])
def test_a_set_with_audio_that_may_not_be_published_says_so_first(manifest, audio, reason):
    text = card(replace(manifest, songs=UNFREE, audio=audio, withheld={"test": 2}))
    body = text.split("---")[2].strip().splitlines()
    assert body[2].startswith("**Private: do not publish this folder.**")
    assert reason in body[2]
    assert "license: other" in text


def test_no_place_on_anybodys_disk_is_in_the_card(manifest, exported):
    assert str(exported.parent) not in card(manifest)
