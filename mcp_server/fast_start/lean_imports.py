"""Makes what follows the early answers import less: a read needs a part of the SDK, and few of its models.

Measured in `docs/benchmarks.md`. These means, none of which changes what a module does once it is used:

- The SDK's package initialisers import its client, its HTTP stack and its composed server. Here a package is entered
  without them, and executes its own initialiser at the first name that it lacks.
- A pydantic model builds its validator when it is first used (`defer_build`), not when its class is made: the SDK has
  456 models of two protocol revisions, and a session uses some twenty. So does each of the SDK's seven adapters of
  unions, which would build all models in it; a session on stdio uses a single model.
- The collector of cycles does not run while modules load, and what was loaded is left out of its later runs.

- The SDK's server imports what it would serve HTTP by, for one of its methods. In a process on stdio it gets the names
  alone, which can be written in annotations, and raise where they are used.

structlog loads rich where there is one, for tracebacks that no log of ours shows, and httpx a command line of its own:
both are withheld meanwhile.
`importlib.util.LazyLoader` was rejected for the packages: it loads them as soon as a submodule asks for their path.
"""

from __future__ import annotations

import gc
import sys
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

PACKAGES = ("mcp", "mcp.server")
"""Packages with initialisers that import more than a server on stdio uses."""
WITHHELD = ("rich", "httpx._main")
TYPES = "mcp_types"
SERVER = "mcp.server.lowlevel.server"
FOR_HTTP = (
    "mcp.server.auth.middleware.auth_context",
    "mcp.server.auth.middleware.bearer_auth",
    "mcp.server.auth.provider",
    "mcp.server.auth.routes",
    "mcp.server.auth.settings",
    "mcp.server.streamable_http",
    "mcp.server.streamable_http_manager",
    "mcp.server.transport_security",
    "starlette.applications",
    "starlette.middleware",
    "starlette.middleware.authentication",
    "starlette.routing",
)
"""What the SDK's server imports for `streamable_http_app` alone."""


class LazyPackage(ModuleType):
    """A package that executes its initialiser at the first use of a name that its submodules did not set."""

    def __getattr__(self, name: str) -> Any:
        """Return a name of the package, executing its initialiser first; raises `AttributeError` as the package does.

        The machinery of imports asks for dunder names, and finds those that a package without an initialiser has.
        """
        if name.startswith("__"):
            raise AttributeError(name)
        self.__class__ = ModuleType  # type: ignore[assignment]  # from here on an ordinary module
        spec = self.__spec__
        if spec is None or spec.loader is None:
            raise AttributeError(name)
        spec.loader.exec_module(self)
        return getattr(self, name)


class NameForHttp:
    """A name of a module that was not loaded."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *_: object, **__: object) -> Any:
        """Raise `RuntimeError`."""
        raise RuntimeError(f"{self._name} is for HTTP, which this process does not serve.")


class NamesForHttp(ModuleType):
    """A module that has every name, and none of what it stands for."""

    def __getattr__(self, name: str) -> NameForHttp:
        """Return a name; those of the machinery of imports are absent."""
        if name.startswith("__"):
            raise AttributeError(name)
        return NameForHttp(f"{self.__name__}.{name}")


class DeferredAdapters:
    """Stands for pydantic's `TypeAdapter`: makes adapters that build their validator when they are first used."""

    def __getitem__(self, _: object) -> DeferredAdapters:
        """Return itself, as the class does with the type of its values."""
        return self

    def __call__(self, type: Any, **options: Any) -> Any:  # noqa: A002 - pydantic's name
        """Return an adapter; raises as the class does."""
        from pydantic import ConfigDict  # noqa: PLC0415 - loaded by now
        from pydantic.type_adapter import TypeAdapter  # noqa: PLC0415 - likewise

        return TypeAdapter(type, **{"config": ConfigDict(defer_build=True), **options})


def begin(*, http: bool = False) -> None:
    """Prepare this process: what is imported from here on costs less. For a process's entry alone."""
    gc.disable()
    for name in WITHHELD:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # its import raises
    from pydantic import BaseModel  # noqa: PLC0415 - heavy: after the early answers

    BaseModel.model_config["defer_build"] = True
    import_deferred(TYPES)
    for name in PACKAGES:
        enter_package(name)
    if not http:
        import_without(SERVER, FOR_HTTP)


def import_deferred(name: str) -> None:
    """Import a module, so that its adapters, all of unions, build their validators when they are first used."""
    from importlib import import_module  # noqa: PLC0415

    import pydantic  # noqa: PLC0415 - heavy: after the early answers
    from pydantic.type_adapter import TypeAdapter  # noqa: PLC0415 - likewise

    pydantic.TypeAdapter = DeferredAdapters()  # type: ignore[misc, assignment]  # while it is imported
    try:
        import_module(name)
    finally:
        pydantic.TypeAdapter = TypeAdapter  # type: ignore[misc]  # as it was


def import_without(name: str, others: Sequence[str]) -> None:
    """Import a module that gets the bare names of some others; a later import of those gets them whole."""
    from importlib import import_module  # noqa: PLC0415

    absent = {other: NamesForHttp(other) for other in others if other not in sys.modules}
    sys.modules.update(absent)
    try:
        import_module(name)
    finally:
        for other, names in absent.items():
            if sys.modules.get(other) is names:
                del sys.modules[other]


def end() -> None:
    """End the preparation, once all is loaded that serves the first requests."""
    for name in WITHHELD:
        if sys.modules.get(name, sys) is None:
            del sys.modules[name]
    gc.freeze()
    gc.enable()


def enter_package(name: str) -> None:
    """Make a package importable from without executing its initialiser; one that was imported already stays."""
    if name in sys.modules:
        return
    from importlib.util import find_spec, module_from_spec  # noqa: PLC0415

    spec = find_spec(name)
    if spec is None or spec.submodule_search_locations is None:
        return
    package = module_from_spec(spec)
    package.__class__ = LazyPackage
    sys.modules[name] = package
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, package)
