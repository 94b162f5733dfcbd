"""The panel: where an operator sees what the server does; and the share pages of finished videos."""

from sora2api.web.panel import Panel

__all__ = ["Panel"]
