"""Finding what is wrong with an installation, and saying what to do, without changing anything."""

from sora2api.doctor.examined import examined
from sora2api.doctor.finding import Finding, State

__all__ = ["Finding", "State", "examined"]
