"""The tables. Times are seconds since the epoch, as floats; JSON columns hold what msgspec encodes."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# `SEALED` columns hold what `store/secrets.py` has sealed: a new key seals them all anew.

SEALED: Final = {"sealed": True}

secrets = Table(
    "secrets",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", LargeBinary, nullable=False, info=SEALED),
)

# What a running server holds in memory; `revision` is bumped with every change, so that it looks again.

revision = Table(
    "revision", metadata, Column("id", Integer, primary_key=True), Column("number", Integer, nullable=False)
)

settings = Table(
    "settings",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, info={"sealed": True}),  # the value, where that may be secret
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    Column("hint", String(16), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("revoked_at", Float),
    Column("expires_at", Float),
    Column("old_hash", String(64)),
    Column("old_until", Float),
    Column("last_used_at", Float),
    Column("limits", LargeBinary, nullable=False, server_default="{}"),
)

users = Table(
    "users",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("password", String(200), nullable=False),
    Column("must_change", Boolean, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("role", String(16), nullable=False, server_default="administrator"),
    Column("totp", LargeBinary, info=SEALED),
    Column("recovery", LargeBinary, nullable=False, server_default="[]"),
    Column("disabled_at", Float),
)

sessions = Table(
    "sessions",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("user_id", String(40), ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("csrf", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
    Column("proved_at", Float),  # when the password was last given
    Column("address", String(64)),
    Column("agent", String(200)),
)

panel_keys = Table(
    "panel_keys",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    Column("hint", String(16), nullable=False),
    Column("role", String(16), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("last_used_at", Float),
    Column("revoked_at", Float),
)

audit = Table(
    "audit",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("created_at", Float, nullable=False),
    Column("user", String(100), nullable=False),
    Column("address", String(64), nullable=False),
    Column("operation", String(64), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("outcome", String(64), nullable=False),
    Column("before", LargeBinary),
    Column("after", LargeBinary),
    Index("ix_audit_created_at", "created_at", "id"),
    Index("ix_audit_operation_created_at", "operation", "created_at", "id"),
    Index("ix_audit_user_created_at", "user", "created_at", "id"),
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("driver", String(64), nullable=False),
    Column("base_url", String(2000), nullable=False),
    Column("token", LargeBinary, info=SEALED),
    Column("proxy", LargeBinary, info=SEALED),
    Column("image_slots", Integer, nullable=False),
    Column("video_slots", Integer, nullable=False),
    Column("weight", Float, nullable=False),
    Column("remake_lost", Boolean, nullable=False),
    Column("settings", LargeBinary, nullable=False),
    Column("sandbox", Boolean, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("models", LargeBinary, nullable=False),
    Column("checked_at", Float),
    Column("set_aside", String(64)),
    Column("set_aside_at", Float),
    Column("rests_until", Float),
    Column("created_at", Float, nullable=False),
    Column("removed_at", Float),
    Column("groups", LargeBinary, nullable=False, server_default="[]"),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("calls_a_minute", Integer),
    Column("daily_images", Integer),
    Column("daily_videos", Integer),
    Column("expires_at", Float),
    Column("refresh_token", LargeBinary, info=SEALED),
    Column("refresh_url", String(2000)),
    Column("client_id", String(200)),
)

proxies = Table(
    "proxies",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("url", LargeBinary, nullable=False, info=SEALED),
    Column("enabled", Boolean, nullable=False),
    Column("checked_at", Float),
    Column("latency", Float),
    Column("down", String(64)),
    Column("down_at", Float),
    Column("created_at", Float, nullable=False),
    Column("removed_at", Float),
)

spread = Table(
    "spread",
    metadata,
    Column("account_id", String(40), primary_key=True),  # empty: the server's own calls
    Column("proxy_id", String(40), nullable=False),
)

models = Table(
    "models",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("entry", LargeBinary, nullable=False),
)

# Jobs and what they leave.

FAILED: Final = "status NOT IN ('queued', 'in_progress', 'completed')"
"""The jobs that are in the index of those: its words, by which SQLite knows it, and which no other index answers."""

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(48), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("owner", String(40), nullable=False),
    Column("mode", String(64), nullable=False),
    Column("mode_version", String(64), nullable=False),
    Column("model", String(200), nullable=False),
    Column("prompt", Text, nullable=False),
    Column("size", String(16), nullable=False),
    Column("seconds", Float),
    Column("source", String(48)),
    Column("request", LargeBinary, nullable=False),
    Column("plan", LargeBinary, nullable=False),
    Column("status", String(16), nullable=False),
    Column("progress", Integer, nullable=False),
    Column("error", LargeBinary),
    Column("outputs", LargeBinary),
    Column("engine", String(64)),
    Column("share_id", String(40), unique=True),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("completed_at", Float),
    Column("expires_at", Float),
    Column("cancel_at", Float),
    Column("digest", String(64), nullable=False),
    Column("answered", Boolean, nullable=False),
    Column("worker", String(40)),
    Column("request_id", String(40)),
    Column("groups", LargeBinary, nullable=False, server_default="[]"),
    Column("price", LargeBinary),
    Column("sandbox", Boolean, nullable=False, server_default=false()),
    Index("ix_jobs_completed_at", "completed_at"),
    Index("ix_jobs_created_at", "created_at", "id"),
    Index("ix_jobs_failed", "created_at", "id", sqlite_where=text(FAILED)),
    Index("ix_jobs_model_created_at", "model", "created_at", "id"),
    Index("ix_jobs_owner_created_at", "owner", "created_at", "id"),
    Index("ix_jobs_owner_kind_created_at", "owner", "kind", "created_at", "id"),
    Index("ix_jobs_owner_digest", "owner", "digest"),
    Index("ix_jobs_status_created_at", "status", "created_at", "id"),
)

workers = Table(
    "workers",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("host", String(200), nullable=False),
    Column("process", Integer, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("owner", String(40), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("job_id", String(48), ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", Float, nullable=False, index=True),
)

steps = Table(
    "steps",
    metadata,
    Column("job_id", String(48), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("result", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("job_id", String(48), nullable=False, index=True),  # no foreign key: a live task outlives a deleted job
    Column("step", String(200), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("account_id", String(40), ForeignKey("accounts.id"), nullable=False),
    Column("slot", String(8), nullable=False),
    Column("make", String(16), nullable=False),
    Column("model", String(200), nullable=False),
    Column("parameters", LargeBinary, nullable=False),
    Column("engine_task", String(500)),
    Column("result", LargeBinary),
    Column("error", LargeBinary),
    Column("asked_at", Float),
    Column("waited_for", Text),
    Column("intended_at", Float, nullable=False),
    Column("proxy", String(200)),
    Column("submitted_at", Float),
    Column("progressed_at", Float),
    Column("made_at", Float),
    Column("ended_at", Float),
    UniqueConstraint("job_id", "step", "attempt"),
    Index("ix_tasks_account_id_engine_task", "account_id", "engine_task"),
    Index("ix_tasks_account_id_ended_at", "account_id", "ended_at"),
    Index("ix_tasks_ended_at", "ended_at"),
)

events = Table(
    "events",
    metadata,
    Column("job_id", String(48), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

assets = Table(
    "assets",
    metadata,
    Column("id", String(48), primary_key=True),
    Column("owner", String(40), nullable=False),
    Column("job_id", String(48), index=True),
    Column("role", String(16), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("bytes", Integer, nullable=False),
    Column("content_type", String(64), nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("seconds", Float),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, index=True),
)

files = Table(
    "files",
    metadata,
    Column("id", String(48), primary_key=True),
    Column("owner", String(40), nullable=False),
    Column("asset_id", String(48), ForeignKey("assets.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("name", String(255), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("created_at", Float, nullable=False),
    Index("ix_files_owner_created_at", "owner", "created_at", "id"),
)

characters = Table(
    "characters",
    metadata,
    Column("id", String(48), primary_key=True),
    Column("owner", String(40), nullable=False),
    Column("name", String(100), nullable=False),
    Column("job_id", String(48), index=True),
    Column("temporary", Boolean, nullable=False),
    Column("character", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("owner", "name"),
)

# Webhooks: who wants to be told, and what is still to be told.

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("id", String(48), primary_key=True),
    Column("owner", String(40), nullable=False),
    Column("name", String(200), nullable=False),
    Column("url", String(2000), nullable=False),
    Column("event_types", LargeBinary, nullable=False),
    Column("secret", LargeBinary, nullable=False, info=SEALED),
    Column("hint", String(16), nullable=False),
    Column("old_secret", LargeBinary, info=SEALED),
    Column("old_until", Float),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("disabled_at", Float),
    Index("ix_webhook_endpoints_owner_created_at", "owner", "created_at", "id"),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", String(48), primary_key=True),
    Column("endpoint_id", String(48), ForeignKey("webhook_endpoints.id", ondelete="CASCADE")),
    Column("owner", String(40), nullable=False),
    Column("lane", String(300), nullable=False),
    Column("url", String(2000)),
    Column("body", LargeBinary, nullable=False),
    Column("status", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("status_code", Integer),
    Column("error", String(500)),
    Column("created_at", Float, nullable=False),
    Column("began_at", Float, nullable=False),
    Column("due_at", Float),
    Column("ended_at", Float, index=True),
    Index("ix_webhook_deliveries_due_at", "due_at", "lane"),
    Index("ix_webhook_deliveries_lane_due_at", "lane", "due_at"),
    Index("ix_webhook_deliveries_endpoint_id_created_at", "endpoint_id", "created_at", "id"),
    Index("ix_webhook_deliveries_owner_created_at", "owner", "created_at"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("kind", String(32), primary_key=True),
    Column("subject", String(100), primary_key=True),
    Column("reason", String(500), nullable=False),
    Column("since", Float, nullable=False),
    Column("told_at", Float, nullable=False),
    Column("ended_at", Float),
)

# What was asked, what it cost, and what was asked of engines for it. Days are those of UTC; costs in millionths.

usage = Table(
    "usage",
    metadata,
    Column("key_id", String(40), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("account_id", String(40), primary_key=True),
    Column("model", String(200), primary_key=True),
    Column("code", String(64), primary_key=True),  # of the failure; empty: completed
    Column("jobs", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("images", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
    Index("ix_usage_day", "day"),
)

figures = Table(
    "figures",
    metadata,
    Column("hour", Integer, primary_key=True),  # since the epoch
    Column("of", String(16), primary_key=True),  # what is counted, as `jobs/figures.py` has it
    Column("name", String(200), primary_key=True),
    Column("jobs", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("cost", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

UNSTORED: Final = "mode IS NOT NULL AND stored IS NULL"
"""The requests that made jobs whose end they do not know: few at any time, and in an index of their own."""

requests = Table(
    "requests",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("at", Float, nullable=False),
    Column("key_id", String(40)),
    Column("address", String(64)),
    Column("method", String(10), nullable=False),
    Column("path", String(500), nullable=False),
    Column("status", Integer),
    Column("code", String(64)),
    Column("bytes_in", BigInteger),
    Column("bytes_out", BigInteger),
    Column("replied", Float),  # seconds after `at`, as all that follow
    Column("job_id", String(48)),
    Column("mode", String(64)),
    Column("model", String(200)),
    Column("account", String(100)),
    Column("proxy", String(200)),
    Column("prompt", Text),
    Column("queued", Float),
    Column("submitted", Float),
    Column("progressed", Float),
    Column("made", Float),
    Column("stored", Float),
    Index("ix_requests_at", "at", "id"),
    Index("ix_requests_key_id_at", "key_id", "at", "id"),
    Index("ix_requests_unstored", "stored", "job_id", sqlite_where=text(UNSTORED)),
    # What most requests do not have costs them nothing.
    *(
        Index(f"ix_requests_{name}_at", name, "at", "id", sqlite_where=text(f"{name} {has}"))
        for name, has in (
            ("status", "<> 200"),
            ("code", "IS NOT NULL"),
            ("job_id", "IS NOT NULL"),
            ("mode", "IS NOT NULL"),
            ("model", "IS NOT NULL"),
            ("account", "IS NOT NULL"),
        )
    ),
)

request_bodies = Table(
    "request_bodies",
    metadata,
    Column("request_id", String(40), ForeignKey("requests.id", ondelete="CASCADE"), primary_key=True),
    Column("request", LargeBinary),
    Column("reply", LargeBinary),
)

calls = Table(
    "calls",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("request_id", String(40)),
    Column("job_id", String(48)),
    Column("account_id", String(40), nullable=False),
    Column("proxy", String(200)),
    Column("method", String(10), nullable=False),
    Column("url", String(500), nullable=False),
    Column("status", Integer),
    Column("code", String(64)),
    Column("took", Float, nullable=False),
    Column("bytes_sent", BigInteger),
    Column("bytes_received", BigInteger),
    Index("ix_calls_at", "at"),
    Index("ix_calls_job_id", "job_id"),
    Index("ix_calls_request_id", "request_id"),
)
