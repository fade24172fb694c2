"""`[mcp.socket]`: a user is one person, and what stands for no person is refused."""

import os
from pathlib import Path

import pytest

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.settings import load_settings
from vpsops.core.policy import load_policy
from vpsops.mcp_server.unix_socket.config import SocketConfig, overflow_uid, socket_config_from


def read(folder: Path, text: str) -> SocketConfig:
    """Return the table of a file with this text, which the policy's loader takes as well."""
    path = folder / "vpsops.toml"
    path.write_text(text, encoding="utf-8")
    settings = load_settings({"VPSOPS_CONFIG": str(path)})
    load_policy(settings)
    return socket_config_from(settings)


def test_users_are_read_by_name_and_by_id(tmp_path: Path) -> None:
    """An address is kept in its one form."""
    users = '[mcp.socket.users]\n4001 = "Ann@Example.com"\nnobodys-name = "x@y.zz"\n'
    config = read(tmp_path, '[mcp.socket.users]\n4001 = "Ann@Example.com"\ndaemon = "slack:U0BOB"\n')
    assert config.humans == {4001: "ann@example.com", 1: "slack:U0BOB"}
    assert (config.unmapped_read, config.mode, config.group) == (False, 0o660, None)
    with pytest.raises(ConfigurationError, match="there is no user nobodys-name on this machine"):
        read(tmp_path, users)


def test_nothing_is_granted_without_the_table(tmp_path: Path) -> None:
    assert read(tmp_path, "") == SocketConfig({})


def test_what_others_may_do_and_who_may_connect(tmp_path: Path) -> None:
    config = read(tmp_path, '[mcp.socket]\nunmapped = "read"\nmode = "0600"\ngroup = "daemon"\n')
    assert (config.unmapped_read, config.mode, config.group) == (True, 0o600, 1)


@pytest.mark.requirement("socket-identity")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[mcp.socket.users]\n1 = "a@b.cc"\ndaemon = "c@d.ee"\n', "are the same user, 1"),
        ('[mcp.socket.users]\n01 = "a@b.cc"\n1 = "c@d.ee"\n', "are the same user, 1"),
        ('[mcp.socket.users]\n0 = "a@b.cc"\n', "is root"),
        ('[mcp.socket.users]\nroot = "a@b.cc"\n', "is root"),
        (f'[mcp.socket.users]\n{overflow_uid()} = "a@b.cc"\n', "users that have none here"),
        ('[mcp.socket.users]\n4294967295 = "a@b.cc"\n', "users that have none here"),
        ('[mcp.socket.users]\n4001 = "ann"\n', "write an e-mail address"),
        ("[mcp.socket.users]\n4001 = 7\n", "it takes users"),
        ("[mcp.socket]\nusers = 7\n", "it takes users"),
        ('[mcp.socket]\nunmapped = "write"\n', "unknown socket.unmapped"),
        ('[mcp.socket]\nmode = "660"\n', "mode"),
        ('[mcp.socket]\ngroup = "no-such-group"\n', "there is no group"),
        ("[mcp.socket]\nuser = 1\n", "unknown key"),
        ("[mcp]\nsockets = 1\n", "unknown key"),
        ("mcp = 1\n", "must be a table"),
    ],
)
def test_what_does_not_fit_ends_the_start(tmp_path: Path, text: str, words: str) -> None:
    """With file and line."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        read(tmp_path, text)
    assert f"{tmp_path}/vpsops.toml:" in str(caught.value)


def test_a_thousand_users_are_read_and_one_more_is_not(tmp_path: Path) -> None:
    users = [f'{uid} = "u{uid}@example.com"' for uid in range(10_000, 11_001)]
    assert len(read(tmp_path, "\n".join(["[mcp.socket.users]", *users[:1_000]])).humans) == 1_000
    with pytest.raises(ConfigurationError, match="1000 users at most"):
        read(tmp_path, "\n".join(["[mcp.socket.users]", *users]))


def test_the_overflow_id_is_the_kernels() -> None:
    assert overflow_uid() == int(Path("/proc/sys/kernel/overflowuid").read_text(encoding="ascii"))
    assert overflow_uid() != os.getuid()
