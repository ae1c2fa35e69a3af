"""tests/language/check.py finds words wherever they are written, and reports exceptions that are not needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.language.check import check, find

PHRASES = {"gizmos?": "devices", "(red|blue) (hat|coat)": "clothes", "evergreen|ever green": "a tree"}


@pytest.mark.parametrize(
    "text",
    [
        "Gizmos run",
        "def test_gizmo_runs():",
        "# a red\n# hat",
        "a blue\n    coat",
        '"""Always ever green."""',
        "evergreen",
    ],
)
def test_find_listed_phrase_is_found(text: str) -> None:
    assert len(list(find(text, PHRASES))) == 1


@pytest.mark.parametrize("text", ["gizmology", "a red hatch", "ever greener", "nevergreen"])
def test_find_phrase_inside_another_word_is_not_found(text: str) -> None:
    assert list(find(text, PHRASES)) == []


def test_find_occurrence_has_its_line_and_phrase() -> None:
    assert list(find("one\ntwo red hat", PHRASES)) == [(2, "(red|blue) (hat|coat)", "red hat")]


def test_check_exception_without_occurrence_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("One gizmo.")
    (tmp_path / "b.md").write_text("One gizmo.")
    words = {
        "instead_of": PHRASES,
        "exceptions": {"a.md": {"gizmos?": "a quotation", "evergreen|ever green": "none"}},
    }
    complaints = check(tmp_path, ["a.md", "b.md"], words, ())
    assert complaints == [
        "b.md:1: 'gizmo', write instead: devices",
        "tests/language/words.toml: no exception 'evergreen|ever green' is needed for a.md",
    ]


def test_check_descriptions_of_vectors_are_read_and_their_values_are_not(tmp_path: Path) -> None:
    (tmp_path / "tests" / "vectors").mkdir(parents=True)
    wire = '[\n{"about": "a frame", "text": "gizmo"},\n{"about": "of a gizmo"}]'
    (tmp_path / "tests" / "vectors" / "wire.json").write_text(wire)
    (tmp_path / "other.json").write_text(wire)
    words = {"instead_of": PHRASES, "exceptions": {}}
    complaints = check(tmp_path, ["tests/vectors/wire.json", "other.json"], words, ())
    assert complaints == ["tests/vectors/wire.json:3: 'gizmo', write instead: devices"]


def test_check_skipped_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "a.md").write_text("One gizmo.")
    assert check(tmp_path, ["old/a.md"], {"instead_of": PHRASES, "exceptions": {}}, ("old/",)) == []
