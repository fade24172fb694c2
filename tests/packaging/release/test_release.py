"""What `make release` refuses, what it writes as notes, and that every repeated version follows from one."""

import subprocess
from pathlib import Path

import pytest

from tests.docs.generate import PAGES
from tests.harness.repository import ROOT
from tests.packaging.release.errors import ReleaseError
from tests.packaging.release.notes import CHANGELOG, UNRELEASED, UPGRADE, release_notes, section
from tests.packaging.release.source import export_commit
from tests.packaging.release.versions import PLACES, version, with_version
from vpsops.core.storage import schema

ELSEWHERE = {  # where the same digits are another thing's version, or a generated page's
    "mcp_server/fast_start/early.json",
    "playground/wayscloud/openapi.yaml",
    "tests/unit/core/telemetry/test_metrics.py",
}
GENERATED = ("docs/transcripts/", "requirements/", "tests/docs/", "tests/packaging/release/", "tests/unit/mcp_server/")


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with one commit."""
    root = tmp_path / "checkout"
    root.mkdir()
    git(root, "init", "--quiet")
    (root / ".gitignore").write_text("ignored\n")
    (root / "file").write_text("one")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "one", "--date", "2027-01-04T09:00:00Z")
    return root


@pytest.mark.requirement("release-refused")
@pytest.mark.parametrize("name", ["file", "new"])
def test_a_checkout_that_differs_from_its_commit_is_refused(checkout: Path, tmp_path: Path, name: str) -> None:
    """Altered, or with a file that is in no commit."""
    (checkout / name).write_text("two")
    with pytest.raises(ReleaseError, match=f"The checkout is not the commit: {name} "):
        export_commit(checkout, tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


def test_a_release_is_made_of_the_commits_files_and_its_time(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What git ignores stays out, and so does this process's own Python set-up."""
    (checkout / "ignored").write_text("stale")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    source = export_commit(checkout, tmp_path / "tree")
    assert sorted(path.name for path in source.tree.iterdir()) == [".gitignore", "file"]
    assert source.epoch == int(git(checkout, "show", "--no-patch", "--format=%ct"))
    assert source.commit == git(checkout, "rev-parse", "--short=12", "HEAD")
    environ = source.environment()
    assert (environ["SOURCE_DATE_EPOCH"], environ["BUILD_COMMIT"]) == (str(source.epoch), source.commit)
    assert "PYTHONPATH" not in environ


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="git status: "):
        export_commit(tmp_path, tmp_path / "tree")


def texts(folder: Path, changelog: str, upgrade: str) -> Path:
    (folder / "docs").mkdir()
    (folder / CHANGELOG).write_text(changelog)
    (folder / UPGRADE).write_text(upgrade)
    return folder


CHANGES = (
    "# Changelog\n\n## Unreleased\n\n- later\n\n## [1.2.3] - 2027-01-04\n\n### Added\n\n- [a](docs/a.md#b)\n\n"
    "## 1.2.2\n"
)
STEPS = "# Upgrade\n\n### 1.2.3\n\n- [d](../b.md), [e](data.md)\n\n### 1.2.2\n\n- old\n"


def test_the_notes_are_one_versions_parts_with_whole_addresses(tmp_path: Path) -> None:
    notes = release_notes(texts(tmp_path, CHANGES, STEPS), "1.2.3", "1.2.3")
    pages = "https://github.com/vpsops/vpsops/blob/v1.2.3"
    assert notes == (
        f"# vpsops 1.2.3\n\n### Added\n\n- [a]({pages}/docs/a.md#b)\n\n"
        f"## Upgrade\n\n- [d]({pages}/b.md), [e]({pages}/docs/data.md)\n"
    )


@pytest.mark.requirement("release-refused")
@pytest.mark.parametrize(
    ("changelog", "upgrade", "missing"),
    [
        ("## Unreleased\n\n- a\n", STEPS, "CHANGELOG.md"),
        (CHANGES.replace("### Added\n\n- [a](docs/a.md#b)\n\n", ""), STEPS, "CHANGELOG.md"),
        (CHANGES.replace("[1.2.3]", "[1.2.30]"), STEPS, "CHANGELOG.md"),
        (CHANGES, STEPS.replace("1.2.3", "1.2.4"), "docs/upgrade.md"),
    ],
    ids=["unreleased", "empty", "another", "no upgrade"],
)
def test_a_version_without_notes_is_refused(tmp_path: Path, changelog: str, upgrade: str, missing: str) -> None:
    with pytest.raises(ReleaseError, match=missing):
        release_notes(texts(tmp_path, changelog, upgrade), "1.2.3", "1.2.3")


def test_the_notes_of_what_is_unreleased_say_so_and_name_the_schema() -> None:
    """Whoever upgrades has to know whether older processes end."""
    assert release_notes(ROOT, version(), UNRELEASED).startswith(f"# vpsops {version()} (not released)\n")
    steps = section((ROOT / UPGRADE).read_text("utf-8"), "###", UNRELEASED)
    assert f"Its schema is {schema.HEAD}." in steps


@pytest.mark.parametrize("path", PLACES)
def test_the_version_stands_in_one_place_and_is_written_into_the_others(path: str) -> None:
    """By `make docs`; `make check` compares."""
    assert PAGES[path]() == with_version(path) == (ROOT / path).read_text("utf-8")


def test_a_place_that_is_gone_or_double_is_no_version(tmp_path: Path) -> None:
    """A file that was written in another way would keep an old version."""
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs/containers.md"
    for text in ("podman build -t vpsops:latest .\n", "-t vpsops:1.2.3 -t vpsops:1.2.3\n"):
        page.write_text(text)
        with pytest.raises(ValueError, match=r"docs/containers\.md has [02] versions"):
            with_version("docs/containers.md", tmp_path)
    page.write_text("podman build -t vpsops:9.9.9 .\n")
    assert with_version("docs/containers.md", tmp_path) == f"podman build -t vpsops:{version()} .\n"


def test_no_other_file_names_the_version() -> None:
    listed = git(ROOT, "grep", "--files-with-matches", "--fixed-strings", "--word-regexp", version()).splitlines()
    others = {path for path in listed if not path.startswith(GENERATED)} - PAGES.keys() - ELSEWHERE
    assert others == set()
