"""Names are found in a fleet that is sorted once, however many there are."""

from collections.abc import Iterator

from tests.unit.core.sample import server
from vpsops.core.operations.server_lookup import ServerIndex
from vpsops.core.wayscloud.answers.models import Server


class WalkedFleet(list[Server]):
    """A fleet that counts how often it is walked over."""

    walks = 0

    def __iter__(self) -> Iterator[Server]:
        self.walks += 1
        return super().__iter__()


def test_a_thousand_names_walk_no_more_over_a_fleet_than_one() -> None:
    """Each of the names, ids, addresses and beginnings is found in what was sorted once."""
    fleet = WalkedFleet(
        server("running", f"id-{number:05}", f"host{number:05}.example.com", display_name=f"Host {number}")
        for number in range(3_000)
    )
    index = ServerIndex(fleet)
    names = [f"host{number:05}" for number in range(1_000)] + [f"id-{number:05}" for number in range(1_000)]
    matches = [index.find(name) for name in [*names, "host 2999", "host02998.example.com"]]
    assert [server.id for server in matches] == [
        *[f"id-{number:05}" for number in range(1_000)] * 2,
        "id-02999",
        "id-02998",
    ]
    assert fleet.walks <= 5
