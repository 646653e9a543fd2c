"""What is known of routes: questions nobody answered, domains that vanished, refusals that were not a route's fault.

Routes, sources and rosters become subjects of episodes, so an episode need not have a credential. A program that does
not know the new words could not read them: `min_writer` rises.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "20261123_reach"
down_revision = "20261122_feed_lease"
branch_labels = None
depends_on = None

EVIDENCE_BEFORE = ("ack", "attested", "reply", "refused", "full", "left", "away", "partial", "silence")
EVIDENCE = (
    *("ack", "attested", "reply", "refused", "exonerated", "unresolved", "resolved"),
    *("full", "left", "away", "partial", "unanswered", "silence"),
)
KINDS_BEFORE = ("notice", "digest", "finding", "test")
KINDS = (*KINDS_BEFORE, "question", "reminder")


def upgrade() -> None:
    """New words, and episodes of other things than credentials."""
    _words("evidence", EVIDENCE)
    _words("message", KINDS)
    _subjects(nullable=True)
    _needs("2", "0.2.0")


def downgrade() -> None:
    """The new words are forgotten with the rows that hold them; those of other subjects too."""
    op.execute("DELETE FROM evidence WHERE kind IN ('exonerated', 'unresolved', 'resolved', 'unanswered')")
    op.execute(
        "DELETE FROM attempt WHERE message_id IN (SELECT id FROM message WHERE kind IN ('question', 'reminder'))"
    )
    op.execute("DELETE FROM message WHERE kind IN ('question', 'reminder')")
    op.execute("DELETE FROM episode WHERE credential_id IS NULL")
    _words("evidence", EVIDENCE_BEFORE)
    _words("message", KINDS_BEFORE)
    _subjects(nullable=False)
    _needs("1", "")


def _words(table: str, kinds: Sequence[str]) -> None:
    """Another list of words for `kind`; SQLite makes the table anew for it."""
    with op.batch_alter_table(table) as batch:
        batch.drop_constraint(op.f(f"ck_{table}_kind"), type_="check")
        batch.create_check_constraint(op.f(f"ck_{table}_kind"), f"kind IN ({', '.join(map(repr, kinds))})")


def _subjects(*, nullable: bool) -> None:
    with op.batch_alter_table("episode") as episode:
        episode.alter_column("credential_id", existing_type=sa.Integer(), nullable=nullable)


def _needs(schema: str, version: str) -> None:
    """A store that is being made has no values yet; `init` writes them."""
    op.execute(sa.text("UPDATE meta SET value = :schema WHERE name = 'min_writer'").bindparams(schema=schema))
    op.execute("DELETE FROM meta WHERE name = 'min_version'")
    if not version:
        return
    made = "EXISTS (SELECT 1 FROM meta WHERE name = 'min_writer')"
    op.execute(f"INSERT INTO meta (name, value) SELECT 'min_version', '{version}' WHERE {made}")
