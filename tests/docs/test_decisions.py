"""Pages of decisions have their four parts, and the checks that they name exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "decisions").glob("*.md"))
PARTS = ["## Context", "## Decision", "## Consequences", "## The check that enforces it"]
TEST_FILE = re.compile(r"`(tests/[\w/]+\.py)`")
TEST_NAME = re.compile(r"`(test_\w+)`")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)\)")
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_decision_says_context_decision_consequences_and_check(page: Path) -> None:
    text = page.read_text()
    assert re.match(rf"# {int(page.name[:4])}\. \S", text), "the title begins with the page's number"
    assert [line for line in text.splitlines() if line.startswith("## ")] == PARTS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_checks_of_a_decision_exist(page: Path) -> None:
    check = page.read_text().partition(PARTS[-1])[2]
    files = TEST_FILE.findall(check)
    assert files, "no test is named"
    sources = [(ROOT / file).read_text() for file in files]
    missing = [name for name in TEST_NAME.findall(check) if not any(f"def {name}(" in source for source in sources)]
    assert not missing


def test_decisions_are_numbered_without_gaps() -> None:
    assert [int(page.name[:4]) for page in PAGES] == list(range(1, len(PAGES) + 1))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    broken = [link for link in LINK.findall(document.read_text()) if not (document.parent / link).exists()]
    assert not broken
