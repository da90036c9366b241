"""ClientError, which refuses a request, and the refusals for errors that other modules raise."""

from collections.abc import Callable
from functools import partial

from sora_proxy.errors import (
    BackendExists,
    BackendHasSource,
    BackendInUse,
    BackendNotFound,
    DailyCapReached,
    IdempotencyMismatch,
    InvalidOption,
    KeyExists,
    KeyHasSource,
    KeyInUse,
    KeyNotFound,
    ModelsNotListed,
    NoUpstreamKey,
    QueueFull,
    SimulatorInUse,
    SoraProxyError,
    Stopping,
    StorageUnavailable,
    UnknownModel,
    UnknownOption,
)


class ClientError(SoraProxyError):
    """A refused request.

    `code`, which is in `error_codes.py`, and `param` go into OpenAI's error object. `retry_after` is in whole seconds.
    """

    def __init__(
        self, message: str, *, code: str = "invalid_value", param: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.param = param
        self.retry_after = retry_after


# The refusals, by the exact class of the error. Errors that are neither here nor in `refusal_of` are bugs.
REFUSALS: dict[type[Exception], Callable[[str], ClientError]] = {
    BackendExists: partial(ClientError, code="backend_exists", param="name"),
    BackendHasSource: partial(ClientError, code="backend_has_source", param="name"),
    BackendInUse: partial(ClientError, code="backend_in_use", param="name"),
    BackendNotFound: partial(ClientError, code="not_found", param="name"),
    DailyCapReached: partial(ClientError, code="insufficient_quota"),
    IdempotencyMismatch: partial(ClientError, code="idempotency_mismatch", param="Idempotency-Key"),
    KeyExists: partial(ClientError, code="key_exists", param="key"),
    KeyHasSource: partial(ClientError, code="key_has_source", param="id"),
    KeyInUse: partial(ClientError, code="key_in_use", param="id"),
    KeyNotFound: partial(ClientError, code="not_found", param="id"),
    SimulatorInUse: partial(ClientError, code="simulator_in_use"),
    ModelsNotListed: partial(ClientError, code="models_not_listed", param="model"),
    NoUpstreamKey: partial(ClientError, code="no_upstream_key"),
    Stopping: partial(ClientError, code="overloaded"),
    UnknownModel: partial(ClientError, code="model_not_found", param="model"),
}


def refusal_of(error: Exception) -> ClientError:
    """The refusal that answers an error. After any error that is not a bug, nothing has been sent upstream."""
    match error:
        case ClientError():
            return error
        case UnknownOption():
            return ClientError(str(error), code="unknown_parameter", param=error.option)
        case InvalidOption():
            return ClientError(str(error), param=error.option)
        case QueueFull():
            return ClientError(str(error), code="rate_limit_exceeded", retry_after=error.retry_after)
        case StorageUnavailable():  # the error's message is for the log
            return ClientError("The server's storage is unavailable.", code="storage_unavailable")
    if refuse := REFUSALS.get(type(error)):
        return refuse(str(error))
    return ClientError("Internal server error.", code="internal_error")
