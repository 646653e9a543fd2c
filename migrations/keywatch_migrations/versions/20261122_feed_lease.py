"""Who holds the lease of a feed, so that several hosts share the collecting and a dead run's claim is free at once.

Additive: a program that does not know the column goes on working, so `min_writer` stays as it is.
"""

import sqlalchemy as sa
from alembic import op

revision = "20261122_feed_lease"
down_revision = "20261121_first"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A column with a default, which a writer that does not know it leaves alone."""
    with op.batch_alter_table("feed") as feed:
        feed.add_column(sa.Column("lease_owner", sa.String(), nullable=False, server_default=""))


def downgrade() -> None:
    """Without it, a lease must run out."""
    with op.batch_alter_table("feed") as feed:
        feed.drop_column("lease_owner")
