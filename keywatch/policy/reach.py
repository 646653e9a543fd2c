"""What hangs on a route: the owners whose people would be told by it, and their credentials."""

from collections.abc import Iterable

from keywatch.model import Credential, Owner, Route, World
from keywatch.policy.audience import on_call_of


def concerned(route: Route, world: World, rows: Iterable[Credential] = ()) -> tuple[str, ...]:
    """The owners whose people would be told by this route, the last resort's keeper included.

    With `rows` those too whose credentials' issuers write there.
    """
    found = [name for name, owner in world.owners.items() if _leads_to(route, owner, world)]
    issued = frozenset(world.issuers.get(route.name, ()))
    found += [world.owner_of(row).name for row in rows if row.name in issued]
    found += [world.keeper] if route.name in world.last_resort else []
    return tuple(dict.fromkeys(found))


def _leads_to(route: Route, owner: Owner, world: World) -> bool:
    if route.name in owner.routes:
        return True
    if not route.person or route.page:
        return False  # what wakes somebody is used by the last resort alone
    roster = on_call_of(owner, world)
    rostered = {duty.person.key for duty in roster.duties} if roster else set()
    return route.person in {*owner.people, owner.head, *owner.members, *owner.fallback, *rostered}


def hanging(route: Route, world: World, rows: Iterable[Credential]) -> tuple[Credential, ...]:
    """The credentials whose people would be told by this route, and those whose issuer writes there."""
    owners, issued = frozenset(concerned(route, world)), frozenset(world.issuers.get(route.name, ()))
    return tuple(row for row in rows if row.name in issued or (row.active and world.owner_of(row).name in owners))
