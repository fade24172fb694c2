"""Modals: new server, denial reason, approval note, name confirmation."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from vpsops.bot.blocks.elements import (
    Block,
    context,
    described,
    field_sections,
    modal,
    mrkdwn,
    option,
    plain,
    section,
    unpack,
    way_back,
)
from vpsops.bot.blocks.labels import action_label, action_verb
from vpsops.bot.messages.change_card import person_mentions, requester_text
from vpsops.bot.protocol import action_ids
from vpsops.bot.protocol.payloads import ViewPayload
from vpsops.core.changes.model import Change
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.hostnames import lookalike_warning
from vpsops.core.common.text import one_line
from vpsops.core.operations.prices import price
from vpsops.core.operations.traits import typed_name_of
from vpsops.core.wayscloud.answers.models import OsTemplate, Plan, Region
from vpsops.core.wayscloud.answers.region_names import name_of, region_names
from vpsops.core.wayscloud.answers.regions import region_text, same_region

MAX_VALUE: Final = 150
MAX_OPTIONS: Final = 100
FIELDS: Final = ("hostname", "plan", "region", "os_template", "ssh_keys", "reason")
TERM: Final = re.compile(r"\d+(?:\.\d+)?\s*(?:gb|tb|vcpu)(?: (?:memory|disk))?\b|\S+")
AMOUNT: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(gb|tb|vcpu)")
UNITS: Final = r"(?:(g)(?:b|ib|igs?)?|(t)(?:b|ib)?|v?(?:cpu|core)s?)"
TYPED_AMOUNT: Final = re.compile(rf"(?<!\S)(\d+(?:[.,]\d+)?)\s*{UNITS}(?!\S)")
"""An amount as people type it: `4g`, `4 GiB`, `1,5 tb`, `2 cores`."""
MENUS: Final = ("plan", "region", "os_template")
NONE: Final = "choose a plan to see the price"


@dataclass(frozen=True, slots=True)
class OrderOptions:
    """Plans, operating systems and regions that can be ordered."""

    plans: tuple[Plan, ...] = ()
    systems: tuple[OsTemplate, ...] = ()
    regions: tuple[Region, ...] = ()

    def plan(self, code: str) -> Plan | None:
        """Return the plan with this code."""
        return next((plan for plan in self.plans if plan.code == code), None)

    def price(self, code: str) -> str:
        """Return a plan's monthly price as text, or ""."""
        plan = self.plan(code)
        return price(plan) if plan and plan.monthly_price is not None else ""

    def codes(self, name: str) -> list[str]:
        """Return the codes offered by the menu `name`."""
        offered = {
            "plan": [plan.code for plan in self.plans],
            "os_template": [system.id for system in self.systems],
            "region": [region.code for region in self.regions if region.available is not False],
        }
        return offered[name]

    def decode(self, name: str, value: str) -> str:
        """Return the code that a menu value or typed text stands for; unknown text is returned unchanged."""
        codes = self.codes(name)
        exact = next((code for code in codes if encode_option(code) == value), None)
        text = self._region(value) if name == "region" else value
        return exact or next((code for code in codes if _is_alike(name, code, text)), value)

    def _region(self, typed: str) -> str:
        """Return the id of a region that was typed by its name; a name of several is returned unchanged."""
        try:
            return region_names(self.regions).id_of(typed)
        except InvalidInputError:
            return typed


@dataclass(frozen=True, slots=True)
class CreateDraft:
    """The form's values by field, an error to display, and the channel and thread of the reply."""

    values: Mapping[str, str] = field(default_factory=dict)
    channel: str = ""
    wrong: str = ""
    thread: str = ""

    def put(self, **values: str) -> "CreateDraft":
        """Return a copy with these values set."""
        return replace(self, values={**self.values, **values})


def _is_alike(name: str, code: str, typed: str) -> bool:
    return same_region(code, typed) if name == "region" else code.lower() == typed.lower()


def resolve_draft(catalogue: OrderOptions, draft: CreateDraft) -> CreateDraft:
    """Replace typed text with codes, select menus with a single option, and report unknown values."""
    values = dict(draft.values)
    unknown = []
    for name in MENUS:
        codes = catalogue.codes(name)
        code = catalogue.decode(name, values[name]) if values.get(name) else ""
        if code and code not in codes:
            unknown.append(f"'{one_line(code, 60)}'")
        values[name] = code if code in codes else (codes[0] if len(codes) == 1 else "")
    problem = f"Not available: {', '.join(unknown)}. Choose from the lists." if unknown else ""
    return replace(draft, values=values, wrong=draft.wrong or problem)


def encode_option(code: str) -> str:
    """Return a code as an option value; a code over the limit is replaced by its hash."""
    return code if len(code) <= MAX_VALUE else f"sha256:{hashlib.sha256(code.encode()).hexdigest()}"


def busy_view(title: str, words: str, metadata: Mapping[str, Any] | None = None) -> Block:
    """Render a modal without inputs, shown while work is in progress."""
    return modal(
        action_ids.BUSY,
        title,
        [section(plain(words))],
        metadata=metadata or {},
        close="Close",
    )


def create_view(catalogue: OrderOptions, draft: CreateDraft) -> Block:
    """Render the form for a new server with live prices; without a catalogue no menu has a selection."""
    draft = resolve_draft(catalogue, draft) if catalogue.plans else draft.put(**dict.fromkeys(MENUS, ""))
    blocks = [section(plain(draft.wrong))] if draft.wrong else []
    blocks += [
        _text_input("hostname", "Hostname", draft, placeholder="web01.example.com"),
        _menu_input("plan", "Plan", catalogue, draft) | {"dispatch_action": True},
        total_price(catalogue, draft),
        _menu_input("region", "Region", catalogue, draft),
        _menu_input("os_template", "Operating system", catalogue, draft),
        _text_input("ssh_keys", "Public SSH keys, one per line", draft, optional=True, multiline=True),
        _text_input("lifetime", "Ends after, such as 3d: then it is stopped", draft, optional=True, most=20),
        _text_input("reason", "Reason", draft, optional=True, most=500),
        context(plain("It is billed monthly from its creation, and ready in one to three minutes.")),
    ]
    return modal(
        action_ids.CREATE_FORM,
        "New server",
        blocks,
        metadata={**way_back(draft.channel, draft.thread), "price": catalogue.price(draft.values.get("plan", ""))},
        close="Cancel",
        submit="Create server",
    )


def total_price(catalogue: OrderOptions, draft: CreateDraft) -> Block:
    """Render the price of the selected plan."""
    return section(plain(f"Total: {catalogue.price(draft.values.get('plan', '')) or NONE}")) | {"block_id": "total"}


def missing_offers(catalogue: OrderOptions) -> str:
    """Return which menus have no options, so that no server can be ordered; "" if none."""
    labels = {"plan": "plans", "os_template": "operating systems", "region": "regions"}
    return ", ".join(label for name, label in labels.items() if not catalogue.codes(name))


def deny_view(change: Change, metadata: Mapping[str, Any]) -> Block:
    """Render the form that asks for the reason of a denial."""
    what = action_label(change.operation, change.target.hostname, 140)
    return modal(
        action_ids.DENY_FORM,
        "Deny",
        [
            *field_sections([("Change", what), ("Id", change.id)]),
            _text_input("reason", "Reason, shown to the requester", CreateDraft(), multiline=True, most=500),
        ],
        metadata=metadata,
        close="Back",
        submit="Deny",
    )


def requester_section(change: Change) -> Block:
    """Render who asks for a change as its card does: an agent with the person it acts for."""
    return section(mrkdwn(f"*Requested by*\n{requester_text(change)}"))


def name_view(change: Change, metadata: Mapping[str, Any]) -> Block:
    """Render the form that asks for the server's name before a destructive operation."""
    what = action_label(change.operation, change.target.hostname, 140)
    name = one_line(typed_name_of(change.operation, change.arguments, change.target), 400)
    return modal(
        action_ids.NAME_FORM,
        action_verb(change.operation),
        [
            *field_sections([("Change", what), ("Warning", lookalike_warning(change.target.hostname))]),
            *field_sections([("Id", change.target.id), ("Address", change.target.address)]),
            *described(change.facts),
            requester_section(change),
            *field_sections([("Reason", change.reason)]),
            section(plain(f"{change.effect} This cannot be undone.".strip())),
            _text_input("name", f"Type {whole(change)}: {name}", CreateDraft()),
            *([_note_input()] if metadata.get("as") == "approve" else []),
        ],
        metadata={**metadata, "n": name},
        close="Back",
        submit=action_verb(change.operation),
    )


def whole(change: Change) -> str:
    """Return what the name that is typed is called."""
    typed = typed_name_of(change.operation, change.arguments, change.target)
    return "the server's name" if typed == change.target.hostname else "the whole name"


def note_view(change: Change, metadata: Mapping[str, Any]) -> Block:
    """Render the form for an approval with a note."""
    what = action_label(change.operation, change.target.hostname, 140)
    return modal(
        action_ids.NOTE_FORM,
        "Approve",
        [
            *field_sections(
                [("Change", what), ("Id", change.id), ("State", change.target.state), ("Cost", change.cost)]
            ),
            *described(change.facts, person_mentions(change)),
            section(plain(change.effect)),
            _note_input(),
        ],
        metadata=metadata,
        close="Back",
        submit="Approve",
    )


def _note_input() -> Block:
    label = "Note, shown to the requester and kept in the audit trail"
    return _text_input("reason", label, CreateDraft(), optional=True, multiline=True, most=500)


def read_values(state: Mapping[str, Any]) -> dict[str, str]:
    """Return a form's values by field; block id and action id equal the field's name."""
    entered: dict[str, str] = {}
    for name in FIELDS:
        control = state.get(name, {}).get(name, {})
        chosen = control.get("selected_option") or {}
        value = control.get("value") or chosen.get("value") or ""
        if value:
            entered[name] = str(value).strip()
    return entered


def typed_name(state: Mapping[str, Any]) -> str:
    """Return the server name that was typed."""
    return entered_text(state, "name")


def entered_text(state: Mapping[str, Any], name: str) -> str:
    """Return what was typed into a text field, whose block id and action id equal its name."""
    return str(state.get(name, {}).get(name, {}).get("value") or "")


def metadata_of(view: ViewPayload) -> dict[str, Any]:
    """Unpack what we put into a view to find the way back. Not trusted."""
    return unpack(view.private_metadata)


def text_input(name: str, label: str, *, multiline: bool = False, most: int = 500) -> Block:
    """Return a field for text that has to be filled in, of at most so many characters."""
    return _text_input(name, label, CreateDraft(), multiline=multiline, most=most)


def _text_input(name: str, label: str, draft: CreateDraft, *, placeholder: str = "", **more: Any) -> Block:
    element: Block = {"type": "plain_text_input", "action_id": name, "multiline": bool(more.get("multiline"))}
    element |= {"max_length": more["most"]} if "most" in more else {}
    element |= {"initial_value": draft.values[name]} if draft.values.get(name) else {}
    element |= {"placeholder": plain(placeholder, 150)} if placeholder else {}
    return {
        "type": "input",
        "block_id": name,
        "label": plain(label, 150),
        "optional": bool(more.get("optional")),
        "element": element,
    }


def _menu_input(name: str, label: str, catalogue: OrderOptions, draft: CreateDraft) -> Block:
    """Return an external_select, which requests its options while the user types."""
    words = {"plan": "Type a size, a price or a name", "region": "Type a place", "os_template": "Type a system"}
    element: Block = {"type": "external_select", "action_id": name, "min_query_length": 0}
    element |= {"placeholder": plain(words[name], 150)}
    chosen = next(
        (
            choice
            for choice in menu_options(catalogue, name)
            if choice["value"] == encode_option(draft.values.get(name, ""))
        ),
        None,
    )
    element |= {"initial_option": chosen} if chosen else {}
    return {"type": "input", "block_id": name, "label": plain(label, 150), "element": element}


def menu_options(catalogue: OrderOptions, name: str, typed: str = "") -> list[Block]:
    """Return all options that contain every typed word: first those with that much memory, else as in the catalogue."""
    options = {"plan": _plans, "region": _regions, "os_template": _systems}[name](catalogue)
    terms = typed_terms(typed)
    fitting = [choice for choice in options if all(has_term(_words_of(choice), term) for term in terms)]
    memory = [" ".join(amount.groups()) + " memory" for term in terms if (amount := AMOUNT.fullmatch(term))]
    return sorted(fitting, key=lambda choice: not all(has_term(_words_of(choice), term) for term in memory))


def typed_terms(typed: str) -> list[str]:
    """Return the terms that are searched for: words, and amounts with the units of the catalogue."""
    text = unicodedata.normalize("NFKC", typed).casefold()
    return TERM.findall(TYPED_AMOUNT.sub(_catalogue_amount, text))


def _catalogue_amount(match: re.Match[str]) -> str:
    unit = "gb" if match[2] else "tb" if match[3] else "vcpu"
    return f"{match[1].replace(',', '.')} {unit}"


def has_term(words: str, term: str) -> bool:
    """Return whether words contain a term; an amount such as `4 gb` is not part of a larger one, 24 GB."""
    amount = AMOUNT.match(term)
    if amount is None:
        return term in words
    rest = re.escape(term[amount.end() :])
    return re.search(rf"(?<![\d.]){re.escape(amount[1])} ?{amount[2]}{rest}", words) is not None


def _words_of(offer: Block) -> str:
    texts = (offer["text"]["text"], offer.get("description", {}).get("text", ""), offer["value"])
    return " ".join(texts).casefold()


def _plans(catalogue: OrderOptions) -> list[Block]:
    return [option(_plan_words(plan), encode_option(plan.code), _plan_size(plan)) for plan in catalogue.plans]


def _plan_words(plan: Plan) -> str:
    cost = one_line(price(plan), 40)
    return f"{one_line(plan.name or plan.code, 75 - len(cost) - 2)}, {cost}"


def _plan_size(plan: Plan) -> str:
    parts = (
        f"{plan.vcpus} vCPU" if plan.vcpus else "",
        f"{plan.memory_gb:g} GB memory" if plan.memory_gb else "",
        f"{plan.disk_gb:g} GB disk" if plan.disk_gb else "",
        plan.code if plan.name else "",
    )
    return ", ".join(part for part in parts if part)


def _regions(catalogue: OrderOptions) -> list[Block]:
    return [
        option(region_text(region.code, name_of(region)), encode_option(region.code))
        for region in catalogue.regions
        if region.available is not False
    ]


def _systems(catalogue: OrderOptions) -> list[Block]:
    return [option(system.name or system.id, encode_option(system.id)) for system in catalogue.systems]
