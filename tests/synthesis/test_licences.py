"""Licences: audio is published only under one that is known to allow it, whatever songs a problem takes stems from."""

from dataclasses import dataclass

import pytest

from mixlab.multitrack.musdb import track_facts
from mixlab.synthesis.licences import hub_name, is_free, songs_in


@pytest.mark.parametrize("licence", ["CC0-1.0", "CC BY 4.0", "cc-by-sa-4.0"])
def test_a_free_licence_is_known_however_it_is_spelled(licence):
    assert is_free(licence)


@pytest.mark.parametrize("licence", [None, "", "Restricted", "CC BY-NC-SA", "CC-BY-NC-4.0", "CC BY", "CC0-1.0 or not"])
def test_every_other_licence_keeps_the_audio_out(licence):
    assert not is_free(licence)


def test_no_song_of_musdb18_is_free():
    assert not any(is_free(facts.licence) for facts in track_facts().values())


def test_a_data_set_has_the_licence_of_its_songs_only_if_they_share_one():
    assert hub_name(["CC0-1.0", "CC0-1.0"], withheld=False) == "cc0-1.0"
    assert hub_name(["CC0-1.0", "CC BY 4.0"], withheld=False) == "other"
    assert hub_name(["Restricted"], withheld=False) == "other"
    assert hub_name(["CC0-1.0"], withheld=True) == "other"


@dataclass
class Mixed:
    """A problem that takes stems from several songs."""

    record: dict

    def to_json(self):
        return self.record


def test_every_song_that_a_problem_names_anywhere_counts():
    problem = Mixed({"song_id": "a", "stems": ["bass"], "sources": {"drums": "b", "c": 1, "other": [{"song": "d"}]}})
    assert songs_in(problem, {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}) == ["a", "b", "c", "d"]
