"""How a host starts us: the program, and where it finds the service or the configuration. Never a secret."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from vpsops.cli.hosts.catalogue import ServerProcess
from vpsops.core.common.errors import ConfigurationError
from vpsops.mcp_server.pipe.address import find_socket

SCRIPT: Final = "vpsops"
FILE: Final = "vpsops.toml"
VARIABLES: Final = ("VPSOPS_CONFIG", "VPSOPS_SOCKET", "VPSOPS_SOCKET_USER")
"""The variables that an entry may have."""
WORDS: Final = ("-m", SCRIPT, "mcp")
"""The words that may follow the program."""


def own_command() -> list[str]:
    """Return the words that start vpsops from anywhere."""
    beside = Path(sys.executable).with_name(SCRIPT)
    script = str(beside) if beside.is_file() else shutil.which(SCRIPT)
    return [script] if script else [sys.executable, "-m", "vpsops"]


def config_folder(environ: Mapping[str, str], home: Path) -> Path:
    """Where a user's configuration is (XDG base directory specification)."""
    base = Path(environ.get("XDG_CONFIG_HOME", ""))
    return (base if base.is_absolute() else home / ".config") / "vpsops"


def home_folder() -> Path:
    """Return the user's home. Raises `ConfigurationError`."""
    try:
        return Path.home()
    except RuntimeError:
        raise ConfigurationError(
            "This user has no home folder.", hint="Set HOME, or give --folder DIR to vpsops init."
        ) from None


def process_for(config: Path | None, environ: Mapping[str, str], home: Path) -> ServerProcess:
    """Return what a host is to start: with a configuration, or beside this machine's service without any.

    Raises `ConfigurationError` where neither is there.
    """
    start, *words = own_command()
    return ServerProcess(start, (*words, "mcp"), _variables(config, environ, home))


def _variables(config: Path | None, environ: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return the variables of the process: where something is, and nothing that is secret."""
    named = config or (Path(environ["VPSOPS_CONFIG"]) if environ.get("VPSOPS_CONFIG") else None)
    if named is not None:
        return _of_config(named)
    if find_socket((), environ) is not None:
        return {name: environ[name] for name in VARIABLES if environ.get(name)}
    usual = config_folder(environ, home) / FILE
    if usual.is_file():
        return _of_config(usual)
    raise ConfigurationError(
        "There is no configuration that an assistant's server could start with, and no service on this machine.",
        hint="Run vpsops init first, or name a vpsops.toml by --config.",
    )


def _of_config(config: Path) -> dict[str, str]:
    path = config.expanduser().absolute()
    if not path.is_file():
        raise ConfigurationError(f"{path} is not there.", hint="Name the vpsops.toml that vpsops init wrote.")
    return {"VPSOPS_CONFIG": str(path)}
