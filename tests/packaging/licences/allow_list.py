"""What licences are allowed for what is shipped and for tools, and which locked package has another one."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import Distribution
from pathlib import Path
from typing import Final

from license_expression import ExpressionError, get_spdx_licensing

from tests.packaging.licences.package_metadata import licence_of

SHIPPED: Final[Mapping[str, str]] = {
    "Apache-2.0": "",
    "BSD-2-Clause": "",
    "BSD-3-Clause": "",
    "ISC": "",
    "MIT": "",
    "MIT-0": "",
    "PSF-2.0": "",
    "LGPL-3.0-only": "unaltered libraries, which whoever runs the image may replace: psycopg",
    "MPL-2.0": "unaltered files, whose source is their package: certifi",
}
"""For what the image holds, with the condition where there is one beyond keeping the text."""
TOOLS: Final[Mapping[str, str]] = {
    **SHIPPED,
    "0BSD": "",
    "GPL-3.0-only": "a program that is run and not shipped: hadolint",
}
"""For what only builds, tests and pages use."""
NOT_INSTALLED: Final[Mapping[str, str]] = {
    "colorama": "BSD-3-Clause",  # Windows
    "httpx2-jsfetch": "BSD-3-Clause",  # browsers
    "pywin32": "PSF-2.0",
    "pywin32-ctypes": "BSD-3-Clause",
    "tzdata": "Apache-2.0",
    "uv": "MIT OR Apache-2.0",  # has an environment for `make lock` alone
}
"""What is locked for other systems, as its metadata has it."""
LOCKED: Final = re.compile(r"^([a-z0-9][a-z0-9._-]*)==", re.MULTILINE)
ADVICE: Final = (
    "Read the licence. Where it may be used as this lock is, add it to tests/packaging/licences/allow_list.py with its"
    " condition; else take another package. Where the metadata is wrong or in other words, add them to"
    " package_metadata.py beside it."
)


def faults(lock: Path, packages: Mapping[str, Distribution], allowed: Mapping[str, str]) -> Iterator[str]:
    """Yield each package of a lock file whose licence is not allowed or not known."""
    for name in LOCKED.findall(lock.read_text(encoding="utf-8")):
        licence = licence_of(packages[name]) if name in packages else NOT_INSTALLED.get(name, "")
        if not is_allowed(licence, allowed):
            yield f"{lock.name}: {name} " + (f"has the licence {licence}." if licence else "names no licence.")


def is_allowed(expression: str, allowed: Mapping[str, str]) -> bool:
    """Return whether an SPDX expression can be met: of OR one part, of AND each, of WITH the whole by name."""
    try:
        parsed = _licensing().parse(expression, validate=True)
    except ExpressionError:
        return False
    return parsed is not None and _can_meet(parsed, allowed)


_licensing = cache(get_spdx_licensing)  # which reads some megabytes


def _can_meet(node: object, allowed: Mapping[str, str]) -> bool:
    arguments = getattr(node, "args", ())
    if arguments:
        results = [_can_meet(argument, allowed) for argument in arguments]
        return any(results) if type(node).__name__ == "OR" else all(results)
    return str(node) in allowed
