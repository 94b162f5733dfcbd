"""`sora2api job`: the jobs that clients asked for."""

import click

from sora2api.cli import history, steering, watching


@click.group("job")
def command() -> None:
    """The jobs that clients asked for. A running server takes changes over within two seconds."""


for each in (*history.COMMANDS, watching.watch, *steering.COMMANDS):
    command.add_command(each)
