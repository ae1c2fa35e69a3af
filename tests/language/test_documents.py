"""The documents name paths, names, links and commands that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from protocol import messages
from protocol.messages import FROM_CLIENT
from server.services.money.audit import CHECKS
from server.services.money.audit_sets import CHECKS as CHECKS_OF_SETS
from server.services.money.wallets import ENTRIES_PAGE
from tests.mutants.table import MUTATIONS

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("deploy/*.md")])
PATH = re.compile(r"`((?:protocol|server|storage|client_sim|bench|tests|deploy|docs)/[\w./-]*)`")
LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]+))?\)")
NAMED = re.compile(r"^\| [^|]+\? \| `([\w./]+)` \| `([^`]+)` \|$", re.MULTILINE)


def anchors_of(document: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_document_paths_in_the_text_exist(document: Path) -> None:
    assert [path for path in PATH.findall(document.read_text()) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_document_links_lead_to_files_and_headings(document: Path) -> None:
    for path, anchor in LINK.findall(document.read_text()):
        target = document.parent / path if path else document
        assert target.exists(), path
        assert not anchor or anchor in anchors_of(target), f"{path}#{anchor}"


def test_design_every_package_has_a_line() -> None:
    design = (ROOT / "docs" / "design.md").read_text()
    packages = [
        file.parent.relative_to(ROOT).as_posix()
        for top in ("protocol", "server", "storage", "client_sim", "bench", "tests")
        for file in (*ROOT.glob(f"{top}/__init__.py"), *ROOT.glob(f"{top}/*/__init__.py"))
    ]
    assert len(packages) > 30
    assert [package for package in packages if f"`{package}/" not in design] == []


def test_glossary_every_term_has_a_path() -> None:
    rows = re.findall(r"^\| (?!term |---)(.*) \|$", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    assert len(rows) > 80
    assert [row for row in rows if len(row.split(" | ")) != 4 or not PATH.fullmatch(row.split(" | ")[3])] == []


def occurs(name: str, text: str) -> bool:
    """Whether a statement (`-- name: due`), a method (`Draws.share`) or another name is in a file."""
    if name.startswith("-- "):
        return name in text.splitlines()
    return all(re.search(rf"\b{word}\b", text) for word in name.split("."))


def test_contributing_names_occur_in_their_files() -> None:
    named = NAMED.findall((ROOT / "docs" / "contributing.md").read_text())
    assert len(named) > 20
    assert [(path, name) for path, name in named if not occurs(name, (ROOT / path).read_text())] == []


def first_column(document: str, heading: str) -> list[str]:
    """The names in the first column of the first table under a heading."""
    section = (ROOT / "docs" / document).read_text().partition(f"\n{heading}\n")[2]
    table = section.partition("\n| --- |")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| ([^|]*) \|", table, re.MULTILINE)
    return re.findall(r"`(\w[\w ]*)`", " ".join(cells))


def test_reliability_numbers_of_planted_faults_are_those_of_the_table() -> None:
    reliability = (ROOT / "docs" / "reliability.md").read_text()
    faults = len(MUTATIONS)
    assert f"`make mutants` | {faults} faults, each caught when it was planted" in reliability
    assert f"{faults} faults, planted one at a time" in reliability


def test_operations_every_check_of_the_audit_has_a_row() -> None:
    named = first_column("operations.md", "### The audit names a discrepancy")
    assert sorted(named) == sorted(
        [*CHECKS, *CHECKS_OF_SETS, "fairness", "commitments", "trees", "dealt", "balance"]
    )


def test_protocol_every_request_has_a_row_that_tells_what_a_repeat_does() -> None:
    requests = {*FROM_CLIENT} - {messages.Login, messages.Ping, messages.Pong}
    assert sorted(first_column("protocol.md", "## 6. Retries")) == sorted(one.__name__ for one in requests)


def test_protocol_limits_have_the_page_of_entries() -> None:
    assert f"| entries in one `Entries` | {ENTRIES_PAGE} |" in (ROOT / "docs" / "protocol.md").read_text()


def test_chinese_readme_lists_the_same_commands_and_documents() -> None:
    english, chinese = ((ROOT / name).read_text() for name in ("README.md", "README.zh.md"))
    commands = re.compile(r"^\| `(hongbao [^`]*)`", re.MULTILINE)
    assert commands.findall(chinese) == commands.findall(english)
    documents = re.compile(r"^\| \[([^]]+)\]", re.MULTILINE)
    assert documents.findall(chinese) == documents.findall(english)


def test_chinese_readme_has_full_width_punctuation() -> None:
    prose = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)", "", (ROOT / "README.zh.md").read_text(), flags=re.DOTALL)
    assert len(re.findall(r"[，：；]", prose)) > 50
    assert re.findall(r".?[一-鿿][,:;(]|[,:;)][一-鿿].?", prose) == []
