"""What is seen of jobs as they go: a bar each on a terminal, nothing elsewhere. It goes to standard error."""

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_WIDTH: Final = 40


class Bars:
    """The bars, while their context is open. *wanted* or not, there are none where nobody sees them."""

    def __init__(self, *, wanted: bool) -> None:
        self._progress = _shown() if wanted and sys.stderr.isatty() else None

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def add(self, name: str) -> "Bar":
        if self._progress is None:
            return Bar(None, None)
        return Bar(self._progress, self._progress.add_task("", total=None, name=name[:_WIDTH]))


def _shown() -> "Progress":
    from rich import progress
    from rich.console import Console

    name, words = progress.TextColumn("{task.fields[name]}"), progress.TextColumn("{task.description}")
    columns = (name, progress.BarColumn(), progress.TaskProgressColumn(), progress.TimeElapsedColumn(), words)
    return progress.Progress(*columns, console=Console(stderr=True))


class Bar:
    """One bar; of what is not known how far it is, it moves to and fro."""

    def __init__(self, progress: "Progress | None", task: "TaskID | None") -> None:
        self._progress = progress
        self._task = task

    def say(self, text: str, *, percent: int | None = None) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=text)
            if percent is not None:
                self._progress.update(self._task, completed=percent, total=100)

    def received(self, count: int, total: int | None) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description="is fetched", completed=count, total=total)
