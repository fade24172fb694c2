"""What an index shows of the distributions, the commit that they were built from, and the manual page."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import hatch_build
from tests.docs.pages.manual import whole_parser
from tests.packaging.programs import needs_program
from tests.packaging.wheel import ROOT, build_both, members, metadata_of, wheel_from_sdist
from vpsops.cli import main as console
from vpsops.core.console.parser import options_of, subparsers_of

PUBLISHER = r"github(usercontent)?\.com/vpsops|io\.github\.vpsops|The vpsops authors"
LINK = re.compile(r"\]\(([^)\s]+)\)")


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.slow
@pytest.mark.requirement("sdist-is-complete")
def test_an_sdist_makes_the_same_wheel_and_the_index_shows_whole_addresses(tmp_path: Path) -> None:
    """The links of a checkout are in no sdist; a page of an index has no folder beside it."""
    sdist, wheel = build_both(tmp_path / "built")
    again = wheel_from_sdist(sdist, tmp_path / "unpacked")
    assert sorted(members(again)) == sorted(members(wheel))
    assert "vpsops/core/app/core.py" in members(again)
    metadata = metadata_of(wheel)
    shown = str(metadata.get_payload())
    assert [link for link in LINK.findall(shown) if not link.startswith(("https://", "#"))] == []
    assert "(https://raw.githubusercontent.com/vpsops/vpsops/main/docs/pictures/" in shown
    assert {url.partition(",")[0] for url in metadata.get_all("Project-URL", [])} >= {"Homepage", "Changelog", "Issues"}


def test_the_page_on_releases_names_each_file_with_a_placeholder_of_the_publisher() -> None:
    """Who publishes changes all of them, and finds them in one place."""
    page = (ROOT / "docs/releasing.md").read_text("utf-8")
    section = page.partition("## Names of the publisher")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    named = {word for row in rows for word in re.findall(r"`([^`]+)`", row.rpartition(" | ")[2])}
    with_one = git(ROOT, "grep", "-lE", PUBLISHER, "--", ".", ":!tests", ":!docs/releasing.md").splitlines()
    assert named == set(with_one)


def test_each_address_of_the_metadata_is_a_file_here() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    paths = [url.partition("/main/")[2] for url in project["urls"].values() if "/main/" in url]
    assert len(paths) == 3
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_commit_is_that_of_the_checkout_and_of_no_folder_around_it(tmp_path: Path) -> None:
    """An sdist that is unpacked in another project's checkout has not that project's commit."""
    assert hatch_build.commit_of(tmp_path) == ""
    git(tmp_path, "init", "--quiet")
    assert hatch_build.commit_of(tmp_path) == ""
    (tmp_path / "file").write_text("one")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "--message", "one")
    commit = git(tmp_path, "rev-parse", "--short=12", "HEAD")
    git(tmp_path, "tag", "v1")
    assert hatch_build.commit_of(tmp_path) == commit
    (tmp_path / "file").write_text("two")
    assert hatch_build.commit_of(tmp_path) == f"{commit}-dirty"
    (tmp_path / "inner").mkdir()
    assert hatch_build.commit_of(tmp_path / "inner") == ""


@pytest.mark.parametrize(
    ("given", "commit"),
    [("0123456789ab", "0123456789ab"), ("0123456-dirty", "0123456-dirty"), ("", ""), ("main", ""), ("0123456\nx", "")],
)
def test_the_build_of_an_image_may_name_the_commit(given: str, commit: str) -> None:
    """Its context has no checkout."""
    assert hatch_build.given_commit({"BUILD_COMMIT": given}) == commit


def test_an_image_is_built_from_all_that_the_wheel_needs() -> None:
    """What the build names by path is not left out of the context."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]
    needed = [*build["targets"]["wheel"]["only-include"], *build["targets"]["wheel"]["shared-data"], "hatch_build.py"]
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    assert [path for path in needed if not any(path == name or path.startswith(f"{name}/") for name in kept)] == []


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hatch_build.commit_of(ROOT) == ""


@pytest.mark.requirement("manual-from-the-parser")
def test_the_manual_page_has_every_command_and_option() -> None:
    """As they are when they are called."""
    page = (ROOT / "packaging/man/vpsops.1").read_text("utf-8").replace("\\-", "-")
    subparsers = subparsers_of(whole_parser())
    assert subparsers.keys() >= console.COMMANDS.keys()
    for name, parser in subparsers.items():
        assert f"vpsops {name}" in page
        assert [option for option in options_of(parser) if option not in page] == []
        assert options_of(parser) == options_of(subparsers_of(console.parser_of([name]))[name])


@needs_program("man", "man-db")
def test_man_formats_the_page_without_a_complaint() -> None:
    command = ["man", "--warnings=all", "--local-file", str(ROOT / "packaging/man/vpsops.1")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "EXIT STATUS" in done.stdout
