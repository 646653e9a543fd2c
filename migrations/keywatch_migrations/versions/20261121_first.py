"""The first schema: ten tables.

Types are spelled out here instead of taken from SQLModel, so that this file means the same for ever.
"""

import sqlalchemy as sa
from alembic import op

revision = "20261121_first"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables, those first that others refer to."""
    _credential()
    _event()
    _evidence()
    _feed()
    _message()
    _meta()
    _attempt()
    _episode()
    _ack()
    _notice()


def downgrade() -> None:
    """Back to nothing."""
    for table in ("notice", "ack", "episode", "attempt", "meta", "message", "feed", "evidence", "event", "credential"):
        op.drop_table(table)


def _credential() -> None:
    """What expires."""
    op.create_table(
        "credential",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("never", sa.Boolean(), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("deadlines", sa.String(), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=True),
        sa.Column("basis", sa.String(), nullable=False),
        sa.Column("because", sa.String(), nullable=False),
        sa.Column("issued", INSTANT, nullable=True),
        sa.Column("problem", sa.String(), nullable=False),
        sa.Column("labels", sa.String(), nullable=False),
        sa.Column("overrides", sa.String(), nullable=False),
        sa.Column("details", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("env", sa.String(), nullable=False),
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("lead", sa.String(), nullable=False),
        sa.Column("plan_from", INSTANT, nullable=True),
        sa.Column("start_from", INSTANT, nullable=True),
        sa.Column("start_by", INSTANT, nullable=True),
        sa.Column("late_at", INSTANT, nullable=True),
        sa.Column("speaks_from", INSTANT, nullable=True),
        sa.Column("next_at", INSTANT, nullable=True),
        sa.Column("first_seen", INSTANT, nullable=True),
        sa.Column("adopted_at", INSTANT, nullable=True),
        sa.Column("usual_left_s", sa.Integer(), nullable=True),
        sa.Column("overdue_seen", INSTANT, nullable=True),
        sa.Column("pending", sa.String(), nullable=False),
        sa.Column("pending_since", INSTANT, nullable=True),
        sa.Column("never_since", INSTANT, nullable=True),
        sa.Column("unconfirmed", sa.String(), nullable=False),
        sa.Column("stale_since", INSTANT, nullable=True),
        sa.Column("missing_since", INSTANT, nullable=True),
        sa.Column("gone_at", INSTANT, nullable=True),
        sa.Column("retired_at", INSTANT, nullable=True),
        sa.Column("retired_by", sa.String(), nullable=False),
        sa.Column("accepted_until", INSTANT, nullable=True),
        sa.Column("accepted_by", sa.String(), nullable=False),
        sa.Column("changed_at", INSTANT, nullable=True),
        sa.CheckConstraint(
            "basis IN ('', 'enforced', 'declared', 'deletion', 'rotation', 'age')", name=op.f("ck_credential_basis")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credential")),
        sa.UniqueConstraint("source", "ref", name=op.f("uq_credential_source_ref")),
    )
    op.create_index(op.f("ix_credential_name"), "credential", ["name"])
    op.create_index(op.f("ix_credential_next_at"), "credential", ["next_at"])


def _event() -> None:
    """The timeline."""
    op.create_table(
        "event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("credential", sa.String(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("data", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
    )
    op.create_index(op.f("ix_event_at"), "event", ["at"])
    op.create_index(op.f("ix_event_credential"), "event", ["credential"])


def _evidence() -> None:
    """Facts about routes."""
    op.create_table(
        "evidence",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("route", sa.String(), nullable=False),
        sa.Column("address_hash", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("until", INSTANT, nullable=True),
        sa.CheckConstraint(
            "kind IN ('ack', 'attested', 'reply', 'refused', 'full', 'left', 'away', 'partial', 'silence')",
            name=op.f("ck_evidence_kind"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence")),
    )
    op.create_index(op.f("ix_evidence_route_address_hash"), "evidence", ["route", "address_hash"])


def _feed() -> None:
    """What is fetched when it is due."""
    op.create_table(
        "feed",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("next_at", INSTANT, nullable=True),
        sa.Column("lease_until", INSTANT, nullable=True),
        sa.Column("tried_at", INSTANT, nullable=True),
        sa.Column("complete_at", INSTANT, nullable=True),
        sa.Column("problem", sa.String(), nullable=False),
        sa.Column("answer", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", "target", name=op.f("pk_feed")),
    )
    op.create_index(op.f("ix_feed_next_at"), "feed", ["next_at"])


def _message() -> None:
    """What goes on the wire."""
    op.create_table(
        "message",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("route", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("slot", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_at", INSTANT, nullable=True),
        sa.Column("lease_until", INSTANT, nullable=True),
        sa.Column("lease_owner", sa.String(), nullable=False),
        sa.Column("frozen", sa.Boolean(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("address_hash", sa.String(), nullable=False),
        sa.Column("accepted_at", INSTANT, nullable=True),
        sa.CheckConstraint("(state = 'accepted') = (accepted_at IS NOT NULL)", name=op.f("ck_message_accepted")),
        sa.CheckConstraint("(state IN ('pending', 'leased')) = (next_at IS NOT NULL)", name=op.f("ck_message_next")),
        sa.CheckConstraint("kind IN ('notice', 'digest', 'finding', 'test')", name=op.f("ck_message_kind")),
        sa.CheckConstraint(
            "state IN ('pending', 'leased', 'accepted', 'refused', 'superseded')", name=op.f("ck_message_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
        sa.UniqueConstraint("code", name=op.f("uq_message_code")),
        sa.UniqueConstraint("key", name=op.f("uq_message_key")),
        sa.UniqueConstraint("message_id", name=op.f("uq_message_message_id")),
        sa.UniqueConstraint("token", name=op.f("uq_message_token")),
    )
    op.create_index(
        "ix_message_due",
        "message",
        ["next_at"],
        sqlite_where=sa.text("next_at IS NOT NULL"),
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )
    op.create_index("ix_message_route_slot", "message", ["route", "slot"])


def _meta() -> None:
    """The store itself."""
    op.create_table(
        "meta",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_meta")),
    )


def _attempt() -> None:
    """Tries to deliver."""
    op.create_table(
        "attempt",
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("blame", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.CheckConstraint("(ended_at IS NULL) = (verdict = '')", name=op.f("ck_attempt_ended")),
        sa.CheckConstraint("blame IN ('', 'route', 'transport', 'sender')", name=op.f("ck_attempt_blame")),
        sa.CheckConstraint(
            "verdict IN ('', 'accepted', 'refused', 'deferred', 'unreachable', 'unknown')",
            name=op.f("ck_attempt_verdict"),
        ),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_attempt_message_id")),
        sa.PrimaryKeyConstraint("message_id", "n", name=op.f("pk_attempt")),
    )


def _episode() -> None:
    """Runs of a credential towards its end."""
    op.create_table(
        "episode",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("credential_id", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("deadline", INSTANT, nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("rung", sa.Integer(), nullable=False),
        sa.Column("told_at", INSTANT, nullable=True),
        sa.Column("adopted_at", INSTANT, nullable=True),
        sa.Column("expired_when_seen", sa.Boolean(), nullable=False),
        sa.Column("moved_at", INSTANT, nullable=True),
        sa.Column("uncovered_since", INSTANT, nullable=True),
        sa.Column("covered", sa.String(), nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("ended_by", sa.String(), nullable=False),
        sa.CheckConstraint("(ended_at IS NULL) = (outcome = '')", name=op.f("ck_episode_ended")),
        sa.CheckConstraint(
            "outcome IN ('', 'renewed', 'rescheduled', 'retired', 'risk accepted')", name=op.f("ck_episode_outcome")
        ),
        sa.ForeignKeyConstraint(["credential_id"], ["credential.id"], name=op.f("fk_episode_credential_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_episode")),
    )
    op.create_index(op.f("ix_episode_credential_id"), "episode", ["credential_id"])
    op.create_index(
        "uq_episode_open",
        "episode",
        ["subject"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def _ack() -> None:
    """Promises with a date."""
    op.create_table(
        "ack",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("episode_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("until", INSTANT, nullable=False),
        sa.Column("void_at", INSTANT, nullable=True),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("route", sa.String(), nullable=False),
        sa.Column("message_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("kind IN ('ack', 'begun')", name=op.f("ck_ack_kind")),
        sa.ForeignKeyConstraint(["episode_id"], ["episode.id"], name=op.f("fk_ack_episode_id")),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_ack_message_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ack")),
    )
    op.create_index(op.f("ix_ack_episode_id"), "ack", ["episode_id"])


def _notice() -> None:
    """What one route is owed of a call."""
    op.create_table(
        "notice",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("episode_id", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("route", sa.String(), nullable=False),
        sa.Column("rung", sa.Integer(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("duty", sa.Boolean(), nullable=False),
        sa.Column("asks", sa.Boolean(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("message_id", sa.Integer(), nullable=True),
        sa.Column("superseded_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["episode_id"], ["episode.id"], name=op.f("fk_notice_episode_id")),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_notice_message_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
        sa.UniqueConstraint("episode_id", "stage", "route", name=op.f("uq_notice_episode_id_stage_route")),
    )
    op.create_index(op.f("ix_notice_message_id"), "notice", ["message_id"])
    op.create_index(op.f("ix_notice_route"), "notice", ["route"])
