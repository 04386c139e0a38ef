"""Settings of a server: address, access, models and limits."""

import ipaddress
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from mendpix.errors import MendError

MEGABYTE = 1 << 20
MIN_TOKEN_LENGTH = 16
"""Characters; a shorter token could be guessed."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where to listen, what to serve, and the limits of requests.

    Attributes:
        folder: pictures to browse; None: only what is uploaded.
        runs: trained runs to offer as models.
        host, port: where to listen; port 0 takes a free one.
        token: access token of every request; "" for none, "auto" to generate one.
        open: accept other machines without a token.
        hosts: further names under which the server may be called.
        device: of networks: "auto", "cpu", "cuda", ...
        workers: fills at once on each device.
        threads: of each fill; None divides the processors among the workers.
        queue: fills that may wait; further ones are answered 429.
        megabytes: the largest upload.
        megapixels: the largest picture.
        seconds: the longest fill of one picture.
        patience: seconds that an upload or a download may stall.
        keep: megabytes of uploaded and filled pictures that are kept in memory.
        log: format of the log on standard error.
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
    def max_bytes(self) -> int:
        """The largest upload in bytes."""
        return self.megabytes * MEGABYTE

    @property
    def max_pixels(self) -> int:
        """The largest picture in pixels."""
        return int(self.megapixels * 1_000_000)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host == "localhost"

    def validate(self) -> "ServerSettings":
        """Check the settings and replace the token "auto" by a generated one.

        Raises:
            MendError: they are unsafe or name a folder that does not exist.
        """
        token = secrets.token_urlsafe(24) if self.token == "auto" else self.token
        if not self.is_local and not token and not self.open:
            raise MendError(
                f"{self.host} can be reached from other machines; give a --token (--token auto "
                "makes one), or say --open to let anybody in"
            )
        if token and (
            len(token) < MIN_TOKEN_LENGTH or not token.isascii() or not token.isprintable()
        ):
            raise MendError(
                f"the token has {len(token)} characters but must have {MIN_TOKEN_LENGTH} or more, "
                "all ASCII; --token auto makes one"
            )
        for folder in (self.folder, self.runs):
            if folder is not None and not folder.is_dir():
                raise MendError(f"{folder} is not a folder; check the path")
        return replace(self, token=token)
