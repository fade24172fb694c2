"""The operations on a server's backup policy: show, set and remove it."""

import re
from typing import Annotated, Final, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from vpsops.core.common.errors import AlreadyGoneError, UnchangedError
from vpsops.core.common.text import moment
from vpsops.core.operations.arguments import ArgumentKind as K
from vpsops.core.operations.arguments import Arguments, ArgumentSpec
from vpsops.core.operations.facts import UNKNOWN, Fact, changed, with_values
from vpsops.core.operations.families.parts import server_of
from vpsops.core.operations.registry import Operation, Risk, ServerArguments
from vpsops.core.operations.strategies import (
    Inspected,
    Inspection,
    LiveState,
    Precheck,
    Sent,
)
from vpsops.core.wayscloud.answers.models import AcceptedOperation, Server
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests import endpoints
from vpsops.core.wayscloud.requests.send_hook import SendHook
from vpsops.core.wayscloud.server_parts.backup_answers import WEEKDAYS, BackupPolicy, BackupPolicyState

TOOLSET: Final = "backups"
USUAL_RETENTION: Final = 7
TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class PolicyArguments(ServerArguments):
    """When a server is backed up, in UTC, and for how many days a backup is kept."""

    frequency: Annotated[Literal["daily", "weekly"], ArgumentSpec(K.CHOICE, "Frequency", choices=("daily", "weekly"))]
    time_of_day: Annotated[
        str,
        ArgumentSpec(K.SCHEDULE, "Time", word="at"),
        Field(description="HH:MM, UTC"),
    ]
    retention_days: Annotated[
        int, ArgumentSpec(K.NUMBER, "Days kept", word="keep"), Field(ge=1, le=90, description="1-90")
    ] = USUAL_RETENTION
    day_of_week: Annotated[
        Weekday | None,
        ArgumentSpec(K.CHOICE, "Day", word="on", choices=WEEKDAYS),
        Field(description="with weekly", validate_default=True),
    ] = None

    @field_validator("time_of_day", mode="after")
    @classmethod
    def _is_time(cls, time: str) -> str:
        if TIME.fullmatch(time) is None:
            raise ValueError("a time is written as HH:MM, in UTC")
        return time

    @field_validator("day_of_week", mode="after")
    @classmethod
    def _fits_frequency(cls, day: Weekday | None, info: ValidationInfo) -> Weekday | None:
        frequency = info.data.get("frequency")
        if frequency == "daily" and day is not None:
            raise ValueError("a day is for a weekly backup only")
        if frequency == "weekly" and day is None:
            raise ValueError("a weekly backup needs its day, such as monday")
        return day


class ShownPolicy(BaseModel):
    """A server's backup policy; null where it has none."""

    model_config = ConfigDict(frozen=True)

    policy: BackupPolicy | None = None

    @classmethod
    def of(cls, state: BackupPolicyState) -> Self:
        """Return what is shown of a policy."""
        return cls(policy=state.policy)


def ordered(arguments: PolicyArguments) -> BackupPolicy:
    """Return the policy that is asked for."""
    day = WEEKDAYS.index(arguments.day_of_week) if arguments.day_of_week else None
    return BackupPolicy(
        enabled=True,
        frequency=arguments.frequency,
        time_of_day=arguments.time_of_day,
        day_of_week=day,
        retention_days=arguments.retention_days,
    )


async def _check_set(api: Wayscloud, arguments: Arguments, server: Server | None) -> Precheck:
    """Read the policy that there is; one that is equal leaves nothing to do."""
    at = server_of(server)
    current = (await api.backups.backup_policy(at.id)).policy
    asked = cast("PolicyArguments", arguments)
    if current is not None and _equal(current, ordered(asked)):
        raise UnchangedError(f"{at.hostname} has this backup policy already.")
    return Precheck(details=BackupPolicyState(policy=current))


def _equal(current: BackupPolicy, wanted: BackupPolicy) -> bool:
    """Return whether a policy is the one that is asked for; a field that is not known equals nothing."""
    fields = ["enabled", "frequency", "time_of_day", "retention_days"]
    fields += ["day_of_week"] if wanted.frequency == "weekly" else []
    return all(getattr(current, field) == getattr(wanted, field) for field in fields)


async def _check_remove(api: Wayscloud, _arguments: Arguments, server: Server | None) -> Precheck:
    """Read the policy that there is."""
    at = server_of(server)
    state = await api.backups.backup_policy(at.id)
    if state.policy is None:
        raise AlreadyGoneError(f"{at.hostname} has no backup policy.", hint="There is nothing to do.")
    return Precheck(details=state)


def _values(policy: BackupPolicy | None) -> dict[str, str]:
    """Return a policy's fields as people read them; all of them are empty where there is no policy."""
    if policy is None:
        return dict.fromkeys(("Enabled", "Frequency", "Time", "Day", "Days kept"), "")
    enabled = {True: "yes", False: "no", None: UNKNOWN}[policy.enabled]
    day = "every day" if policy.frequency == "daily" else UNKNOWN
    if policy.frequency != "daily" and policy.day_of_week is not None:
        day = WEEKDAYS[policy.day_of_week]
    return {
        "Enabled": enabled,
        "Frequency": policy.frequency or UNKNOWN,
        "Time": f"{policy.time_of_day} UTC" if policy.time_of_day else UNKNOWN,
        "Day": day,
        "Days kept": str(policy.retention_days) if policy.retention_days is not None else UNKNOWN,
    }


def policy_facts(policy: BackupPolicy) -> tuple[Fact, ...]:
    """Return a policy as labelled facts."""
    following = moment(policy.next_backup_at) if policy.next_backup_at else ""
    last = moment(policy.last_backup_at) if policy.last_backup_at else ""
    fields = (Fact(label, value) for label, value in _values(policy).items())
    return with_values((*fields, Fact("Next backup", following), Fact("Last backup", last)))


def _describe_set(arguments: Arguments, live: LiveState) -> tuple[Fact, ...]:
    """Show each field before and after; what a shorter time may lose."""
    current = cast("BackupPolicyState", live.details).policy
    wanted = ordered(cast("PolicyArguments", arguments))
    before, after = _values(current), _values(wanted)
    fields = tuple(
        Fact(label, value) if before[label] == value else changed(label, before[label], value)
        for label, value in after.items()
    )
    return (*fields, Fact("May be lost", _lost(current, wanted)))


def _lost(current: BackupPolicy | None, wanted: BackupPolicy) -> str:
    days = wanted.retention_days or USUAL_RETENTION
    if current is None:
        return ""
    if current.retention_days is None:
        return f"backups older than {days} days: how long they were kept is {UNKNOWN}"
    return f"backups older than {days} days" if days < current.retention_days else ""


def _describe_remove(_arguments: Arguments, live: LiveState) -> tuple[Fact, ...]:
    """Show what is removed."""
    values = _values(cast("BackupPolicyState", live.details).policy)
    return tuple(changed(label, value, "") for label, value in values.items())


async def _inspect_set(api: Wayscloud, sent: Sent) -> Inspection:
    """The policy is set where it reads as it was asked for."""
    policy = (await api.backups.backup_policy(sent.target.id)).policy
    wanted = ordered(cast("PolicyArguments", sent.arguments))
    if policy is not None and _equal(policy, wanted):
        return Inspection(Inspected.DONE, result=policy.model_dump(mode="json", exclude_none=True))
    if policy is not None and None in (policy.frequency, policy.time_of_day, policy.retention_days, policy.enabled):
        return Inspection(Inspected.NOT_KNOWABLE, "The API shows only a part of the policy.")
    return Inspection(Inspected.UNDER_WAY if sent.accepted else Inspected.NOT_DONE, "The policy reads otherwise.")


async def _inspect_remove(api: Wayscloud, sent: Sent) -> Inspection:
    """The policy is removed where the API says that there is none."""
    if (await api.backups.backup_policy(sent.target.id)).policy is None:
        return Inspection(Inspected.DONE)
    return Inspection(Inspected.UNDER_WAY if sent.accepted else Inspected.NOT_DONE, "The policy is still there.")


async def _get(api: Wayscloud, arguments: Arguments, _: SendHook | None) -> ShownPolicy:
    return ShownPolicy.of(await api.backups.backup_policy(cast("ServerArguments", arguments).server))


async def _set(api: Wayscloud, arguments: Arguments, departure: SendHook | None) -> AcceptedOperation:
    asked = cast("PolicyArguments", arguments)
    return await api.backups.set_backup_policy(asked.server, ordered(asked), departure=departure)


async def _remove(api: Wayscloud, arguments: Arguments, departure: SendHook | None) -> AcceptedOperation:
    server = cast("ServerArguments", arguments).server
    return await api.backups.remove_backup_policy(server, departure=departure)


LOOK: Final = "Read vps_backup_policy before asking again."

BACKUP_POLICY: Final = (
    Operation(
        name="backup_policy",
        title="Show the backup policy of {server}",
        command="backup-schedule",
        toolset=TOOLSET,
        summary="Show when a server is backed up, and for how long backups are kept.",
        guidance="Show a server's backup policy.",
        risk=Risk.READ,
        arguments=ServerArguments,
        result=ShownPolicy,
        run=_get,
        routes=(endpoints.BACKUP_POLICY,),
    ),
    Operation(
        name="backup_policy_set",
        title="Set the backup policy of {server}",
        command="backup-policy",
        toolset=TOOLSET,
        summary="Back a server up daily or weekly, at a time in UTC.",
        guidance="Set a server's backup policy.",
        risk=Risk.CHANGE,
        arguments=PolicyArguments,
        result=AcceptedOperation,
        run=_set,
        effect="The server is backed up by this policy from then on.",
        check=_check_set,
        describe=_describe_set,
        inspect=_inspect_set,
        idempotent=True,
        outcomes=("It was set", "It was not set"),
        done="The backup policy of {hostname} is set.",
        advice=LOOK,
        routes=(endpoints.SET_BACKUP_POLICY, endpoints.BACKUP_POLICY),
    ),
    Operation(
        name="backup_policy_remove",
        title="Remove the backup policy of {server}",
        command="backup-policy-remove",
        toolset=TOOLSET,
        summary="Stop the regular backups of a server; those there are stay.",
        guidance="Stop a server's regular backups.",
        risk=Risk.DISRUPTIVE,
        arguments=ServerArguments,
        result=AcceptedOperation,
        run=_remove,
        effect="The server is backed up no more, unless by hand. The backups that there are stay until they expire.",
        check=_check_remove,
        describe=_describe_remove,
        inspect=_inspect_remove,
        removes=True,
        documented=False,
        idempotent=True,
        outcomes=("It was removed", "It was not removed"),
        done="The backup policy of {hostname} is removed.",
        advice=LOOK,
        routes=(endpoints.REMOVE_BACKUP_POLICY, endpoints.BACKUP_POLICY),
    ),
)
