"""Records as the JSON body of a POST, signed as anchors are."""

import json
from dataclasses import dataclass, field
from typing import Final

from vpsops.core.common.clock import Clock
from vpsops.core.continuity.anchor_webhook import post
from vpsops.core.continuity.anchors import signature
from vpsops.core.shipment.batch import HOST, Batch, ShipmentError

JSON_TYPE: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that answers 200 to 299 to what it has taken."""

    url: str = field(repr=False)
    secret: str = field(repr=False)
    clock: Clock

    async def send(self, batch: Batch) -> None:
        """Post the records as one body."""
        head = {"host": HOST, "first": batch[0].record.seq, "last": batch[-1].record.seq}
        lines = ",".join(shipped.line for shipped in batch)
        body = f'{json.dumps(head)[:-1]}, "records": [{lines}]}}'.encode()
        stamp = int(self.clock.now().timestamp())
        headers = {**JSON_TYPE, "X-Vpsops-Timestamp": str(stamp)}
        if self.secret:
            headers["X-Vpsops-Signature"] = signature(self.secret, stamp, body)
        why = await post(self.url, body, headers)
        if why:
            raise ShipmentError(f"The webhook did not take the records: {why}.")
