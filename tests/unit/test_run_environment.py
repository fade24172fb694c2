"""The environment of `make demo`: few packages, each by its hash, and a line about each step from the start."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest
from packaging.requirements import Requirement

from tests.harness.repository import ROOT

MOST_PACKAGES: Final = 60
OTHERS: Final = 3  # pip, setuptools, vpsops itself


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_environment", ROOT / "packaging" / "run_environment.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.mark.requirement("demo-environment")
def test_running_needs_sixty_packages_at_most() -> None:
    """Those of the locked list that this machine takes, and what each environment has; the development tools apart."""
    text = (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")
    lines = [line.split("\\")[0].strip() for line in text.splitlines() if re.match(r"[a-z0-9].*==", line)]
    needed = [item for item in map(Requirement, lines) if item.marker is None or item.marker.evaluate()]
    assert len(needed) + OTHERS <= MOST_PACKAGES
    assert not {"pytest", "mypy", "playwright", "hypothesis"} & {item.name for item in needed}


@pytest.mark.requirement("demo-environment")
def test_every_package_comes_by_its_hash(script: ModuleType, tmp_path: Path) -> None:
    """What is installed without hashes is the checkout alone."""
    installs = [command for step in script.steps(tmp_path) for command in step.commands if "install" in command]
    hashed = [command for command in installs if "--require-hashes" in command]
    (own,) = [command for command in installs if command not in hashed]
    assert {Path(command[command.index("--requirement") + 1]).name for command in hashed} == {"run.txt", "build.txt"}
    assert {"--no-deps", "--no-build-isolation"} <= set(own)
    assert own[-2:] == ["--editable", str(ROOT)]


def test_a_step_is_named_before_it_runs_and_timed_at_its_end(
    script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """With how many packages it came to; the same package counts once."""
    lines = "Collecting a==1 (from x)\nCollecting a==1 (from y)\nDownloading a\nProcessing b.whl"
    assert script._succeeds(script.InstallStep("1/1 packages", [[sys.executable, "-c", f"print({lines!r})"]]))
    first, last = capsys.readouterr().out.splitlines()
    assert first == "1/1 packages"
    assert re.fullmatch(r"  done in \d+ s, 2 packages", last)


def test_a_step_that_fails_says_why(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """The end of what it wrote, and none of the later commands run."""
    step = script.InstallStep(
        "1/1 packages",
        [
            [sys.executable, "-c", "import sys; sys.exit('hashes do not match')"],
            [sys.executable, "-c", "print('Collecting more==1')"],
        ],
    )
    assert not script._succeeds(step)
    out, err = capsys.readouterr()
    assert "hashes do not match" in err
    assert "failed" in out
    assert "package" not in out.splitlines()[-1]
