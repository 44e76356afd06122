"""The command line: what it takes, what it prints where, and its exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mixlab.advising import advise_command
from mixlab.errors import ConfigError
from mixlab.language.said import Said

from ..conftest import composed

REQUIRED = ["checkpoint=run", "anchor=bass.wav", "tracks=[vocals.wav]"]


def checked(*overrides):
    """The settings that a command line gives."""
    return advise_command.settings(composed(*overrides, name="advising/advise"), overrides)


def advise(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "mixlab", "advise", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.parametrize(
    ("written", "key", "value"),
    [
        ("anchor=my bass.wav", "anchor", "my bass.wav"),
        ("tracks=[my vocals.wav,drums.wav]", "tracks", ("my vocals.wav", "drums.wav")),
        ("tracks=vocals.wav", "tracks", ("vocals.wav",)),
        ("anchor='bass (1).wav'", "anchor", "bass (1).wav"),
        ("tracks=['vocals, lead.wav',drums.wav]", "tracks", ("vocals, lead.wav", "drums.wav")),
        ("prompt=I think the vocals are too quiet", "prompt", "I think the vocals are too quiet"),
        ("prompt='The vocals are too quiet, right?'", "prompt", "The vocals are too quiet, right?"),
        ('prompt="I don\'t hear the vocals"', "prompt", "I don't hear the vocals"),
        ("roles={weird.wav: vocals}", "roles", {"weird.wav": "vocals"}),
        ("roles={take ?1?.wav: vocals,b 2.wav: other}", "roles", {"take ?1?.wav": "vocals", "b 2.wav": "other"}),
    ],
)
def test_what_the_help_says_about_quoting_works(written, key, value):
    assert getattr(checked(*REQUIRED, written), key) == value


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (REQUIRED[1:], "The key 'checkpoint' is missing; add checkpoint=..."),
        (REQUIRED[:2], "The key 'tracks' is missing"),
        ([*REQUIRED, "tracks=[]"], "The key 'tracks'"),
        ([*REQUIRED, "format=xml"], "The key 'format' is 'xml': input should be 'text' or 'json'"),
        ([*REQUIRED, "apply=''"], "The key 'apply'"),
        ([*REQUIRED, "batch_size=0"], "The key 'batch_size' is 0"),
        ([*REQUIRED, "+colour=red"], "unknown key 'colour'"),
    ],
)
def test_a_wrong_key_gets_a_sentence(overrides, message):
    with pytest.raises(ConfigError, match=message):
        checked(*overrides)


def test_nothing_but_the_advice_goes_to_stdout(settings, write_tone, monkeypatch, capsys):
    made = advise_command.make_report

    def chatty(chosen):
        print("a library chats")
        return made(chosen, lambda questions: [Said("Lower the drums by 6 dB.")] * len(questions))

    monkeypatch.setattr(advise_command, "make_report", chatty)
    files = (write_tone("bass.wav", 5.0), write_tone("drums.wav", 5.0))
    advise_command.main(settings(*files))
    out, err = capsys.readouterr()
    assert json.loads(out)["text"].startswith("Lower the drums by 6 dB.")
    assert "a library chats" in err
    advise_command.main(settings(*files, format="text"))
    assert capsys.readouterr().out.startswith("Lower the drums by 6 dB.\nAgreement (not certainty): drums 100%")


def test_help_explains_the_keys():
    result = advise("--help")
    assert result.returncode == 0
    assert "== Quoting ==" in result.stdout


def test_a_missing_file_ends_in_one_sentence_and_exit_code_2_and_leaves_nothing_behind(tmp_path):
    result = advise("checkpoint=run", "anchor=my bass.wav", "tracks=[vocals.wav]", "format=json", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("error: my bass.wav is not a file")
    assert len(result.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_whole_command_runs_on_an_untrained_checkpoint(checkpoint, write_tone, tmp_path):
    for name in ("bass.wav", "vocals.wav"):
        write_tone(name, 5.0)
    result = advise(f"checkpoint={checkpoint}", "anchor=bass.wav", "tracks=[vocals.wav]", "format=json", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert "could not be read as advice in any of 1 segments" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bass.wav", "vocals.wav"]


def test_the_configuration_has_every_key_of_the_schema():
    assert set(composed(name="advising/advise")) == set(advise_command.AdviseSettings.model_fields)
