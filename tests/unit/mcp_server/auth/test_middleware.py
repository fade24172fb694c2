"""Authentication of MCP over HTTP by static tokens: identities, scopes, and the access of a token."""

import hashlib
import logging
from pathlib import Path

import anyio
import httpx
import pytest

from tests.harness.patience import PATIENCE_SECONDS
from tests.unit.mcp_server.harness import NO, Human, text
from tests.unit.mcp_server.http_harness import (
    ACCEPT,
    ANN_TOKEN,
    BOB_TOKEN,
    OLD_TOKEN,
    TOKENS,
    call,
    http_client,
    post,
    serving,
    with_tokens,
)
from vpsops.core.app import Core
from vpsops.core.changes.model import Verdict
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import ConfigurationError, NotAllowedError
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.limits.access import EVERYTHING
from vpsops.mcp_server.auth.static_tokens import read_tokens
from vpsops.mcp_server.server import ServerOptions, write_tools
from vpsops.playground.wayscloud.serve import SimulatorHandle

CHANNEL = "C0APPROVE"
ALL = ServerOptions(change_tools=True)
QUICKLY = ServerOptions(change_tools=True, patience=0.2)
READS = {
    "vps_list",
    "vps_get",
    "vps_status",
    "vps_plans",
    "vps_os_templates",
    "vps_regions",
    "vps_changes",
    "vps_change_get",
    "vps_change_wait",
    "vps_check",
}

SERVED = frozenset(EVERYTHING.or_usual().tools)


@pytest.fixture
def tokens(settings: Settings, tmp_path: Path) -> Settings:
    return with_tokens(settings, tmp_path)


@pytest.mark.requirement("mcp-scopes")
async def test_two_clients_have_their_own_identity_and_tools(
    core: Core, tokens: Settings, provider: SimulatorHandle, era: str
) -> None:
    """At the same time one token changes for its human and another one only reads, in the list and at the call."""
    human = Human()
    async with (
        serving(core, tokens, ALL) as (site, _),
        http_client(site.url, era, ANN_TOKEN, human, "laptop") as ann,
        http_client(site.url, era, BOB_TOKEN, human, "reports") as bob,
    ):
        assert len((await ann.list_tools()).tools) == 15
        assert {tool.name for tool in (await bob.list_tools()).tools} == READS
        assert "web01" in text(await bob.call_tool("vps_list", {}))
        for name in sorted(write_tools() & SERVED):
            refused = await bob.call_tool(name, {"server": "web01"})
            assert refused.is_error
            assert "lacks the scope vps:write" in text(refused)
        stopped = await ann.call_tool("vps_stop", {"server": "web01"})
    assert not stopped.is_error
    (change,) = await core.changes.list(scope=OPERATOR)
    actor = change.actor
    assert (actor.kind, actor.id, actor.name) == ("agent", "mcp:ann-laptop:laptop", "laptop")
    assert (actor.human, actor.aliases, actor.groups) == ("ann@example.com", ("slack:U0ANN00",), ("ops",))
    assert dict(provider.simulator.world.counts) == {"stop": 1}


def test_the_tools_that_need_more_than_reading_are_these() -> None:
    """Whatever starts, stops, makes or takes back needs the scope to change."""
    assert write_tools() & SERVED == {"vps_create", "vps_start", "vps_stop", "vps_reboot", "vps_change_cancel"}


@pytest.mark.parametrize("approval_channel", [CHANNEL])
async def test_the_human_behind_a_token_cannot_approve_its_change(core: Core, tokens: Settings, era: str) -> None:
    """The human is refused under each of their ids; another person may approve."""
    async with serving(core, tokens, QUICKLY) as (site, _), http_client(site.url, era, ANN_TOKEN) as client:
        result = await client.call_tool("vps_stop", {"server": "web01"})
    assert "waits for approval" in text(result)
    (change,) = await core.changes.list(scope=OPERATOR)
    ann = Actor(ActorKind.PERSON, "U0ANN00", "ann", "U0ANN00", groups=(CHANNEL,))
    mailed = Actor(ActorKind.PERSON, "U0X0000", "ann", "U0X0000", ("Ann@Example.com",), (CHANNEL,))
    for voter in (ann, mailed):
        with pytest.raises(NotAllowedError, match="You asked"):
            await core.gate.vote(change.id, voter, Verdict.APPROVE, change.digest, scope=OPERATOR)
    bob = Actor(ActorKind.PERSON, "U0BOB00", "bob", "U0BOB00", groups=(CHANNEL,))
    decided = await core.gate.vote(change.id, bob, Verdict.APPROVE, change.digest, scope=OPERATOR)
    assert decided.state != "held"


UNPROVEN = (
    None,
    "Bearer",
    f"Basic {ANN_TOKEN}",
    f"Token {ANN_TOKEN}",
)
WRONG = (
    "Bearer wrong",
    f"Bearer {ANN_TOKEN}x",
    f"Bearer {hashlib.sha256(ANN_TOKEN.encode()).hexdigest()}",
    f"Bearer {OLD_TOKEN}",
    "Bearer " + "x" * 20_000,
    "Bearer a.b.c",
    "Bearer t\u00f6ken",
)


async def test_what_is_no_valid_token_is_refused(core: Core, tokens: Settings) -> None:
    """Nothing, another scheme, a wrong, an expired or a hashed token is 401 with how to do better."""
    async with serving(core, tokens) as (site, _), httpx.AsyncClient(trust_env=False) as client:
        for header in (*UNPROVEN, *WRONG):
            headers = [(name, value.encode()) for name, value in ACCEPT.items()]
            headers += [("Authorization", header.encode("latin-1"))] if header else []
            answer = await client.post(site.url, json=call("tools/list"), headers=headers)  # type: ignore[arg-type]
            stream = await client.get(site.url, headers=headers)  # type: ignore[arg-type]
            challenge = answer.headers["www-authenticate"]
            assert (answer.status_code, stream.status_code) == (401, 401), header
            assert challenge.startswith("Bearer ")
            assert 'scope="vps:read vps:write"' in challenge
            assert ("invalid_token" in challenge) is (header in WRONG)


@pytest.mark.parametrize("scheme", ["bearer ", "BEARER ", "Bearer  ", "Bearer    "])
async def test_a_scheme_is_read_in_any_case_and_with_any_blanks(core: Core, tokens: Settings, scheme: str) -> None:
    """As hosts spell it that put the header together themselves (RFC 9110, 11.1)."""
    async with serving(core, tokens) as (site, _):
        answer = await post(site.url, call("tools/list"), Authorization=f"{scheme}{BOB_TOKEN}")
        glued = await post(site.url, call("tools/list"), Authorization=f"{scheme.strip()}{BOB_TOKEN}")
    assert (answer.status_code, glued.status_code) == (200, 401)


async def test_two_authorizations_are_refused(core: Core, tokens: Settings) -> None:
    """A request with two identities has none."""
    twice = [("Authorization", f"Bearer {ANN_TOKEN}"), ("Authorization", f"Bearer {BOB_TOKEN}"), *ACCEPT.items()]
    async with serving(core, tokens) as (site, _), httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(site.url, json=call("tools/list"), headers=twice)
        in_address = await client.post(f"{site.url}?access_token={ANN_TOKEN}", json=call("tools/list"), headers=ACCEPT)
    assert (answer.status_code, in_address.status_code) == (401, 401)


async def test_a_session_is_of_its_token(core: Core, tokens: Settings) -> None:
    """Another's token cannot use a session, and a session id alone is nothing."""
    begin = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}},
    }
    listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    async with serving(core, tokens) as (site, _), httpx.AsyncClient(trust_env=False) as client:
        ann = {**ACCEPT, "Authorization": f"Bearer {ANN_TOKEN}"}
        session = {"Mcp-Session-Id": (await client.post(site.url, json=begin, headers=ann)).headers["mcp-session-id"]}
        bob = {**ACCEPT, "Authorization": f"Bearer {BOB_TOKEN}"}
        statuses = [
            (await client.post(site.url, json=listing, headers={**who, **session})).status_code
            for who in (bob, ACCEPT, ann)
        ]
    assert statuses == [404, 401, 200]


async def test_an_answer_is_taken_from_its_asker_alone(core: Core, settings: Settings, tmp_path: Path) -> None:
    """An open question that another token brings back is refused before any processing."""
    both = with_tokens(settings, tmp_path, TOKENS.replace('scopes = ["vps:read"]', 'scopes = ["vps:write"]'))
    stop = {"name": "vps_stop", "arguments": {"server": "web01"}}
    answer = {"confirm": {"action": "accept", "content": {"confirm": True}}}
    async with serving(core, both) as (site, _):
        asked = (await post(site.url, call("tools/call", **stop), ANN_TOKEN)).json()["result"]
        brought = call("tools/call", **stop, inputResponses=answer, requestState=asked["requestState"])
        taken = (await post(site.url, brought, BOB_TOKEN)).json()
    assert taken["error"]["data"]["reason"] == "invalid_request_state"
    (change,) = await core.changes.list(scope=OPERATOR)
    assert change.state == "held"


async def test_a_token_is_taken_back_without_a_restart(core: Core, tokens: Settings, tmp_path: Path) -> None:
    """The file is read again when it changes; while it is wrong no static token is accepted."""
    path = tmp_path / "tokens.toml"
    async with serving(core, tokens) as (site, _):

        async def status(token: str) -> int:
            return (await post(site.url, call("tools/list"), token)).status_code

        seen = [await status(ANN_TOKEN)]
        path.write_text(TOKENS.replace("vps:write", "vps:read").replace("ann-laptop", "ann-tablet"), encoding="utf-8")
        seen.append(await status(ANN_TOKEN))
        path.write_text("[[token]]\nsubject = ", encoding="utf-8")
        seen.append(await status(ANN_TOKEN))
        path.unlink()
        seen.append(await status(ANN_TOKEN))
        path.write_text(TOKENS, encoding="utf-8")
        seen.append(await status(ANN_TOKEN))
        path.write_text(TOKENS[TOKENS.index("[[token]]", 10) :], encoding="utf-8")
        seen += [await status(ANN_TOKEN), await status(BOB_TOKEN)]
    assert seen == [200, 200, 401, 401, 200, 401, 200]


async def test_a_token_is_nowhere_in_the_logs(
    core: Core, tokens: Settings, caplog: pytest.LogCaptureFixture, era: str
) -> None:
    """Accepted or refused, at the most talkative level, no token is written down or passed on."""
    caplog.set_level(logging.DEBUG)
    wrong = "wrong-" + "w" * 40
    async with serving(core, tokens) as (site, _):
        async with http_client(site.url, era, ANN_TOKEN, Human(NO)) as client:
            await client.call_tool("vps_stop", {"server": "web01"})
        assert (await post(site.url, call("tools/list"), wrong)).status_code == 401
    logs = "\n".join(f"{record.getMessage()} {record.args}" for record in caplog.records if _ours(record.name))
    assert logs
    assert not [token for token in (ANN_TOKEN, wrong) if token in logs]


def _ours(logger: str) -> bool:
    """The clients of the test write down what they send themselves."""
    return not logger.startswith(("httpx", "httpcore", "httpx2", "httpcore2", "mcp.client"))


ENTRY = "[[token]]\nsubject='a'\nslack_user='U123456'\n"
HASH = f"sha256='{'0' * 64}'\n"


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("", "must hold"),
        ("[settings]\n", "must hold"),
        ("token = 1", "must hold"),
        ("[[token]]\nsubject = 'hunter2", "not TOML"),
        (f"{ENTRY}scopes=['vps:read']", "needs sha256, or token"),
        (f"{ENTRY}scopes=['vps:read']\ntoken='hunter2'", "token 1: token"),
        (f"{ENTRY}scopes=['vps:read']\nsha256='hunter2'", "token 1: sha256"),
        (f"{ENTRY}scopes=['vps:admin']\n{HASH}", "scopes"),
        (f"{ENTRY}scopes=[]\n{HASH}", "scopes"),
        (f"[[token]]\nsubject='a'\nhuman='ann'\nscopes=['vps:read']\n{HASH}", "human is an e-mail"),
        (f"{ENTRY}scopes=['vps:read']\nexpires=2027-01-01T00:00:00\n{HASH}", "expires"),
        (f"{ENTRY}scope=['vps:read']\n{HASH}", "token 1: "),
        (f"{ENTRY}scopes=['vps:read']\n{HASH}" * 2, "twice"),
    ],
)
def test_a_wrong_token_file_is_told(tmp_path: Path, written: str, words: str) -> None:
    """The error names its entry and field, and repeats nothing of its content."""
    path = tmp_path / "tokens.toml"
    path.write_text(written, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=words) as raised:
        read_tokens(path)
    assert "hunter2" not in str(raised.value)


async def test_pages_of_a_configured_origin_may_call(core: Core, tokens: Settings) -> None:
    """A preflight gets permission, and the page may read the answer; other pages get neither."""
    page = "https://tool.example.com"
    chosen = tokens.model_copy(update={"http_origins": page})
    async with serving(core, chosen) as (site, _), httpx.AsyncClient(trust_env=False) as client:
        asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, mcp-method"}
        before = await client.options(site.url, headers={"Origin": page, **asks})
        other = await client.options(site.url, headers={"Origin": "https://evil.example.com", **asks})
        called = await post(site.url, call("tools/list"), ANN_TOKEN, Origin=page)
        evil = await post(site.url, call("tools/list"), ANN_TOKEN, Origin="https://evil.example.com")
    assert (before.status_code, called.status_code, evil.status_code) == (200, 200, 403)
    assert before.headers["access-control-allow-origin"] == called.headers["access-control-allow-origin"] == page
    assert "access-control-allow-origin" not in {*other.headers, *evil.headers}


async def test_an_open_address_is_served_with_tokens(core: Core, tokens: Settings) -> None:
    """With authentication any address and any name may be served."""
    public = tokens.model_copy(update={"http_url": "https://vpsops.example.com/mcp", "http_hosts": "10.0.0.5:8900"})
    with anyio.fail_after(PATIENCE_SECONDS):
        async with serving(core, public) as (site, _):
            local = site.local
            named = await post(local, call("tools/list"), ANN_TOKEN, Host="vpsops.example.com")
            listed = await post(local, call("tools/list"), ANN_TOKEN, Host="10.0.0.5:8900")
            other = await post(local, call("tools/list"), ANN_TOKEN, Host="10.0.0.5:8901")
    assert (named.status_code, listed.status_code, other.status_code) == (200, 200, 421)
