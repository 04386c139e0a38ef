"""What a server says on standard error: events as JSON or text, never a picture or its name."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal


class AsJson(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of an event."""
        said = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            said["trace"] = self.formatException(record.exc_info)
        return json.dumps(said)


class AsText(logging.Formatter):
    """One line for people."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of an event."""
        facts = " ".join(f"{key}={value}" for key, value in getattr(record, "facts", {}).items())
        line = f"{_time(record)} {record.levelname.lower()} {record.getMessage()} {facts}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def configure(kind: Literal["text", "json", "none"]) -> None:
    """Write what the server and uvicorn log on standard error, in this way."""
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(AsJson() if kind == "json" else AsText())
    if kind == "none":
        handler = logging.NullHandler()
    for name, level in (("mendpix", logging.INFO), ("uvicorn.error", logging.WARNING)):
        log = logging.getLogger(name)
        log.handlers = [handler]
        log.setLevel(level)
        log.propagate = False
