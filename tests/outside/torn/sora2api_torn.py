"""A module that fails when it is imported."""

raise RuntimeError("a page is missing")
