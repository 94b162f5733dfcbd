"""`sora2api generate`: an image or a video of any server in the OpenAI shape, into a file."""

import asyncio
import shlex
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import IO, Any, Final

import click
from msgspec import Struct
from msgspec.structs import asdict, replace

from sora2api.cli.bars import Bar, Bars
from sora2api.cli.ending import INTERRUPTED, CommandFailed, ServerAway, code_of, message_of, print_json, sentence
from sora2api.cli.making import JobFailed, Made, Target, fetched, files, followed, kind_of, submit
from sora2api.cli.note import Note, Taken
from sora2api.cli.orders import Kind, Order, shot
from sora2api.cli.remote import Remote, Unreached
from sora2api.cli.server_options import OUT, OUTPUT, key_for, key_option, patience_option, server_option
from sora2api.errors import Sora2ApiError

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


class Run(Struct, kw_only=True):
    """One run of the command. *begun* has the jobs that the server has taken, and where their files go.

    On Ctrl-C those *cancelled* are told, and why others could not be (*refused*, by job).
    """

    server: str
    key: str | None
    patience: float
    output: Path | None
    wait: bool
    cancel: bool
    quiet: bool
    begun: list[tuple[str, Target]] = []
    targets: list[Target] = []
    cancelled: list[str] = []
    refused: dict[str, str] = {}


@click.command("generate")
@click.argument("prompt", required=False, default="")
@click.option("--model", help="The model; else the server's own for videos.")
@click.option("--makes", type=click.Choice(["image", "video"]), help="What it makes, where the server is silent.")
@click.option("--image", "images", type=_FILE, multiple=True, help="A picture to begin with, or to change; repeatable.")
@click.option("--video", type=_FILE, help="A video to change.")
@click.option("--remix", metavar="ID", help="A video to make anew with a change, by its id, share id or share link.")
@click.option("--shot", "shots", multiple=True, metavar="'SECONDS: WORDS'", help="A shot of a storyboard; repeatable.")
@click.option("--shots", "listed", type=click.File(), metavar="FILE", help="A storyboard: a shot a line, as --shot.")
@click.option("--character", "characters", multiple=True, metavar="@NAME|ID", help="Who is in it; may be repeated.")
@click.option("--size", metavar="WxH", help="As in 1280x720; else the model's own.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="How long; else the model's own.")
@click.option("-n", type=click.IntRange(1, 10), default=1, show_default=True, help="How many.")
@click.option("-o", "--output", type=OUTPUT, help="The file; -: standard output; else a new one.")
@click.option("--no-wait", is_flag=True, help="Say the job's id, and do not wait for it.")
@click.option("--cancel-on-interrupt", is_flag=True, help="Ctrl-C cancels what was begun.")
@server_option(here=True)
@key_option
@patience_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end, and show no bar.")
def command(
    *,
    prompt: str,
    makes: Kind | None,
    shots: Sequence[str],
    listed: IO[str] | None,
    server: str,
    key: str | None,
    patience: float,
    output: Path | None,
    no_wait: bool,
    cancel_on_interrupt: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Have an image or a video made of PROMPT, and fetch it.

    Broken off, the same command goes on with the same job, and with the rest of its file.
    """
    written = [*shots, *(line for line in listed or () if line.strip())]
    order = Order(prompt=" ".join([*filter(None, [prompt.strip()]), *map(_shot, written)]), **given)
    if not order.prompt:
        raise click.UsageError("Say what to make: PROMPT, --shot or --shots.")
    if output == OUT and order.n > 1:
        raise click.UsageError("Standard output takes one file: leave -n away.")
    if output == OUT and as_json:
        raise click.UsageError("Standard output takes the file or JSON: leave one away.")
    run = Run(
        server=server,
        key=key_for(server, key),
        patience=patience,
        output=output,
        wait=not no_wait,
        cancel=cancel_on_interrupt,
        quiet=as_json,
    )
    _end(run, order, makes, as_json=as_json)


def _shot(line: str) -> str:
    said = shot(line)
    if said is None:
        raise click.UsageError(f"A shot is its seconds and words, as in '5: a balloon rises', not {line.strip()!r}.")
    return said


def _end(run: Run, order: Order, makes: Kind | None, *, as_json: bool) -> None:
    """Carry it out, say what came of it, and end with the status that says so too."""
    made: list[Made] = []
    trouble: Sora2ApiError | OSError | None = None
    try:
        made, trouble = asyncio.run(_made(run, order, makes))
    except (Sora2ApiError, OSError) as error:
        trouble = error
    except KeyboardInterrupt:
        _tell_interrupted(run, as_json=as_json)
        raise SystemExit(INTERRUPTED) from None
    if as_json:
        print_json({"server": run.server, "made": [asdict(each) for each in made], "error": _said(trouble)})
    else:
        for each in made:
            _tell(each)
    if trouble is not None:
        _tell_how_to_go_on(run)
        failed = ServerAway if isinstance(trouble, Unreached) else CommandFailed
        raise failed(sentence(trouble))


async def _made(run: Run, order: Order, makes: Kind | None) -> tuple[list[Made], Sora2ApiError | OSError | None]:
    """What was made, and the first thing that went wrong."""
    with Bars(wanted=not run.quiet) as bars:
        async with Remote(run.server, run.key, patience=run.patience) as remote:
            kind = makes or await kind_of(remote, order.model)
            digest = await asyncio.to_thread(order.digest, str(remote.url))
            run.targets = await asyncio.to_thread(_targets, run.output, order, kind, digest)
            try:
                if kind == "image":
                    parts = [_one(run, remote, bars, kind, order, run.targets)]
                else:
                    single = replace(order, n=1)
                    parts = [_one(run, remote, bars, kind, single, [target]) for target in run.targets]
                ended = await asyncio.gather(*parts, return_exceptions=True)
            except asyncio.CancelledError:
                if run.cancel:
                    await _cancel(run, remote)
                raise
    made = [each for part in ended if isinstance(part, list) for each in part]
    await asyncio.to_thread(_clear, run.targets)
    return made, _first_trouble(ended)


async def _one(run: Run, remote: Remote, bars: Bars, kind: Kind, order: Order, targets: Sequence[Target]) -> list[Made]:
    """Have one order made, and its files fetched; what a run before has fetched stays as it is."""
    if all(target.note.done for target in targets):
        return [Made(job=target.note.job, file=str(target.path)) for target in targets]
    bar = bars.add(order.prompt if targets[0].path is None else targets[0].path.name)
    remote.on_trouble = bar.say
    bar.say("is asked for")
    answer = await submit(remote, kind, order, targets[0])
    if kind == "image" or "choices" in answer:
        return await files(remote, answer, targets, bar)

    return [await _video(run, remote, answer, targets[0], bar)]


async def _video(run: Run, remote: Remote, answer: dict[str, Any], target: Target, bar: Bar) -> Made:
    target.note.job = str(answer["id"])
    run.begun.append((target.note.job, target))
    await asyncio.to_thread(target.keep)
    if not run.wait:
        target.note.done = True
        return Made(job=target.note.job)
    try:
        answer = await followed(remote, answer, bar)
    except JobFailed:
        run.begun.remove((target.note.job, target))
        await asyncio.to_thread(target.note.remove)
        raise
    return await fetched(remote, answer, target, bar)


def _targets(output: Path | None, order: Order, kind: Kind, digest: str) -> list[Target]:
    """Where the files go. Of names that were not given, those that are free, or that this very order has begun."""
    if output == OUT:
        return [Target(None, Note.beside(Path(f".{digest[:16]}"), request=digest))]
    if output is not None:
        numbered = [output] if order.n == 1 else [_numbered(output, number + 1) for number in range(order.n)]
        return [Target(path, Note.beside(path, request=digest)) for path in numbered]
    found: Iterator[Target] = filter(None, (_free(Path(order.file_name(kind, each)), digest) for each in count(1)))
    return [next(found) for _ in range(order.n)]


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}-{number}{path.suffix}")


def _free(path: Path, digest: str) -> Target | None:
    try:
        note = Note.beside(path, request=digest)
    except Taken:
        return None
    return None if path.exists() and not note.sent else Target(path, note)


def _clear(targets: Sequence[Target]) -> None:
    """Take the notes away, unless something is to be gone on with."""
    if all(target.note.done or not target.note.path.exists() for target in targets):
        for target in targets:
            target.note.remove()


async def _cancel(run: Run, remote: Remote) -> None:
    """Cancel what was begun. What cannot be cancelled keeps its note, and does not keep the rest from it."""
    for job, target in _going(run):
        try:
            await remote.cancel(job)
        except Sora2ApiError as error:
            run.refused[job] = message_of(error)
        else:
            run.cancelled.append(job)
            target.note.remove()


def _going(run: Run) -> list[tuple[str, Target]]:
    """The jobs that go on at the server."""
    return [(job, target) for job, target in run.begun if not target.note.done and job not in run.cancelled]


def _unanswered(run: Run) -> bool:
    """Whether the server was asked for something without having said its job."""
    begun = [target for _, target in run.begun]
    others = [target for target in run.targets if target not in begun and not target.note.done]
    return any(each.note.sent and (each.path is None or each.note.path.exists()) for each in others)


def _first_trouble(ended: Sequence[Any]) -> Sora2ApiError | OSError | None:
    troubles = [each for each in ended if isinstance(each, BaseException)]
    for trouble in troubles:
        if not isinstance(trouble, Sora2ApiError | OSError):
            raise trouble
    return next((each for each in troubles if isinstance(each, Sora2ApiError | OSError)), None)


# What is said.


def _tell(made: Made) -> None:
    """The file's name, or the job's id where there is none."""
    if made.file is not None:
        click.echo(made.file)
    elif made.size is None:
        click.echo(made.job)


def _tell_interrupted(run: Run, *, as_json: bool) -> None:
    if as_json:
        jobs = [asdict(Made(job=job, file=str(target.path or "-"))) for job, target in run.begun]
        print_json({"server": run.server, "made": jobs, "error": {"code": "interrupted", "message": "Interrupted."}})
    if run.cancel:
        _tell_cancelled(run)
    _tell_how_to_go_on(run)


def _tell_cancelled(run: Run) -> None:
    if not _going(run) and not _unanswered(run):
        click.echo("\nCancelled.", err=True)
    elif run.cancelled:
        click.echo(f"\nCancelled: {', '.join(run.cancelled)}.", err=True)
    for job, why in run.refused.items():
        click.echo(f"\n{job} was not cancelled: {why}", err=True)
    if _unanswered(run):
        click.echo("\nThe server may be making what it was asked for: it had not said a job to cancel.", err=True)


def _tell_how_to_go_on(run: Run) -> None:
    going = _going(run)
    for job, target in going:
        where = ["-o", str(target.path)] if target.path is not None else []
        click.echo(f"\n{job} goes on without us. To come back to it:", err=True)
        click.echo("  " + shlex.join(["sora2api", "job", "watch", job, "--server", run.server, *where]), err=True)
    if (_unanswered(run) or not going) and any(target.note.path.exists() for target in run.targets):
        anew = " What was cancelled it asks for anew." if run.cancelled else ""
        click.echo(f"\nRun the same command again: it goes on with what was asked.{anew}", err=True)


def _said(trouble: Sora2ApiError | OSError | None) -> dict[str, str] | None:
    return None if trouble is None else {"code": code_of(trouble), "message": message_of(trouble)}
