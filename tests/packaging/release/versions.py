"""The version stands in pyproject.toml; this writes it wherever another file has to repeat it (`make docs`)."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.harness.repository import ROOT
from tests.packaging.registry.entries import project

NUMBER: Final = r"\d+\.\d+\.\d+"
"""What Python's packages, charts, bundles and tags of images all take; no pre-releases."""
PLACES: Final[Mapping[str, tuple[str, ...]]] = {
    "pyproject.toml": ('"vpsops-playground==',),
    "playground/pyproject.toml": ('^version = "', '"vpsops=='),
    "packaging/container/compose.yaml": ("^    image: vpsops:",),
    "packaging/helm/vpsops/Chart.yaml": ("^version: ", "^appVersion: "),
    "packaging/kubernetes/base/kustomization.yaml": ("^    newTag: ",),
    "packaging/kubernetes/example/kustomization.yaml": ("^    newTag: ",),
    "docs/containers.md": ("-t vpsops:",),
}
"""For each file what stands before the version, once; server.json and the bundle's manifest are generated whole."""


def version() -> str:
    """Return the version of pyproject.toml."""
    return str(project()["version"])


def with_version(path: str, root: Path = ROOT) -> str:
    """Return a file's text with the version of pyproject.toml. Raises `ValueError` where its place is gone."""
    text = (root / path).read_text(encoding="utf-8")
    for before in PLACES[path]:
        text, count = re.subn(f"({before}){NUMBER}", rf"\g<1>{version()}", text, flags=re.MULTILINE)
        if count != 1:
            raise ValueError(f"{path} has {count} versions after {before!r}; one is expected")
    return text
