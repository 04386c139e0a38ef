"""What a client is told whose request cannot be answered: a code for programs, a line to read."""

from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from mendpix.errors import MaskError, MendError, PictureError, SizeError

CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "not_allowed",
    408: "too_slow",
    409: "not_finished",
    410: "gone",
    413: "too_large",
    415: "unsupported",
    422: "bad_request",
    429: "busy",
    499: "left",
    500: "failed",
    503: "shutting_down",
    504: "too_slow",
}
"""The code of a status that has only one."""


class ApiError(HTTPException):
    """An answer other than the one wanted.

    Args:
        status: of HTTP.
        message: one line, without paths of this machine.
        code: for programs; "" takes the status's own.
        retry_after: seconds after which to try again.
    """

    def __init__(
        self, status: int, message: str, code: str = "", retry_after: int | None = None
    ) -> None:
        super().__init__(status, message)
        self.code = code or CODES.get(status, "bad_request")
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        said = {"code": self.code, "message": self.detail, "retry_after": self.retry_after}
        return {"error": said}

    def response(self) -> JSONResponse:
        """The answer."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.status_code == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if self.status_code in (408, 413):
            headers["Connection"] = "close"  # what else comes of the upload is not read
        return JSONResponse(self.body(), self.status_code, headers)


def of(error: MendError) -> ApiError:
    """What a mistake of the client's is answered with."""
    message = " ".join(str(error).split())
    if isinstance(error, SizeError):
        return ApiError(413, message)
    if isinstance(error, MaskError):
        return ApiError(422, message, "mask")
    if isinstance(error, PictureError):
        return ApiError(422, message, "not_a_picture")
    return ApiError(422, message)
