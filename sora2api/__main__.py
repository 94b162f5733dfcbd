"""`python -m sora2api` is the same as `sora2api`."""

from sora2api.cli import main

main(prog_name="sora2api")
