"""State: tables, the database with its one writer, and secrets at rest."""
