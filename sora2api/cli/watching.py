"""`sora2api job watch`: a job as it goes, of the data directory or of a server, to its end."""

import asyncio
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from sora2api.cli.bars import Bars
from sora2api.cli.ending import INTERRUPTED, CommandFailed, ServerAway, print_json, sentence
from sora2api.cli.server_options import OUT, OUTPUT, key_for, key_option, patience_option, server_option
from sora2api.cli.state import open_state, run, state_options
from sora2api.errors import Sora2ApiError
from sora2api.observe.history import Histories, History, Moment, timeline

_LOOK: Final = 0.5
_UNFINISHED: Final = ("queued", "in_progress")


@click.command()
@click.argument("job_id", metavar="ID")
@server_option(here=False)
@key_option
@click.option("-o", "--output", type=OUTPUT, help="Fetch what it made into this file, by --server; -: standard output.")
@patience_option
@state_options
def watch(
    *,
    job_id: str,
    server: str | None,
    key: str | None,
    output: Path | None,
    patience: float,
    data_dir: Path,
    as_json: bool,
) -> None:
    """Watch a job to its end: one of the data directory, or with --server any that its API key may see."""
    if output == OUT and as_json:
        raise click.UsageError("Standard output takes the file or JSON: leave one away.")
    if server is not None:
        _watch_there(job_id, server, key, output, patience, as_json=as_json)
    elif output is not None:
        raise click.UsageError("-o fetches from a server: name it with --server.")
    else:
        _watch_here(job_id, data_dir, as_json=as_json)


# Of the data directory.


def _watch_here(job_id: str, folder: Path, *, as_json: bool) -> None:
    history = run(_seen(folder, job_id, quiet=as_json))
    if as_json:
        print_json(msgspec.to_builtins(history) | {"timeline": msgspec.to_builtins(timeline(history))})
    if history.job["status"] != "completed":
        error = history.job["error"] or {"message": f"{job_id} was cancelled.", "code": "cancelled"}
        raise CommandFailed(f"{error['message']} ({error['code']})")


async def _seen(folder: Path, job_id: str, *, quiet: bool) -> History:
    """The history of a job that is over, told as it became."""
    told: set[Moment] = set()
    with Bars(wanted=not quiet) as bars:
        bar = bars.add(job_id)
        async with open_state(folder) as database:
            histories = Histories(database)
            while True:
                history = await histories.get(job_id)
                job = history.job
                bar.say(job["status"].replace("_", " "), percent=job["progress"])
                for line in () if quiet else _news(history, told):
                    click.echo(line)
                if job["status"] not in _UNFINISHED:
                    return history
                await asyncio.sleep(_LOOK)


def _news(history: History, told: set[Moment]) -> Iterator[str]:
    """What has happened since, with the seconds after the job was made."""
    for moment in timeline(history):
        if moment not in told:
            told.add(moment)
            yield f"{moment.at - history.job['created_at']:9.3f}  {moment.what}  {moment.detail}".rstrip()


# Of a server.


def _watch_there(
    job_id: str, server: str, key: str | None, output: Path | None, patience: float, *, as_json: bool
) -> None:
    from sora2api.cli.remote import Unreached

    try:
        answer, file = asyncio.run(_followed(job_id, server, key_for(server, key), output, patience, quiet=as_json))
    except KeyboardInterrupt:
        where = ["-o", str(output)] if output else []
        again = shlex.join(["sora2api", "job", "watch", job_id, "--server", server, *where])
        click.echo(f"\n{job_id} goes on without us. To come back to it:\n  {again}", err=True)
        raise SystemExit(INTERRUPTED) from None
    except Unreached as error:
        raise ServerAway(sentence(error)) from error
    except (Sora2ApiError, OSError) as error:
        raise CommandFailed(sentence(error)) from error
    if as_json:
        print_json(answer | {"file": file})
    elif output != OUT:
        click.echo(file or f"{job_id} is completed.")


async def _followed(
    job_id: str, server: str, key: str | None, output: Path | None, patience: float, *, quiet: bool
) -> tuple[dict[str, Any], str | None]:
    """The Video at its end, and the file that it was fetched into."""
    from sora2api.cli.making import Target, fetched, followed
    from sora2api.cli.note import Note
    from sora2api.cli.remote import Remote

    with Bars(wanted=not quiet) as bars:
        bar = bars.add(job_id)
        async with Remote(server, key, patience=patience, on_trouble=bar.say) as remote:
            answer = await followed(remote, await remote.video(job_id), bar)
            if output is None:
                return answer, None
            if output == OUT:
                out = Target(None, Note(path=OUT, request=None, once=""))  # a note that is never kept
                return answer, (await fetched(remote, answer, out, bar)).file
            note = await asyncio.to_thread(Note.beside, output, job=job_id)
            made = await fetched(remote, answer, Target(output, note), bar)
            await asyncio.to_thread(note.remove)
            return answer, made.file
