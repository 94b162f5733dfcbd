"""The tasks of one job as its ways order them: what each needs of an account, and how long it waits for one."""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from sora2api.accounts import Need, Pool
from sora2api.drivers import Capability, File, Work
from sora2api.errors import TaskLost, UnsupportedFeature
from sora2api.jobs.live import LiveJob
from sora2api.jobs.records import TaskRecord
from sora2api.jobs.tasks import Spec, Tasks
from sora2api.modes import Clip, Result

OnProgress = Callable[[float], None]
"""Called with how far a step is, 0 to 1."""

Capabilities = frozenset[Capability]


def able(*capabilities: Capability) -> Capabilities:
    return frozenset(capabilities)


def able_to_show(pictures: Sequence[object]) -> Capabilities:
    """What makes a clip with that many *pictures*, the first of which it begins on."""
    if not pictures:
        return able("clip")
    return able("clip", "first_frame") if len(pictures) == 1 else able("clip", "first_frame", "references")


class Orders:
    """Has tasks done by whichever account can. *patience* bounds the waits that have a way out, in seconds."""

    def __init__(self, job: LiveJob, *, pool: Pool, tasks: Tasks, patience: float) -> None:
        self._job = job
        self._pool = pool
        self._tasks = tasks
        self._patience = patience

    def could(self, capabilities: Capabilities, *, account: str | None = None, engine_model: str | None = None) -> bool:
        """Whether an account in use has a video model with these, be it free or not."""
        need = Need(
            model=self._job.record.model,
            slot="video",
            capabilities=capabilities,
            account=account,
            engine_model=engine_model,
            groups=self._job.record.groups,
            sandbox=self._job.record.sandbox,
        )
        return self._pool.could_serve(need)

    def begun(self, name: str) -> TaskRecord | None:
        """The task of that name that an engine has done, has, or may have."""
        return next((task for task in self._job.tasks if task.step == name and task.error is None), None)

    def accepted(self, name: str) -> bool:
        """Whether an engine ever took a task of that name."""
        return any(task.engine_task is not None for task in self._job.tasks if task.step == name)

    async def do(
        self,
        name: str,
        work: Work,
        capabilities: Capabilities,
        tell: OnProgress,
        *,
        account: str | None = None,
        engine_model: str | None = None,
        native: bool = False,
    ) -> Result:
        """Have a task done, once in the job's life.

        Raises `AccountUnavailable` after a bounded wait where it is *native* and somebody else could compose it, or
        where no account in use has the *engine_model* any more.
        """
        need = Need(
            model=self._job.record.model,
            slot="image" if work.make == "image" else "video",
            capabilities=capabilities,
            account=account,
            engine_model=engine_model,
            groups=self._job.record.groups,
            sandbox=self._job.record.sandbox,
        )
        bounded = native and self._composable_elsewhere(work, need)
        if self.begun(name) is None and not self._pool.could_serve(need):
            if engine_model is None:
                raise UnsupportedFeature(f"No engine in use can do this: {', '.join(sorted(capabilities))}.")
            bounded = True
        spec = Spec(name=name, need=need, work=work, patience=self._patience if bounded else None)
        task = await self._tasks.do(self._job, spec, lambda percent: tell(percent / 100))
        if task.result is None:
            raise TaskLost
        return task.result

    async def clip(
        self,
        name: str,
        clip: Clip,
        pictures: Sequence[File],
        tell: OnProgress,
        *,
        also: Capabilities = frozenset(),
        characters: Sequence[str] = (),
        account: str | None = None,
        engine_model: str | None = None,
    ) -> Result:
        """Have a clip made by a model that can do *also* what the job's other clips need."""
        work = Work(
            make="clip",
            key="",
            prompt=clip.prompt,
            size=clip.size,
            seconds=clip.seconds,
            images=tuple(pictures),
            characters=tuple(characters),
            extra=clip.extra,
        )
        capabilities = able_to_show(pictures) | also
        return await self.do(
            name, work, capabilities, tell, account=account, engine_model=engine_model, native=account is not None
        )

    def _composable_elsewhere(self, work: Work, need: Need) -> bool:
        """Whether another account could make it of smaller steps; a character's pictures need no account at all."""
        composing = replace(need, capabilities=able("clip"), account=None, engine_model=None)
        others = {account.id for account, _ in self._pool.candidates(composing)}
        return work.make == "cast" or bool(others - {account.id for account, _ in self._pool.candidates(need)})
