"""Carrying plans out: states, steps, ways, tasks, events; durable, so that a restart goes on with every job."""

from sora2api.jobs.characters import CharacterRecord
from sora2api.jobs.jobs import Jobs
from sora2api.jobs.ledger import Numbered
from sora2api.jobs.once import Once
from sora2api.jobs.records import JobRecord

__all__ = ["CharacterRecord", "JobRecord", "Jobs", "Numbered", "Once"]
