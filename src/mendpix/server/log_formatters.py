"""Log lines on standard error, as JSON or text; they never hold pictures or their names."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

from mendpix.errors import escape


class JsonFormatter(logging.Formatter):
    """One JSON object per event."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a log record."""
        fields = {
            "time": _format_time(record),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            fields["trace"] = self.formatException(record.exc_info)
        return json.dumps(fields)


class TextFormatter(logging.Formatter):
    """One line of text per event."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a log record."""
        facts = " ".join(f"{key}={value}" for key, value in getattr(record, "facts", {}).items())
        level = record.levelname.lower()
        line = escape(f"{_format_time(record)} {level} {record.getMessage()} {facts}".rstrip())
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _format_time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def configure(kind: Literal["text", "json", "none"]) -> None:
    """Send the logs of the server and of uvicorn to standard error."""
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if kind == "json" else TextFormatter())
    if kind == "none":
        handler = logging.NullHandler()
    for name, level in (("mendpix", logging.INFO), ("uvicorn.error", logging.WARNING)):
        log = logging.getLogger(name)
        log.handlers = [handler]
        log.setLevel(level)
        log.propagate = False
