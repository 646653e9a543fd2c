"""The tables and every write, in domain words. The only importer of SQLModel.

    store = Store(url)
    with store.write(plan=True) as tx:
        for credential in tx.read.due(now): ...
        tx.apply(episode.id, decision, now, slot, domain)

All of a `write` block is one transaction; `tx.read` sees what it wrote. Making and upgrading a store is
`keywatch.schema`'s affair.
"""

from keywatch.store.lease import is_gone, owner_name
from keywatch.store.store import Store, Tx, engine_for
from keywatch.store.tables import metadata

__all__ = ["Store", "Tx", "engine_for", "is_gone", "metadata", "owner_name"]
