"""The disk of the data directory: room for bytes, and for files."""

import os
import shutil
from pathlib import Path
from typing import Final

from sora2api.doctor.finding import Case, Finding, warning, well, wrong

_FEW_FILES: Final = 1000
"""So many more files, and the disk is as good as full."""
_MEBIBYTE: Final = 1024 * 1024


def look(case: Case) -> list[Finding]:
    there = next(path for path in (case.folder, *case.folder.parents) if path.exists())
    return [_bytes(there, reserve=case.settings.disk_reserve), _files(there)]


def _bytes(folder: Path, *, reserve: int) -> Finding:
    free = shutil.disk_usage(folder).free
    said = f"{free / _MEBIBYTE:,.0f} MiB are free for {folder}, {reserve / _MEBIBYTE:,.0f} MiB are kept in reserve"
    advice = "Free some, shorten output_lifetime and log_size (`sora2api settings set`), or use a larger disk."
    if free < reserve:
        return wrong("disk", f"{said}: no new jobs are taken.", advice)
    if free < 2 * reserve:
        return warning("disk", f"{said}: soon no new jobs are taken.", advice)
    return well("disk", f"{said}.")


def _files(folder: Path) -> Finding:
    disk = os.statvfs(folder)
    if not disk.f_files:  # the file system has no limit
        return well("inodes", f"The disk of {folder} takes any number of files.")
    said = f"The disk of {folder} takes {disk.f_favail:,} more files."
    if disk.f_favail < _FEW_FILES:
        return wrong("inodes", said, "Remove files that you do not need from that disk, or use another one.")
    return well("inodes", said)
