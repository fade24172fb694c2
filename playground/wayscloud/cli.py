"""`vpsops simulator`: the simulated provider as a separate process."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio

from vpsops.core.common.errors import ConfigurationError
from vpsops.playground.wayscloud import faults
from vpsops.playground.wayscloud.dialects import DIALECTS
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

DEFAULT_PORT = 8440
GOOD, WRONG_USAGE = 0, 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vpsops simulator`."""
    parser.formatter_class = argparse.ArgumentDefaultsHelpFormatter
    parser.description = (
        "Run a stand-in for the WAYSCloud VPS API on 127.0.0.1. It keeps servers that provision, start, stop and "
        "reboot in time, and fail on request. Its own endpoints are under /_sim."
    )
    add = parser.add_argument
    add("--port", type=_port, default=DEFAULT_PORT, help="port on 127.0.0.1; 0 lets the system choose one")
    add("--speed", type=_positive, default=60.0, help="how many of the servers' seconds pass in one real second")
    add("--dialect", choices=sorted(DIALECTS), default="live", help="dialect: names and paths to use")
    add("--fleet", type=_count, default=0, help="total number of servers at the start, two at least")
    add("--faults", type=Path, metavar="FILE", default=None, help="JSON or TOML file of fault rules")
    add(
        "--fault",
        action="append",
        default=None,
        metavar="PRESET",
        help="a named set of rules, can be repeated; docs/reference/simulator-faults.md lists them",
    )
    _add_behaviour(parser)


def _add_behaviour(parser: argparse.ArgumentParser) -> None:
    """Declare the options about how the simulator answers."""
    add = parser.add_argument
    add("--seed", type=int, default=0, help="equal seeds give equal servers, durations and faults")
    add(
        "--key",
        action="append",
        default=None,
        metavar="KEY",
        help="accepted secret, can be repeated; without any, everything of the form wayscloud_vps_…, "
        "wayscloud_api_… or wayscloud_pat_… is accepted",
    )
    add("--strict-states", action="store_true", help="answer 409 to a start of a running or a stop of a stopped server")
    add("--unique-hostnames", action="store_true", help="answer 409 to a create with a hostname that is in use")
    add("--restores", action="store_true", help="restore backups; without it the answer is 501, as the vendor's is")
    add("--print-port", action="store_true", help="print the port alone on a second line")


def run(args: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM; the first line on standard output is `simulator: ` and the address."""
    try:
        config = _config(args)
        anyio.run(_serve, config, args.port, args.print_port)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return WRONG_USAGE
    except OSError as error:
        sys.stderr.write(f"Port {args.port} on 127.0.0.1 cannot be used: {error.strerror}. Try --port 0.\n")
        return WRONG_USAGE
    return GOOD


def _config(args: argparse.Namespace) -> SimulatorConfig:
    return SimulatorConfig(
        dialect=args.dialect,
        speed=args.speed,
        fleet=args.fleet,
        seed=args.seed,
        keys=tuple(args.key or ()),
        faults=(*(faults.load(args.faults) if args.faults else ()), *_presets(args.fault or ())),
        strict_states=args.strict_states,
        unique_hostnames=args.unique_hostnames,
        restores=args.restores,
    )


def _presets(names: Sequence[str]) -> list[faults.Fault]:
    unknown = [name for name in names if name not in faults.PRESETS]
    if unknown:
        raise ConfigurationError(
            f"There is no preset called '{unknown[0][:40]}'.", hint=f"Choose from {', '.join(faults.PRESETS)}."
        )
    return [fault for name in names for fault in faults.PRESETS[name].faults]


async def _serve(config: SimulatorConfig, port: int, print_port: bool) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with running_simulator(config, port=port) as handle:
            _announce(handle, print_port=print_port)
            async for _ in signals:
                return


def _announce(handle: SimulatorHandle, *, print_port: bool) -> None:
    more = f"{handle.port}\n" if print_port else ""
    sys.stdout.write(f"simulator: {handle.url}\n{more}")
    sys.stdout.flush()


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:  # noqa: PLR2004 - the range of ports
        raise argparse.ArgumentTypeError("a port is between 0 and 65535")
    return number


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("a number above 0 is wanted")
    return number


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("0 or more is wanted")
    return number
