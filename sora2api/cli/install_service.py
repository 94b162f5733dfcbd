"""`sora2api install-service`: the units of a systemd service for the program that runs this command."""

import os
from collections.abc import Mapping
from pathlib import Path

import click

from sora2api.cli.ending import print_json
from sora2api.cli.failures import failures_told
from sora2api.cli.service_unit import NAME, STATE, Program, check_seen, socket_unit, system_unit, user_unit
from sora2api.errors import Sora2ApiError
from sora2api.settings import data_folder


class NotRoot(Sora2ApiError):
    """Only root installs a service of the system's: say it with sudo, or install one of your own with --user."""

    code = "not_root"


class UnitChanged(Sora2ApiError):
    """A unit is there already, and is another one."""

    code = "unit_changed"


@click.command("install-service")
@click.option("--user", is_flag=True, help="A service of your own, which needs no root.")
@click.option("--data-dir", type=click.Path(file_okay=False), help="Where state is kept, if not in its usual place.")
@click.option("--socket", is_flag=True, help="Let systemd listen, so that a restart refuses nobody.")
@click.option("--print", "only_print", is_flag=True, help="Print the units, and install nothing.")
@click.option("--force", is_flag=True, help="Overwrite units that have been changed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, user: bool, data_dir: str | None, socket: bool, only_print: bool, force: bool, as_json: bool) -> None:
    """Install a systemd service for this program, and say how to start it."""
    with failures_told():
        program, data = Program.running(), data_folder(data_dir) if user or data_dir else None
        service = user_unit(program, data_folder(data_dir)) if user else system_unit(program, data)
        units = {f"{NAME}.service": service} | ({f"{NAME}.socket": socket_unit()} if socket else {})
        if only_print:
            _print(units, as_json=as_json)
            return
        folder = _folder(user=user)
        if not user:
            check_seen(program)
        _install(units, folder, force=force)
    _say(folder, units, data or STATE, user=user, as_json=as_json)


def _print(units: Mapping[str, str], *, as_json: bool) -> None:
    if as_json:
        print_json(units)
    else:
        click.echo("\n".join(units.values()), nl=False)


def _folder(*, user: bool) -> Path:
    """Where units are looked for."""
    if user:
        return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"
    if os.geteuid() != 0:
        raise NotRoot
    return Path("/etc/systemd/system")


def _install(units: Mapping[str, str], folder: Path, *, force: bool) -> None:
    """Write all *units*, or none where one is there that would be lost."""
    for name, text in units.items():
        path = folder / name
        if path.exists() and path.read_text(encoding="utf-8") != text and not force:
            raise UnitChanged(f"{path} is there and differs (see it with --print); --force overwrites it.")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in units.items():
        draft = folder / f".{name}.new"
        draft.write_text(text, encoding="utf-8")
        draft.chmod(0o644)
        draft.replace(folder / name)


def _say(folder: Path, units: Mapping[str, str], data: Path, *, user: bool, as_json: bool) -> None:
    systemctl = "systemctl --user" if user else "systemctl"
    following = [f"{systemctl} daemon-reload", f"{systemctl} enable --now {' '.join(reversed(tuple(units)))}"]
    following += ["loginctl enable-linger"] if user else []
    following += [f"{systemctl} status {NAME}.service", f"cat {data / 'first-login.txt'}"]
    if as_json:
        print_json({"units": [str(folder / name) for name in units], "next": following})
        return
    for name in units:
        click.echo(f"Written: {folder / name}")
    click.echo("Now run:")
    for line in following:
        click.echo(f"  {line}")
