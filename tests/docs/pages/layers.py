"""The page of the folders: the layers contract as a picture and as tables, with what each folder is for."""

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.harness.repository import ROOT

PACKAGE: Final = "vpsops"
MODULES_MAX: Final = 12
INTRODUCTION: Final = (
    "# Folders\n\n"
    "Each folder imports only from folders below it: `make check` holds that with one contract of import-linter "
    "(`pyproject.toml`), which names every folder and has no exceptions. This page is made from it. "
    f"A folder holds at most {MODULES_MAX} modules.\n"
)


def layers_contract() -> tuple[Sequence[str], Sequence[str]]:
    """Return the contract's containers and its layers, highest first."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (each for each in document["tool"]["importlinter"]["contracts"] if each["type"] == "layers")
    layers = [re.findall(r"\w+", layer) for layer in contract["layers"]]
    return contract["containers"], [name for layer in layers for name in layer]


def path_of(module: str) -> Path:
    """Return the folder, or the file, that a dotted name imports."""
    path = ROOT / PACKAGE / "/".join(module.split(".")[1:])
    return path if path.is_dir() else path.with_suffix(".py")


def purpose_of(module: str) -> str:
    """Return the first sentence of a module's or package's docstring."""
    path = path_of(module)
    source = path / "__init__.py" if path.is_dir() else path
    docstring = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return docstring.split("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def children_of(container: str) -> Sequence[str]:
    """Return a container's folders and modules in the contract's order, highest first."""
    _, layers = layers_contract()
    path = path_of(container)
    return [name for name in layers if (path / name).is_dir() or (path / f"{name}.py").is_file()]


def modules_of(folder: Path) -> Sequence[str]:
    """Return the names of the modules that stand in a folder itself."""
    return sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")


def folders() -> Mapping[str, Sequence[str]]:
    """Return every folder of the product by its dotted name, with its modules."""
    containers, _ = layers_contract()
    names = {*containers, *(f"{container}.{child}" for container in containers for child in children_of(container))}
    below = {
        f"{name}.{path.name}"
        for name in names
        if path_of(name).is_dir()
        for path in path_of(name).iterdir()
        if (path / "__init__.py").exists()
    }
    return {name: modules_of(path_of(name)) for name in sorted(names | below) if path_of(name).is_dir()}


def layers_page() -> str:
    """Return the page."""
    containers, _ = layers_contract()
    return "\n".join([INTRODUCTION, *_picture(), *(line for container in containers for line in _table(container))])


def _picture() -> Iterator[str]:
    """Draw the front ends over the core's folders: an arrow leads to what may be imported."""
    yield "```mermaid\nflowchart TD"
    yield "    cli --> bot & mcp_server\n    playground --> bot & mcp_server\n    bot & mcp_server --> core"
    for container in ("bot", "mcp_server", "core"):
        children = [
            child
            for child in children_of(f"{PACKAGE}.{container}")
            if path_of(f"{PACKAGE}.{container}.{child}").is_dir()
        ]
        yield f"    subgraph {container}\n        direction TD"
        yield "        " + " --> ".join(f"{container}.{child}[{child}]" for child in children)
        yield "    end"
    yield "```\n"


def _table(container: str) -> Iterator[str]:
    yield f"## `{container}`\n"
    yield "| highest first | holds | modules |\n|---|---|---|"
    for child in children_of(container):
        path = path_of(f"{container}.{child}")
        modules = ", ".join(f"`{name}`" for name in modules_of(path)) if path.is_dir() else ""
        yield f"| `{child}{'/' if path.is_dir() else '.py'}` | {purpose_of(f'{container}.{child}')} | {modules} |"
    yield ""
