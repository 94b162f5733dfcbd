"""Runs an image that is a directory as a container engine would: read-only, as its user, with a network of its own."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from chroot_build import Image, StepFailed, mounted

_ENTRY: Final = 'ip link set lo up && exec setpriv --no-new-privs chroot --userspec="$0" "$@"'
"""What process 1 is, until it is the image's program."""
_BETWEEN_LOOKS: Final = 0.5


class Container:
    """An image's program while it runs; its process 1 is the program itself."""

    def __init__(self, image: Image, process: subprocess.Popen[bytes]) -> None:
        self._image = image
        self._process = process

    def inside(self, command: Sequence[str], *, said: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command beside the program, as the image's user; *said* is its input."""
        user, group = self._image.user
        there = [f"--target={self._first()}", "--mount", "--net", "--pid", "--root", f"--setuid={user}"]
        return subprocess.run(
            ["nsenter", *there, f"--setgid={group}", *command],
            env=self._image.environment,
            input=said,
            capture_output=True,
            text=True,
            check=False,
        )

    def wait_until_healthy(self, *, seconds: float) -> None:
        """Ask the image's HEALTHCHECK until it is content."""
        began = time.monotonic()
        while (asked := self.inside(self._image.healthcheck)).returncode != 0:
            if self._process.poll() is not None:
                raise StepFailed(f"The program ended with {self._process.returncode}.")
            if time.monotonic() > began + seconds:
                raise StepFailed(f"It is not healthy after {seconds} s: {asked.stderr}")
            time.sleep(_BETWEEN_LOOKS)

    def stop(self, *, seconds: float) -> int:
        """End it as `docker stop` does; its exit status."""
        os.kill(self._first(), signal.SIGTERM)
        return self._process.wait(seconds)

    def _first(self) -> int:
        """The process that is number 1 in there."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        while not (found := children.read_text(encoding="ascii").split()):
            if self._process.poll() is not None:
                raise StepFailed(f"It ended with {self._process.returncode} before it began.")
            time.sleep(_BETWEEN_LOOKS)
        return int(found[0])


@contextmanager
def running(image: Image, *, work: Path, log: Path) -> Iterator[Container]:
    """The image's program, with each of its volumes as a folder in *work*, and what it says in the file *log*."""
    root = work / "container"
    root.mkdir()
    with ExitStack() as stack:
        stack.enter_context(mounted("-o", "bind,ro", image.root, root))
        for folder in ("tmp", "dev/shm"):
            stack.enter_context(mounted("-t", "tmpfs", "tmpfs", root / folder))
        for volume in image.volumes:
            stack.enter_context(mounted("--bind", _volume(image, volume, work), root / volume.lstrip("/")))
        said = stack.enter_context(log.open("wb"))
        user = "{}:{}".format(*image.user)
        own = ["--net", "--pid", "--fork", "--kill-child", f"--mount-proc={root}/proc"]
        command = ["sh", "-c", _ENTRY, user, str(root), *image.entrypoint, *image.command]
        process = subprocess.Popen(
            ["unshare", *own, *command], env=image.environment, stdout=said, stderr=subprocess.STDOUT
        )
        try:
            yield Container(image, process)
        finally:
            process.kill()
            process.wait()


def _volume(image: Image, volume: str, work: Path) -> Path:
    """An empty folder with the owner and the mode that the image's own has, as new volumes get them."""
    own = (image.root / volume.lstrip("/")).stat()
    folder = work / "volumes" / volume.strip("/")
    folder.mkdir(parents=True)
    os.chown(folder, own.st_uid, own.st_gid)
    folder.chmod(own.st_mode & 0o7777)
    return folder
