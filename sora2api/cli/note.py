"""The note beside a file that is being made: what was asked for it, so that a command run again goes on with that."""

import os
import secrets
from pathlib import Path
from typing import Final, Self

import msgspec
from msgspec import Struct

from sora2api.errors import Sora2ApiError

SUFFIX: Final = ".job"


class Taken(Sora2ApiError):
    """Another request is making that file."""

    code = "file_taken"


class Note(Struct, kw_only=True):
    """*request* is the digest of what is asked, of whom; *once* its Idempotency-Key. *sent*: the server may have it.

    *job* is known once it has answered, *etag* once some of the file has come; *done*: the file is whole.
    """

    path: Path
    request: str | None
    once: str
    sent: bool = False
    job: str | None = None
    etag: str | None = None
    done: bool = False

    @classmethod
    def beside(cls, target: Path, *, request: str | None = None, job: str | None = None) -> Self:
        """The note of a file; a new one where there is none. Raises `Taken` where it is of another request, or job."""
        path = target.with_name(target.name + SUFFIX)
        try:
            kept = msgspec.json.decode(path.read_bytes(), type=cls, dec_hook=lambda kind, value: kind(value))
        except FileNotFoundError:
            return cls(path=path, request=request, once=secrets.token_hex(16), job=job)
        except msgspec.DecodeError as error:
            raise Taken(f"{path} is no note of ours: remove it, or name another file.") from error
        if job is not None and kept.job == job:
            return kept
        if request is not None and kept.request == request:
            return kept
        raise Taken(f"Something else is on its way to {target} ({kept.job or path}): go on with it, or remove {path}.")

    def keep(self) -> None:
        """Write it down, durably."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_name(self.path.name + ".new")
        with new.open("wb") as file:
            file.write(msgspec.json.encode(self, enc_hook=str))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
