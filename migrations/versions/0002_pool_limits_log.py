"""Limits of API keys, proxies, groups and refresh of accounts, workers, usage, alerts, and the log of requests."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "secrets",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_secrets")),
    )
    op.create_table(
        "alerts",
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=100), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("told_at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("kind", "subject", name=op.f("pk_alerts")),
    )
    op.create_table(
        "calls",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("request_id", sa.String(length=40), nullable=True),
        sa.Column("job_id", sa.String(length=48), nullable=True),
        sa.Column("account_id", sa.String(length=40), nullable=False),
        sa.Column("proxy", sa.String(length=200), nullable=True),
        sa.Column("method", sa.String(length=10), nullable=False),
        sa.Column("url", sa.String(length=500), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("code", sa.String(length=64), nullable=True),
        sa.Column("took", sa.Float(), nullable=False),
        sa.Column("bytes_sent", sa.BigInteger(), nullable=True),
        sa.Column("bytes_received", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calls")),
    )
    op.create_index("ix_calls_at", "calls", ["at"], unique=False)
    op.create_index("ix_calls_job_id", "calls", ["job_id"], unique=False)
    op.create_index("ix_calls_request_id", "calls", ["request_id"], unique=False)
    op.create_table(
        "proxies",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("url", sa.LargeBinary(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("checked_at", sa.Float(), nullable=True),
        sa.Column("latency", sa.Float(), nullable=True),
        sa.Column("down", sa.String(length=64), nullable=True),
        sa.Column("down_at", sa.Float(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("removed_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proxies")),
    )
    op.create_table(
        "requests",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("key_id", sa.String(length=40), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.Column("method", sa.String(length=10), nullable=False),
        sa.Column("path", sa.String(length=500), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("code", sa.String(length=64), nullable=True),
        sa.Column("bytes_in", sa.BigInteger(), nullable=True),
        sa.Column("bytes_out", sa.BigInteger(), nullable=True),
        sa.Column("replied", sa.Float(), nullable=True),
        sa.Column("job_id", sa.String(length=48), nullable=True),
        sa.Column("mode", sa.String(length=64), nullable=True),
        sa.Column("model", sa.String(length=200), nullable=True),
        sa.Column("account", sa.String(length=100), nullable=True),
        sa.Column("proxy", sa.String(length=200), nullable=True),
        sa.Column("prompt", sa.Text(), nullable=True),
        sa.Column("queued", sa.Float(), nullable=True),
        sa.Column("submitted", sa.Float(), nullable=True),
        sa.Column("progressed", sa.Float(), nullable=True),
        sa.Column("made", sa.Float(), nullable=True),
        sa.Column("stored", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requests")),
    )
    op.create_index("ix_requests_at", "requests", ["at", "id"], unique=False)
    op.create_index("ix_requests_key_id_at", "requests", ["key_id", "at", "id"], unique=False)
    for name, has in (
        ("status", "<> 200"),
        ("code", "IS NOT NULL"),
        ("job_id", "IS NOT NULL"),
        ("mode", "IS NOT NULL"),
        ("model", "IS NOT NULL"),
        ("account", "IS NOT NULL"),
    ):
        op.create_index(
            f"ix_requests_{name}_at",
            "requests",
            [name, "at", "id"],
            unique=False,
            sqlite_where=sa.text(f"{name} {has}"),
        )
    op.create_table(
        "spread",
        sa.Column("account_id", sa.String(length=40), nullable=False),
        sa.Column("proxy_id", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_spread")),
    )
    op.create_table(
        "usage",
        sa.Column("key_id", sa.String(length=40), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("account_id", sa.String(length=40), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("jobs", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "day", "account_id", "model", "code", name=op.f("pk_usage")),
    )
    op.create_index("ix_usage_day", "usage", ["day"], unique=False)
    op.create_table(
        "workers",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("host", sa.String(length=200), nullable=False),
        sa.Column("process", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )
    op.create_table(
        "request_bodies",
        sa.Column("request_id", sa.String(length=40), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=True),
        sa.Column("reply", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["request_id"], ["requests.id"], name=op.f("fk_request_bodies_request_id_requests"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_request_bodies")),
    )
    op.add_column("accounts", sa.Column("groups", sa.LargeBinary(), server_default="[]", nullable=False))
    op.add_column("accounts", sa.Column("priority", sa.Integer(), server_default="0", nullable=False))
    op.add_column("accounts", sa.Column("calls_a_minute", sa.Integer(), nullable=True))
    op.add_column("accounts", sa.Column("daily_images", sa.Integer(), nullable=True))
    op.add_column("accounts", sa.Column("daily_videos", sa.Integer(), nullable=True))
    op.add_column("accounts", sa.Column("expires_at", sa.Float(), nullable=True))
    op.add_column("accounts", sa.Column("refresh_token", sa.LargeBinary(), nullable=True))
    op.add_column("accounts", sa.Column("refresh_url", sa.String(length=2000), nullable=True))
    op.add_column("accounts", sa.Column("client_id", sa.String(length=200), nullable=True))
    op.add_column("jobs", sa.Column("worker", sa.String(length=40), nullable=True))
    op.add_column("jobs", sa.Column("request_id", sa.String(length=40), nullable=True))
    op.add_column("jobs", sa.Column("groups", sa.LargeBinary(), server_default="[]", nullable=False))
    op.add_column("jobs", sa.Column("price", sa.LargeBinary(), nullable=True))
    op.create_index("ix_jobs_completed_at", "jobs", ["completed_at"], unique=False)
    op.add_column("keys", sa.Column("expires_at", sa.Float(), nullable=True))
    op.add_column("keys", sa.Column("old_hash", sa.String(length=64), nullable=True))
    op.add_column("keys", sa.Column("old_until", sa.Float(), nullable=True))
    op.add_column("keys", sa.Column("last_used_at", sa.Float(), nullable=True))
    op.add_column("keys", sa.Column("limits", sa.LargeBinary(), server_default="{}", nullable=False))
    op.add_column("tasks", sa.Column("asked_at", sa.Float(), nullable=True))
    op.add_column("tasks", sa.Column("waited_for", sa.Text(), nullable=True))
    op.add_column("tasks", sa.Column("proxy", sa.String(length=200), nullable=True))
    op.add_column("tasks", sa.Column("progressed_at", sa.Float(), nullable=True))
    op.add_column("tasks", sa.Column("made_at", sa.Float(), nullable=True))
