"""Reads the licence that a package declares, as an SPDX expression."""

from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Final

SPELLINGS: Final[Mapping[str, str]] = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "GPL-3.0": "GPL-3.0-only",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT license": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "PSFL": "PSF-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""What metadata before SPDX says, in a field or a classifier."""
BY_HAND: Final[Mapping[tuple[str, str], str]] = {
    ("colorama", "BSD License"): "BSD-3-Clause",
    (
        "docutils",
        "Public Domain AND BSD License AND GNU General Public License (GPL)",
    ): "BSD-2-Clause",  # GPL: an editor's mode
    ("jinja2", "BSD License"): "BSD-3-Clause",
    ("pyasn1-modules", "BSD License"): "BSD-2-Clause",
    ("sniffio", "MIT License AND Apache Software License"): "MIT OR Apache-2.0",
}
"""Read in the package's own licence file, for a name and exactly what its metadata says."""
CLASSIFIER: Final = "License :: "


def installed(folder: Path | None = None) -> Mapping[str, Distribution]:
    """Return what is installed, by normalised name: in a virtual environment, or in this process's own."""
    places = None if folder is None else [str(path) for path in sorted(folder.glob("lib/python3.*/site-packages"))]
    packages: Iterable[Distribution] = distributions() if places is None else distributions(path=places)
    return {normalised(distribution.metadata["Name"]): distribution for distribution in packages}


def normalised(name: str) -> str:
    """Return a package's name as lock files have it."""
    return name.lower().replace("_", "-").replace(".", "-")


def licence_of(distribution: Distribution) -> str:
    """Return the SPDX expression; where the metadata has none that is known, its words as they are, or ""."""
    metadata = distribution.metadata
    field = _first(metadata.get_all("License")).strip()
    names = [value.split(" :: ")[-1] for value in metadata.get_all("Classifier", []) if value.startswith(CLASSIFIER)]
    words = _first(metadata.get_all("License-Expression")) or (
        field if field in SPELLINGS or is_spdx_name(field) else " AND ".join(names) or field[:60]
    )
    by_hand = BY_HAND.get((normalised(metadata["Name"]), words))
    return by_hand or SPELLINGS.get(words, words)


def _first(values: list[str] | None) -> str:
    return values[0] if values else ""


def is_spdx_name(text: str) -> bool:
    """Return whether a field has the form of an SPDX name or expression: `MIT`, `BSD-3-Clause`."""
    return text not in {"", "UNKNOWN", "BSD"} and all(part.replace(".", "").isalnum() for part in text.split("-"))


def licence_files(distribution: Distribution) -> list[str]:
    """Return the licence texts that an installation brings, beside the package's metadata."""
    names = [path for path in distribution.files or () if ".dist-info" in path.parts[0]]
    return [str(path) for path in names if path.name.lower().startswith(("licen", "copying", "notice", "authors"))]
