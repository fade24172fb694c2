"""The agent that needs no model: a script that reads simple tasks, says what it does and why, and never guesses."""

from collections.abc import Generator, Mapping, Sequence
from typing import Any, Final

from vpsops.playground.agents.model import ModelToolCall, ModelTurn, Script, Scripted
from vpsops.playground.agents.tasks import SAMPLES, AgentTask, matching_servers, parse_task

VERBS: Final = {"reboot": "restart", "stop": "stop", "start": "start", "delete": "delete"}
DOMAIN: Final = "example.com"
STATES: Final = ("running", "stopped", "failed")
RUNS: Final = frozenset({"run", "runs", "up"})
SIZES: Final = {"small": 0, "tiny": 0, "medium": 1, "large": -1, "big": -1}
SYSTEMS: Final = ("ubuntu", "debian", "rocky", "windows")

Steps = Generator[ModelToolCall, ModelTurn, ModelTurn]
Search = Generator[ModelToolCall, ModelTurn, tuple[str, str]]


def scripted_agent(text: str) -> Scripted:
    """Return an agent for a task."""
    return Scripted(lambda: script_for(text))


def script_for(text: str) -> Script:
    """Read a task, and work on it."""
    task = parse_task(text)
    if task.kind in VERBS:
        return (yield from _change(task))
    if task.kind == "create":
        return (yield from _create(task))
    if task.kind == "show":
        return (yield from _show(task))
    if task.kind == "changes":
        turn = yield from _say("You ask what is open. I list the changes.", "vps_changes")
        return turn.text
    if task.kind == "list":
        return (yield from _list(task))
    samples = "; ".join(SAMPLES)
    return f"I am a script and no model, and I do not understand that. I can do tasks such as these: {samples}."


def _say(thought: str, tool: str, /, **arguments: Any) -> Steps:
    return (yield ModelToolCall(tool, arguments, thought))


def _search(task: AgentTask, aim: str) -> Search:
    """Find the one server that a task means; return its name, or an empty one and what to say instead."""
    turn = yield from _say(f"You want me to {aim}. First I list the servers there are.", "vps_list")
    if turn.failed:
        return "", f"I cannot see the servers: {turn.text}"
    hostnames = [str(row.get("hostname", "")) for row in _rows(turn.structured, "servers")]
    servers = matching_servers(task, hostnames)
    if len(servers) == 1:
        return servers[0], ""
    if servers:
        return "", f"That fits {len(servers)} servers: {', '.join(servers)}. I do not guess: which of them is it?"
    wanted = f"There is no server called {task.names[0]}. " if task.names else "You do not say which server. "
    return "", f"{wanted}I do not guess: there are {', '.join(hostnames)}. Give me the task again with one of them."


def _change(task: AgentTask) -> Script:
    """Find the server, see how it is, ask who must agree, and only then ask for the change."""
    verb = VERBS[task.kind]
    server, otherwise = yield from _search(task, f"{verb} a server")
    if not server:
        return otherwise
    if task.kind == "reboot":
        turn = yield from _say(
            f"It is {server}. A restart drops its connections, so I see first how it is.", "vps_status", server=server
        )
        thought = f"Now I check what a restart needs. That asks no one and changes nothing. {turn.text}"
    else:
        thought = f"It is {server}. I check what that needs: the check asks no one and changes nothing."
    turn = yield from _say(thought, "vps_check", operation=task.kind, server=server)
    if turn.failed:
        return f"I do not ask to {verb} {server}. {turn.text}"
    if refusal := _refusal(turn):
        return f"I may not {verb} {server}, and I do not try another way. {refusal}"
    turn = yield from _say(_outlook(turn), f"vps_{task.kind}", server=server, reason=task.reason)
    if turn.failed:
        return f"{server} was not changed. {turn.text}"
    result = turn.text
    turn = yield from _say("It is done, says the server. I read it again to be sure.", "vps_get", server=server)
    return f"{result} It is now {turn.structured.get('state', 'in a state I cannot read')}."


def _outlook(turn: ModelTurn) -> str:
    people = turn.structured.get("agree")
    if not people:
        return "No one has to agree, so I call it."
    return f"It needs the yes of a person, and I cannot give it: {people}. I call it, and wait for the answer."


def _refusal(turn: ModelTurn) -> str:
    """Return why a checked change would be refused; empty where it would not."""
    return str(turn.structured.get("refused") or turn.text) if turn.structured.get("outlook") == "refused" else ""


def _create(task: AgentTask) -> Script:
    """Choose a plan, a region and a system from the provider's own lists, check the price, and ask."""
    plans = yield from _say("You want a new server. First the plans and their prices.", "vps_plans")
    priced = sorted(_rows(plans.structured, "plans"), key=lambda row: row.get("monthly_price") or 0)
    regions = yield from _say("Now the regions, to find the one you named.", "vps_regions")
    systems = yield from _say("And the systems. I take Ubuntu where you name none.", "vps_os_templates")
    region = next((row for row in _rows(regions.structured, "regions") if _is_named(row, "code", task)), None)
    system = _system(_rows(systems.structured, "os_templates"), task)
    if not priced or system is None:
        return "The provider's lists of plans and systems cannot be read, so I ask for nothing."
    if region is None:
        codes = ", ".join(str(row.get("code")) for row in _rows(regions.structured, "regions"))
        return f"You do not say where. I do not guess: the regions are {codes}."
    plan = priced[next((SIZES[word] for word in task.words if word in SIZES), 0)]
    chosen = {
        "hostname": (yield from _new_name(task)),
        "plan": plan["code"],
        "region": region["code"],
        "os_template": system["id"],
    }
    thought = f"I take {plan['code']} in {region['code']} with {system['id']}. What would it cost, and who must agree?"
    turn = yield from _say(thought, "vps_check", operation="create", **chosen)
    if turn.failed:
        return f"I do not ask for {chosen['hostname']}. {turn.text}"
    if refusal := _refusal(turn):
        return f"I may not make {chosen['hostname']}. {refusal}"
    cost = turn.structured.get("cost", "a price I cannot read")
    thought = f"It costs {cost}, and a person must agree. My call asks; the answer is not mine."
    turn = yield from _say(thought, "vps_create", **chosen, reason=task.reason)
    return turn.text if not turn.failed else f"No server was made. {turn.text}"


def _new_name(task: AgentTask) -> Generator[ModelToolCall, ModelTurn, str]:
    """Return the name that a task gives, or the first free one of its own choice."""
    if task.names:
        name = task.names[0]
        return name if "." in name else f"{name}.{DOMAIN}"
    turn = yield from _say("You name none, so I see which names are free.", "vps_list", name="test")
    taken = {row.get("hostname") for row in _rows(turn.structured, "servers")}
    return next(name for number in range(1, 100) if (name := f"test{number:02}.{DOMAIN}") not in taken)


def _is_named(row: Mapping[str, Any], key: str, task: AgentTask) -> bool:
    return str(row.get(key, "")).lower() in task.words


def _system(rows: Sequence[Mapping[str, Any]], task: AgentTask) -> Mapping[str, Any] | None:
    wanted = next((name for name in SYSTEMS if name in task.words), SYSTEMS[0])
    return next((row for row in rows if row.get("family") == wanted), None)


def _show(task: AgentTask) -> Script:
    server, otherwise = yield from _search(task, "see how a server is")
    if not server:
        return otherwise
    turn = yield from _say(f"It is {server}. I read what the provider says of it.", "vps_get", server=server)
    facts = turn.text
    turn = yield from _say("And its load. Both only read, so no one has to agree.", "vps_status", server=server)
    return f"{facts}\n{turn.text}"


def _list(task: AgentTask) -> Script:
    """List the servers, with the filters that the task names."""
    regions = yield from _say("You ask about several servers. First I see which regions there are.", "vps_regions")
    region = next((row for row in _rows(regions.structured, "regions") if _is_named(row, "code", task)), None)
    chosen = {"region": region["code"]} if region else {}
    state = next((state for state in STATES if state in task.words), "running" if RUNS.intersection(task.words) else "")
    chosen |= {"state": state} if state else {}
    turn = yield from _say("Now the servers. Reading needs no one's yes.", "vps_list", **chosen)
    names = [str(row.get("hostname", "")) for row in _rows(turn.structured, "servers")]
    if turn.failed:
        return turn.text
    which = f"{state} servers".strip() + (f" in {region['name']}" if region else "")
    return f"{len(names)} {which}: {', '.join(names)}." if names else f"There are no {which}."


def _rows(structured: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    rows = structured.get(key)
    return rows if isinstance(rows, list) else []
