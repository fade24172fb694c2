"""Every locked package has a licence that is allowed; another one fails with what to do."""

from email.message import Message
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from tests.harness.repository import ROOT
from tests.packaging.licences.allow_list import ADVICE, NOT_INSTALLED, SHIPPED, TOOLS, faults, is_allowed
from tests.packaging.licences.package_metadata import BY_HAND, installed, licence_files, licence_of

LOCKS = ROOT / "requirements"
OWN_ENVIRONMENT = {"containers.txt", "converters.txt", "docs.txt", "release.txt"}
"""Checked where they are installed: by their targets, and by the test of the converters."""


class FakeDistribution(Distribution):
    """A package by its metadata."""

    def __init__(self, *fields: tuple[str, str]) -> None:
        self._fields = fields

    def read_text(self, filename: str) -> str | None:
        message = Message()
        for name, value in (("Name", "a-package"), *self._fields):
            message[name] = value
        return str(message) if filename == "METADATA" else None

    def locate_file(self, path: object) -> Path:
        return Path(str(path))


@pytest.mark.requirement("licences-allowed")
@pytest.mark.parametrize(
    ("lock", "allowed"),
    [("run", SHIPPED), ("otel", SHIPPED), ("dev", TOOLS), ("build", TOOLS), ("lock", TOOLS)],
    ids=str,
)
def test_every_locked_package_has_an_allowed_licence(lock: str, allowed: dict[str, str]) -> None:
    assert list(faults(LOCKS / f"{lock}.txt", installed(), allowed)) == [], ADVICE


def test_every_lock_file_is_checked() -> None:
    """The others by `python -m tests.packaging.licences`, in their own environments."""
    assert {path.name for path in LOCKS.iterdir()} == {
        "run.txt",
        "otel.txt",
        "dev.txt",
        "build.txt",
        "lock.txt",
        *OWN_ENVIRONMENT,
    }
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for name in OWN_ENVIRONMENT - {"converters.txt"}:
        assert f"tests.packaging.licences requirements/{name} " in makefile


def test_another_licence_and_none_are_faults(tmp_path: Path) -> None:
    """None is what a package has that is not installed, too."""
    lock = tmp_path / "run.txt"
    lock.write_text("mit==1.0 \\\n    --hash=sha256:00\nnew==2.0 \\\n    --hash=sha256:00\nsilent==3\ngone==4\n")
    packages = {
        "mit": FakeDistribution(("License-Expression", "MIT")),
        "new": FakeDistribution(("License", "AGPL-3.0-only")),
        "silent": FakeDistribution(),
    }
    assert list(faults(lock, packages, SHIPPED)) == [
        "run.txt: new has the licence AGPL-3.0-only.",
        "run.txt: silent names no licence.",
        "run.txt: gone names no licence.",
    ]


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("MIT AND Apache-2.0", True),
        ("MIT AND AGPL-3.0-only", False),
        ("MIT OR AGPL-3.0-only", True),
        ("(GPL-2.0-only OR AGPL-3.0-only) AND MIT", False),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("AGPL-3.0-only", False),
        ("MIT OR", False),
        ("BSD License", False),
        ("", False),
    ],
)
def test_of_or_one_part_and_of_and_each_has_to_be_allowed(expression: str, allowed: bool) -> None:
    assert is_allowed(expression, SHIPPED) is allowed


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ([("License-Expression", "MIT OR Apache-2.0"), ("License", "other")], "MIT OR Apache-2.0"),
        ([("License", "BSD-3-Clause"), ("Classifier", "License :: OSI Approved :: BSD License")], "BSD-3-Clause"),
        ([("License", "Apache 2.0")], "Apache-2.0"),
        ([("License", "UNKNOWN"), ("Classifier", "License :: OSI Approved :: MIT License")], "MIT"),
        (
            [
                ("Classifier", "License :: OSI Approved :: MIT License"),
                ("Classifier", "License :: OSI Approved :: GNU General Public License (GPL)"),
            ],
            "MIT License AND GNU General Public License (GPL)",
        ),
        ([("License", "Permission is hereby granted, free of charge")], "Permission is hereby granted, free of charge"),
        ([], ""),
    ],
    ids=["expression", "field", "spelling", "classifier", "two classifiers", "text", "nothing"],
)
def test_a_licence_is_read_from_what_says_it_best(fields: list[tuple[str, str]], licence: str) -> None:
    """Words that are not known stay words, which no expression has."""
    assert licence_of(FakeDistribution(*fields)) == licence


def test_what_was_read_by_hand_is_allowed_and_in_a_lock() -> None:
    locked = "".join(path.read_text("utf-8") for path in LOCKS.iterdir())
    names = {name for name, _ in BY_HAND} | NOT_INSTALLED.keys()
    assert [name for name in names if f"{name}==" not in locked] == []
    assert all(is_allowed(licence, TOOLS) for licence in [*BY_HAND.values(), *NOT_INSTALLED.values()])


def test_what_is_shipped_brings_its_licence_text() -> None:
    """Most licences ask for that."""
    lock = (LOCKS / "run.txt").read_text("utf-8")
    shipped = {name: package for name, package in installed().items() if f"\n{name}==" in lock}
    assert len(shipped) > 50
    assert [name for name, package in shipped.items() if not licence_files(package)] == []
