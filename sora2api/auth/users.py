"""Those who may use the panel: names, roles, and the second factor of a login."""

from typing import Literal

Role = Literal["viewer", "operator", "administrator"]
"""What somebody may do: look; also work with jobs, accounts and keys; also settings, users and secrets."""
