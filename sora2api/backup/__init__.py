"""Backups: a data directory in one file, taken while the server runs, and put back elsewhere."""
