"""What a server is told when it starts."""

import ipaddress
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from mendpix.errors import MendError

MEGABYTE = 1 << 20
SHORTEST_TOKEN = 16
"""Characters; a token that can be guessed protects nothing."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where to listen, what to serve, and how much of everything one request may take.

    Attributes:
        folder: pictures to browse; None: only what is uploaded.
        runs: trained runs to offer as models.
        host, port: where to listen; port 0 takes a free one.
        token: what every request must carry; "" for none, "auto" for a new one.
        open: listen to other machines without a token.
        hosts: further names under which the server may be called.
        device: of networks: "auto", "cpu", "cuda", ...
        workers: fills at once on each device.
        threads: of each fill; None: the processors shared out among the workers.
        queue: fills that may wait; further ones are answered 429.
        megabytes: the largest upload.
        megapixels: the largest picture.
        seconds: the longest fill of one picture.
        patience: seconds that an upload or a download may stand still.
        keep: megabytes of uploaded and filled pictures that are kept in memory.
        log: how to write what happens on standard error.
    """

    folder: Path | None = None
    runs: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    token: str = ""
    open: bool = False
    hosts: tuple[str, ...] = ()
    device: str = "auto"
    workers: int = 1
    threads: int | None = None
    queue: int = 16
    megabytes: int = 256
    megapixels: float = 100.0
    seconds: float = 600.0
    patience: float = 20.0
    keep: int = 1024
    log: Literal["text", "json", "none"] = "text"

    @property
    def bytes(self) -> int:
        """The largest upload in bytes."""
        return self.megabytes * MEGABYTE

    @property
    def pixels(self) -> int:
        """The largest picture in pixels."""
        return int(self.megapixels * 1_000_000)

    @property
    def local(self) -> bool:
        """Whether only this machine can reach the server."""
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host == "localhost"

    def checked(self) -> "Settings":
        """The same, with a token made where "auto" asks for one.

        Raises:
            MendError: they would be unsafe or name what is not there.
        """
        token = secrets.token_urlsafe(24) if self.token == "auto" else self.token
        if not self.local and not token and not self.open:
            raise MendError(
                f"{self.host} can be reached from other machines; give a --token (--token auto "
                "makes one), or say --open to let anybody in"
            )
        if token and (
            len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable()
        ):
            raise MendError(
                f"the token has {len(token)} characters but must have {SHORTEST_TOKEN} or more, "
                "all ASCII; --token auto makes one"
            )
        for folder in (self.folder, self.runs):
            if folder is not None and not folder.is_dir():
                raise MendError(f"{folder} is not a folder; check the path")
        return replace(self, token=token)
