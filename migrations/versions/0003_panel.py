"""Roles, second factors and what else the panel keeps: its keys, and the audit."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("user", sa.String(length=100), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("operation", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("outcome", sa.String(length=64), nullable=False),
        sa.Column("before", sa.LargeBinary(), nullable=True),
        sa.Column("after", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_created_at", "audit", ["created_at", "id"], unique=False)
    op.create_table(
        "panel_keys",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("hint", sa.String(length=16), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("last_used_at", sa.Float(), nullable=True),
        sa.Column("revoked_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_panel_keys")),
        sa.UniqueConstraint("hash", name=op.f("uq_panel_keys_hash")),
    )
    op.add_column("sessions", sa.Column("proved_at", sa.Float(), nullable=True))
    op.add_column("sessions", sa.Column("address", sa.String(length=64), nullable=True))
    op.add_column("sessions", sa.Column("agent", sa.String(length=200), nullable=True))
    op.add_column("users", sa.Column("role", sa.String(length=16), server_default="administrator", nullable=False))
    op.add_column("users", sa.Column("totp", sa.LargeBinary(), nullable=True))
    op.add_column("users", sa.Column("recovery", sa.LargeBinary(), server_default="[]", nullable=False))
    op.add_column("users", sa.Column("disabled_at", sa.Float(), nullable=True))
