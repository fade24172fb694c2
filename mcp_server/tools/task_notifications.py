"""Task notifications on an event stream: the answer of the next `tasks/get`, sent when the change moves.

The stream is the server's own (`subscriptions/listen`); it follows the changes behind the tasks as it follows any.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, Literal, cast

import mcp.types as t
from mcp.server.lowlevel import Server
from mcp.server.session import ServerSession

from vpsops.core.common.errors import VpsopsError
from vpsops.core.common.json_types import Json
from vpsops.mcp_server.protocol import sdk_compat
from vpsops.mcp_server.protocol.tasks import EXTENSION, LONGEST_ID, TaskStore, task_details
from vpsops.mcp_server.protocol.uris import change_uri

LISTEN: Final = "subscriptions/listen"
IDS: Final = "taskIds"
MAX_TASKS: Final = 100
Listen = Callable[[sdk_compat.Context, t.SubscriptionsListenRequestParams], Awaitable[t.SubscriptionsListenResult]]


class TaskNotification(t.Notification[dict[str, Any], Literal["notifications/tasks"]]):
    """The full state of a task."""

    method: Literal["notifications/tasks"] = "notifications/tasks"
    params: dict[str, Any]


def serve_task_notifications(server: Server[Any], tasks: TaskStore) -> None:
    """Have a server's streams send notifications of these tasks to clients that request them by id."""
    entry = server.get_request_handler(LISTEN)
    if entry is None:
        raise RuntimeError("a server without subscriptions cannot report tasks")
    listen = cast("Listen", entry.handler)

    async def handle(
        context: sdk_compat.Context, params: t.SubscriptionsListenRequestParams
    ) -> t.SubscriptionsListenResult:
        task_ids = requested_task_ids(params.notifications)
        if task_ids is None:
            return await listen(context, params)
        sdk_compat.require_extension(context, EXTENSION)
        session = TaskNotificationSession(context, tasks, await _known(tasks, context, task_ids), params.notifications)
        return await listen(replace(context, session=cast("ServerSession", session)), session.widened(params))

    server.add_request_handler(LISTEN, t.SubscriptionsListenRequestParams, handle)


def requested_task_ids(asked: t.SubscriptionFilter) -> tuple[str, ...] | None:
    """Return the tasks that a stream reports on. Raises the protocol's error unless they are a list of ids."""
    task_ids = (asked.model_extra or {}).get(IDS)
    if task_ids is None:
        return None
    fits = isinstance(task_ids, list) and len(task_ids) <= MAX_TASKS
    if not fits or not all(isinstance(ident, str) and len(ident) <= LONGEST_ID for ident in task_ids):
        raise sdk_compat.invalid_params_error(f"{IDS} must be a list of at most {MAX_TASKS} ids.")
    return tuple(dict.fromkeys(task_ids))


async def _known(tasks: TaskStore, context: sdk_compat.Context, task_ids: Sequence[str]) -> dict[str, str]:
    """Return the caller's own tasks among those wanted, by the address of the change behind each."""
    results: dict[str, str] = {}
    with suppress(VpsopsError):  # unreadable tasks are left out of the acknowledgement
        results = {change_uri(ident): ident for ident in task_ids if await tasks.find(context, ident) is not None}
    return results


class TaskNotificationSession:
    """A session that turns updates of a change into notifications of its task."""

    def __init__(
        self, context: sdk_compat.Context, tasks: TaskStore, known: Mapping[str, str], asked: t.SubscriptionFilter
    ) -> None:
        self._context = context
        self._tasks = tasks
        self._known = known
        self._asked = tuple(asked.resource_subscriptions or ())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context.session, name)

    def widened(self, params: t.SubscriptionsListenRequestParams) -> t.SubscriptionsListenRequestParams:
        """Return the request with the changes behind the tasks added to its resources."""
        uris = list(dict.fromkeys((*self._asked, *self._known)))
        notifications = params.notifications.model_copy(update={"resource_subscriptions": uris or None})
        return params.model_copy(update={"notifications": notifications})

    async def send_notification(
        self, notification: t.ServerNotification, related_request_id: t.RequestId | None = None
    ) -> None:
        """Send requested updates; a task's notification replaces, or accompanies, that of its change."""
        send = self._context.session.send_notification
        if isinstance(notification, t.SubscriptionsAcknowledgedNotification):
            await send(self._acknowledged(notification), related_request_id)
            return
        uri = notification.params.uri if isinstance(notification, t.ResourceUpdatedNotification) else ""
        if uri in self._known:
            await self._send_task(self._known[uri], notification, related_request_id)
        if not uri or uri in self._asked:
            await send(notification, related_request_id)

    async def _send_task(self, task_id: str, cause: Any, related: t.RequestId | None) -> None:
        with suppress(VpsopsError):  # one that cannot be read now is reported next time, and polled meanwhile
            task = await self._tasks.find(self._context, task_id)
            if task is not None:
                meta: dict[str, Json] = {"_meta": cause.params.meta} if cause.params.meta else {}
                notification = TaskNotification(params={**task_details(task), **meta})
                await self._context.session.send_notification(cast("t.ServerNotification", notification), related)

    def _acknowledged(
        self, notification: t.SubscriptionsAcknowledgedNotification
    ) -> t.SubscriptionsAcknowledgedNotification:
        honoured = notification.params.notifications
        heard = honoured.resource_subscriptions or []
        tasks = [task for uri, task in self._known.items() if uri in heard]
        filtered = honoured.model_copy(
            update={"resource_subscriptions": [uri for uri in heard if uri in self._asked] or None, IDS: tasks}
        )
        params = notification.params.model_copy(update={"notifications": filtered})
        return notification.model_copy(update={"params": params})
