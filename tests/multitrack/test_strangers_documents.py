"""Metadata files: read as plain values; what is broken or hostile is named in a sentence."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mixlab.errors import InputFileError
from mixlab.multitrack.documents import LARGEST_BYTES, read_document

texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc",)), min_size=1, max_size=12)
documents = st.recursive(
    texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=12
)


@pytest.fixture
def written(tmp_path):
    """Writes a metadata file and gives its path."""

    def write(content, name="metadata.yaml"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def refusal(path) -> str:
    with pytest.raises(InputFileError) as raised:
        read_document(path)
    sentence = str(raised.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert len(sentence) < 500
    return sentence


@given(document=documents)
def test_yaml_and_json_are_read_as_they_were_written(tmp_path_factory, document):
    folder = tmp_path_factory.mktemp("documents")
    (folder / "a.json").write_text(json.dumps(document), encoding="utf-8")
    (folder / "a.yaml").write_text(yaml.safe_dump(document, default_style='"', allow_unicode=True), encoding="utf-8")
    for name in ("a.json", "a.yaml"):
        assert read_document(folder / name) == document


def test_what_looks_like_a_number_or_a_bool_stays_a_text(written):
    read = read_document(written("artist: 1975\nother: No\ngenre: ~\ntitle: '~'\nempty:\n"))
    assert read == {"artist": "1975", "other": "No", "genre": None, "title": "~", "empty": None}


def test_aliases_share_what_they_refer_to(written):
    assert read_document(written("a: &x [b, c]\nd: *x\n")) == {"a": ["b", "c"], "d": ["b", "c"]}


def test_a_file_with_a_byte_order_mark_is_read(written):
    assert read_document(written(b'\xef\xbb\xbf{"a": "b"}', "a.json")) == {"a": "b"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("a: [b", "is not valid YAML"),
        ("", "it holds 0 documents, not one"),
        ("a: b\n---\nc: d", "it holds 2 documents, not one"),
        (
            "a: !!python/object/apply:os.system ['touch /tmp/x']",
            "it has the tag 'tag:yaml.org,2002:python/object/apply",
        ),
        ("a: !secret b", "it has the tag '!secret', which is not read"),
        ("a: &x [*x]", "the alias 'x' refers to nothing before it"),
        ("? [a, b]\n: c", "it has a key that is no text"),
        ("[" * 5000, "it is nested more than 32 deep"),
        (b"artist: Bj\xf6rk", "is not UTF-8 text; save it as UTF-8"),
        (b"a: \x00", "is not valid YAML"),
        (b"#" * (LARGEST_BYTES + 1), "is larger than"),
    ],
    ids=["broken", "empty", "two", "python tag", "tag", "loop", "key", "deep", "latin-1", "control", "large"],
)
def test_yaml_that_is_broken_or_hostile_is_named(written, content, says):
    assert says in refusal(written(content))


@pytest.mark.parametrize(
    ("content", "says"),
    [("{", "is not valid JSON"), ("", "is not valid JSON"), ("[" * 100_000, "it is nested too deep")],
    ids=["broken", "empty", "deep"],
)
def test_json_that_is_broken_or_hostile_is_named(written, content, says):
    assert says in refusal(written(content, "data.json"))


def test_no_tag_runs_anything(written, tmp_path):
    target = tmp_path / "touched"
    refusal(written(f"!!python/object/apply:os.system ['touch {target}']"))
    assert not target.exists()


def test_references_that_double_at_each_line_cost_nothing(written):
    lines = ["a0: &a0 [x, x]"] + [f"a{step}: &a{step} [*a{step - 1}, *a{step - 1}]" for step in range(1, 200)]
    assert len(read_document(written("\n".join(lines)))) == 200


def test_a_folder_in_its_place_is_named(tmp_path):
    (tmp_path / "data.json").mkdir()
    assert "cannot be read" in refusal(tmp_path / "data.json")
