"""Documentation is held to the code: generated pages are current, links lead somewhere, locks hold no address."""

import re
from pathlib import Path

import pytest

from tests.docs.generate import PAGES, ROOT
from tests.docs.links import anchors_of, links_of
from vpsops.cli import main as console
from vpsops.cli.operations.arguments import words_of_operations
from vpsops.core.operations import OPERATIONS

WRITTEN = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
PAGE = re.compile(r"\bdocs/[\w/.-]+\.md\b")
LIMITS = {"core": 500, "bot": 500, "mcp_server": 500, "playground": 500, "tests": 700}


@pytest.mark.parametrize("name", list(PAGES))
def test_a_generated_page_is_current(name: str) -> None:
    """A generated page is what `make docs` would write."""
    assert (ROOT / name).read_text(encoding="utf-8") == PAGES[name]()


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_within_the_tree_lead_somewhere(page: Path) -> None:
    """A page names no file, and no heading of one, that is not there."""
    assert [link.written for link in links_of(page) if not link.leads_somewhere()] == []


def test_every_page_is_reached_from_the_readme() -> None:
    """Links from the start reach every page of docs/."""
    reached: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page not in reached:
            reached.add(page)
            ahead += [link.target for link in links_of(page) if link.target.suffix == ".md" and link.target.exists()]
    assert sorted(path.relative_to(ROOT).as_posix() for path in set(WRITTEN) - reached) == []


def test_the_code_names_only_pages_there_are() -> None:
    """Each page that a hint refers to exists."""
    sources = [path for folder in ("core", "bot", "mcp_server", "vpsops/cli") for path in (ROOT / folder).rglob("*.py")]
    named = {page for path in [*sources, *ROOT.glob("*.py")] for page in PAGE.findall(path.read_text(encoding="utf-8"))}
    assert "docs/mcp.md" in named
    assert [page for page in sorted(named) if not (ROOT / page).exists()] == []


def test_headings_are_found_as_a_site_names_them(tmp_path: Path) -> None:
    """Punctuation goes, blanks become hyphens, a repeated heading gets a number, and code has none."""
    page = tmp_path / "page.md"
    page.write_text("# Is it `well`?\n```\n# no heading\n```\n## To [one](a.md) person\n## Again\n## Again\n", "utf-8")
    assert anchors_of(page) == {"is-it-well", "to-one-person", "again", "again-1"}


def test_decisions_are_numbered_once_whole_and_listed() -> None:
    """Each has a number of its own, and context, options, choice and consequences, and the index has its title."""
    pages = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    assert len({path.name[:4] for path in pages}) == len(pages)
    index = (ROOT / "docs/decisions/README.md").read_text(encoding="utf-8")
    for path in pages:
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {path.name[:4]} ")
        assert [part for part in ("Context", "Options", "Choice", "Consequences") if f"**{part}" not in text] == []
        assert f"]({path.name})" in index


def test_the_readme_is_short() -> None:
    """It is short enough to be read whole."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_the_readme_names_only_commands_there_are() -> None:
    """Every `vpsops NAME` of the readme is a subcommand, and the two commands are shown."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"vpsops ([a-z]{3,})\b", "\n".join(re.findall(r"`[^`]+`|```.*?```", readme, re.DOTALL))))
    assert named <= {*console.COMMANDS, *words_of_operations()}
    assert "make demo" in readme
    assert "make test" in readme


@pytest.mark.parametrize("name", ["requirements/run.txt", "requirements/dev.txt", "pyproject.toml", "Makefile"])
def test_no_address_of_an_index_gets_into_the_build(name: str) -> None:
    """The source of packages is configured on the machine, not in the build; metadata names where the project lives."""
    hosts = set(re.findall(r"://([^/\s\"')]*)", (ROOT / name).read_text(encoding="utf-8")))
    assert hosts == ({"github.com", "raw.githubusercontent.com"} if name == "pyproject.toml" else set())


def test_no_file_outgrows_a_reader() -> None:
    """Files stay under their ceiling."""
    long = {
        path.relative_to(ROOT).as_posix(): lines
        for folder, limit in LIMITS.items()
        for path in (ROOT / folder).rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > limit
    }
    assert long == {}


def test_an_operation_that_the_provider_does_not_document_is_marked() -> None:
    """And no other: the setting that switches them off is named below the table."""
    page = PAGES["docs/reference/operations.md"]()
    marked = {name for name, operation in OPERATIONS.items() if f"| `{name}` | {operation.summary} * |" in page}
    assert marked == {name for name, operation in OPERATIONS.items() if not operation.documented}
    assert "`[limits] undocumented = false`" in page


def test_the_demo_ends_with_a_section_of_the_readme() -> None:
    """Its last line sends people on to a heading that is there."""
    (title,) = re.findall(r"README\\'s \"([^\"]+)\"", (ROOT / "playground" / "demo.py").read_text(encoding="utf-8"))
    assert f"## {title}\n" in (ROOT / "README.md").read_text(encoding="utf-8")
