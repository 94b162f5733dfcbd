"""What the panel looks through: jobs by time, state, model and owner; and how those went that ended, by the hour."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "figures",
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("of", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("jobs", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "of", "name", name=op.f("pk_figures")),
        sqlite_with_rowid=False,
    )
    op.add_column("settings", sa.Column("sealed", sa.LargeBinary(), nullable=True))
    op.add_column("jobs", sa.Column("sandbox", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.drop_index("ix_jobs_status", table_name="jobs")
    op.create_index("ix_jobs_created_at", "jobs", ["created_at", "id"], unique=False)
    failed = sa.text("status NOT IN ('queued', 'in_progress', 'completed')")
    op.create_index("ix_jobs_failed", "jobs", ["created_at", "id"], unique=False, sqlite_where=failed)
    for name in ("model", "owner", "status"):
        op.create_index(f"ix_jobs_{name}_created_at", "jobs", [name, "created_at", "id"], unique=False)
    op.create_index(
        "ix_webhook_deliveries_owner_created_at", "webhook_deliveries", ["owner", "created_at"], unique=False
    )
    unstored = sa.text("mode IS NOT NULL AND stored IS NULL")
    op.create_index("ix_requests_unstored", "requests", ["stored", "job_id"], unique=False, sqlite_where=unstored)
    op.create_index("ix_tasks_account_id_ended_at", "tasks", ["account_id", "ended_at"], unique=False)
    for name in ("operation", "user"):
        op.create_index(f"ix_audit_{name}_created_at", "audit", [name, "created_at", "id"], unique=False)
