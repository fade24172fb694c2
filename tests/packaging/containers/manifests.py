"""Reads the compose file, the manifests of Kubernetes and the Containerfile as far as the tests need them."""

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tests.harness.repository import ROOT

FOLDER: Final = ROOT / "packaging"
BASE: Final = FOLDER / "kubernetes" / "base"
CHART: Final = FOLDER / "helm" / "vpsops"
SECRETS: Final = "/run/secrets"


def loaded(path: Path) -> Any:
    """Return the values of a YAML file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def base(kind: str) -> dict[str, Any]:
    """Return the manifest of a kind from the base."""
    names = loaded(BASE / "kustomization.yaml")["resources"]
    (manifest,) = (document for document in (loaded(BASE / name) for name in names) if document["kind"] == kind)
    return dict(manifest)


def pod() -> dict[str, Any]:
    """Return the pod of the base."""
    return dict(base("Deployment")["spec"]["template"]["spec"])


def container() -> dict[str, Any]:
    """Return the container of that pod."""
    (only,) = pod()["containers"]
    return dict(only)


def kubernetes_environment() -> dict[str, str]:
    """Return the variables of the pod's process."""
    return {variable["name"]: variable["value"] for variable in container()["env"]}


def compose() -> dict[str, Any]:
    """Return the compose file."""
    return dict(loaded(FOLDER / "container" / "compose.yaml"))


def compose_environment() -> dict[str, str]:
    """Return the variables of the process in the compose file."""
    return dict(compose()["services"]["vpsops"]["environment"])


def instructions() -> list[tuple[str, str]]:
    """Return the Containerfile's instructions, each on one line."""
    text = (FOLDER / "container" / "Containerfile").read_text(encoding="utf-8")
    lines = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    return [(line.split()[0], line.partition(" ")[2]) for line in lines if line.strip()]


def instruction(name: str) -> str:
    """Return the last instruction of a name: it counts."""
    return [text for word, text in instructions() if word == name][-1]


def image_environment() -> dict[str, str]:
    """Return the variables that the image sets."""
    return dict(word.split("=", 1) for word in shlex.split(instruction("ENV")))


def healthcheck_words() -> list[str]:
    """Return the words of the image's check of its health."""
    return list(json.loads(instruction("HEALTHCHECK").partition("CMD")[2]))


def with_files(environ: Mapping[str, str], content: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return the variables with each secret's file in a folder that has them."""
    changed = dict(environ)
    for name, path in environ.items():
        if name.endswith("_FILE"):
            file = folder / Path(path).name
            file.write_text(content[file.name], encoding="utf-8")
            changed[name] = str(file)
    return changed
