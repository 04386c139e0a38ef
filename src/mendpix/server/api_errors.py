"""Error responses of the API: an HTTP status, a code for programs, and one line for people."""

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
"""The default code of each HTTP status."""


class ApiError(HTTPException):
    """An error response.

    Args:
        status: HTTP status.
        message: one line, without paths of this machine.
        code: for programs; "" takes the status's default.
        retry_after: seconds after which the client may try again.
    """

    def __init__(
        self, status: int, message: str, code: str = "", retry_after: int | None = None
    ) -> None:
        super().__init__(status, message)
        self.code = code or CODES.get(status, "bad_request")
        self.retry_after = retry_after

    def to_dict(self) -> dict[str, Any]:
        """The JSON body."""
        detail = {"code": self.code, "message": self.detail, "retry_after": self.retry_after}
        return {"error": detail}

    def to_response(self) -> JSONResponse:
        """The HTTP response."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.status_code == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if self.status_code in (408, 413):
            headers["Connection"] = "close"  # the rest of the upload is not read
        return JSONResponse(self.to_dict(), self.status_code, headers)


def from_mend_error(error: MendError) -> ApiError:
    """The error response to an error that the client caused."""
    message = " ".join(str(error).split())
    if isinstance(error, SizeError):
        return ApiError(413, message)
    if isinstance(error, MaskError):
        return ApiError(422, message, "mask")
    if isinstance(error, PictureError):
        return ApiError(422, message, "not_a_picture")
    return ApiError(422, message)
