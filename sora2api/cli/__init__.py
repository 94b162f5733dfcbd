"""The command line: one module a command, imported only when it is called, so that --help is instant."""

import importlib

import click
from click.shell_completion import CompletionItem

from sora2api.cli.ending import INTERRUPTED, CommandFailed
from sora2api.errors import Sora2ApiError

COMMANDS = {
    "serve": "Run the server.",
    "generate": "Have an image or a video made by any server in the OpenAI shape, into a file.",
    "sandbox": "Run the sandbox engine alone.",
    "account": "The accounts at engines: add, change, list, show, test, remove, restore, import, export, …",
    "proxy": "The proxies of accounts: add, change, list, assign, remove, enable, disable, test.",
    "key": "The API keys of clients and their limits: create, list, show, change, rotate, revoke.",
    "panel-key": "The keys of the admin API, which does what the panel does: list, create, revoke.",
    "catalog": "The models: what each makes and costs, and who serves it: list, show, set, unset.",
    "usage": "What was made, by day, key, account and model.",
    "secrets": "The key that secrets are sealed with, and what alerts are signed with: rotate, alerts.",
    "job": "The jobs that clients asked for: list, show, watch, pause, resume, cancel.",
    "log": "The requests of clients, and the calls to engines made for them: list, show, tail, export.",
    "user": "The users of the panel: list, add, change, disable, enable, remove, their passwords and sessions.",
    "webhook": "The webhook endpoints of all keys, and alerts: list, show, enable, disable, remove, again, alerts.",
    "settings": "The settings: list, get, set, unset.",
    "backup": "Back the data directory up, while the server runs.",
    "restore": "Put a backup back.",
    "db": "The database: current, upgrade, vacuum, check.",
    "doctor": "What is wrong with an installation, and what to do.",
    "plugin": "The plugins that are installed, and what became of each.",
    "install-service": "Install a systemd service for this program.",
    "completion": "Completion for your shell: bash, zsh, fish.",
}
ALSO = {"model": "catalog", "logs": "log"}
"""Other names that people try."""


class LazyGroup(click.Group):
    """Finds a command's module by its name; each module holds a click command called `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = ALSO.get(cmd_name, cmd_name)
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"sora2api.cli.{name.replace('-', '_')}").command
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; what it was given and cannot be used becomes one line, not a traceback."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            raise SystemExit(INTERRUPTED) from None
        except Sora2ApiError as error:
            raise CommandFailed(str(error)) from error
        except UnicodeDecodeError as error:
            raise CommandFailed(f"A file that was named is no text in UTF-8: {error}.") from error
        except OverflowError as error:
            raise CommandFailed(f"A number is too large: {error}.") from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Where there is no such command, those of the table that are spelt alike are named."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(error.command_name, possibilities=COMMANDS, ctx=ctx) from None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands by the table, so that none is imported for its name."""
        named = [CompletionItem(name, help=said) for name, said in COMMANDS.items() if name.startswith(incomplete)]
        return [*named, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sora2api")
def main() -> None:
    """Keeps the Sora API alive: OpenAI-format image and video requests, answered by the engines of today."""
