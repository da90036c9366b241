"""The table of all error codes that clients can get: status, retry, and advice.

Answers take their status and headers from this table, and the API's document takes its descriptions of the codes from
it. Tests compare the table with `docs/errors.md` and with the codes that the program uses.
"""

from dataclasses import dataclass
from enum import StrEnum


class Retry(StrEnum):
    """Whether a client should send the same request again. OpenAI's SDKs follow the header `x-should-retry`,
    and otherwise decide by the status."""

    no = "no"  # the request would be refused again
    never = "no (`x-should-retry: false`)"  # because of the status, SDKs would otherwise retry, and might order twice
    later = "after `Retry-After`"
    yes = "yes"


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """The meaning of one code. `retry_after` is in seconds; None if it differs from answer to answer."""

    status: int
    retry: Retry
    advice: str
    retry_after: int | None = None

    @property
    def type(self) -> str:
        """The `type` in OpenAI's error object."""
        match self.status:
            case 403:
                return "permission_error"
            case 429 if self.retry is Retry.never:  # waiting does not help
                return "insufficient_quota"
            case 429:
                return "rate_limit_error"
            case status if status >= 500:
                return "server_error"
        return "invalid_request_error"

    @property
    def headers(self) -> dict[str, str]:
        """The headers that say whether and when to send the request again."""
        if self.retry is Retry.never:
            return {"x-should-retry": "false"}
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


ERROR_CODES = {
    # The request is refused. Nothing was ordered.
    "invalid_value": ErrorCode(400, Retry.no, "Correct the parameter named in `param`."),
    "missing_required_parameter": ErrorCode(400, Retry.no, "Add the parameter named in `param`."),
    "unknown_parameter": ErrorCode(400, Retry.no, "Remove the parameter named in `param`."),
    "invalid_json": ErrorCode(400, Retry.no, "Send one JSON object."),
    "invalid_body": ErrorCode(400, Retry.no, "Send a complete body. A form must be valid multipart."),
    "invalid_request": ErrorCode(400, Retry.no, "Send a valid HTTP request."),
    "invalid_image": ErrorCode(
        400, Retry.no, "Send different or fewer reference images. They must be PNG, JPEG, WebP or GIF."
    ),
    "webhook_refused": ErrorCode(400, Retry.no, "Use an address on a host listed in `WEBHOOK_ALLOW`."),
    "previous_response_not_found": ErrorCode(400, Retry.no, "Use the id of a response of the same client key."),
    "previous_response_without_picture": ErrorCode(400, Retry.no, "Use a response whose image is stored here."),
    "loop_detected": ErrorCode(
        400, Retry.no, "Operators have to correct the back end's address, which leads to this server."
    ),
    "idempotency_mismatch": ErrorCode(400, Retry.no, "Use another `Idempotency-Key` for another order."),
    "invalid_api_key": ErrorCode(401, Retry.no, "Send a valid key as `Authorization: Bearer KEY`."),
    "admin_key_required": ErrorCode(403, Retry.no, "Use the admin key or an operator's session."),
    "origin_not_allowed": ErrorCode(403, Retry.no, "Operators can add the origin to `CORS_ORIGINS`."),
    "not_found": ErrorCode(404, Retry.no, "Check the path and the id. A client key finds only its own orders."),
    "model_not_found": ErrorCode(404, Retry.no, "Use a model from `/v1/models`."),
    "method_not_allowed": ErrorCode(405, Retry.no, "Use a method listed in the `Allow` header."),
    "request_timeout": ErrorCode(408, Retry.yes, "Send the body faster, without long pauses."),
    "conflict": ErrorCode(409, Retry.never, "Wait until the generation has ended, or enable the key's back end."),
    "backend_exists": ErrorCode(409, Retry.no, "Change the existing back end, or use another name."),
    "backend_has_source": ErrorCode(409, Retry.never, "Remove the back end from the configuration, or disable it."),
    "backend_in_use": ErrorCode(409, Retry.never, "Disable the back end, and delete it when its orders have ended."),
    "key_exists": ErrorCode(409, Retry.no, "Change the existing upstream key, which has the same token."),
    "key_has_source": ErrorCode(409, Retry.never, "Remove the upstream key from its source, or disable it."),
    "key_in_use": ErrorCode(409, Retry.never, "Disable the upstream key, and delete it when its tasks have ended."),
    "simulator_in_use": ErrorCode(
        409,
        Retry.never,
        "Configure a back end and restart. To add keys to the simulator, set `UPSTREAM=simulator` and restart.",
    ),
    "request_too_large": ErrorCode(413, Retry.no, "Send a smaller body."),
    "unsupported_media_type": ErrorCode(415, Retry.no, "Send the body uncompressed. The admin API needs JSON."),
    # The server can't take the request now. Nothing was ordered, except perhaps before an `internal_error`.
    "rate_limit_exceeded": ErrorCode(
        429, Retry.later, "Wait for the time in `Retry-After`. Operators can add upstream keys."
    ),
    "insufficient_quota": ErrorCode(
        429, Retry.never, "Order again on the next UTC day. Operators can raise the cap named in the message."
    ),
    "internal_error": ErrorCode(500, Retry.never, "Report the error with the answer's `x-request-id`."),
    "no_upstream_key": ErrorCode(503, Retry.never, "Operators have to add or replace upstream keys."),
    "models_not_listed": ErrorCode(
        503, Retry.later, "Wait. Operators should check that each back end can be reached.", retry_after=5
    ),
    "overloaded": ErrorCode(503, Retry.later, "Wait. The server is not accepting orders at present.", retry_after=5),
    "storage_unavailable": ErrorCode(503, Retry.later, "Wait. Operators should check the disk.", retry_after=10),
    # The generation failed or was cancelled.
    "cancelled": ErrorCode(400, Retry.never, "Order again if the image is still wanted."),
    "content_policy_violation": ErrorCode(400, Retry.never, "Change the prompt or the reference image."),
    "model_unavailable": ErrorCode(
        400, Retry.never, "Use another model. Operators should check the back end's address and models."
    ),
    "order_refused": ErrorCode(
        400,
        Retry.never,
        "Change the prompt, the size, the parameters or the images. Operators can find the back end's code in the log.",
    ),
    "generation_failed": ErrorCode(502, Retry.never, "Order again. If it fails again, change the prompt."),
    "result_unavailable": ErrorCode(
        502, Retry.never, "Order again. Operators should check the log and `RESULT_ALLOW`."
    ),
    "outcome_unknown": ErrorCode(502, Retry.never, "Order again only if a second charge is acceptable."),
    "upstream_auth": ErrorCode(502, Retry.never, "Operators have to replace the upstream key."),
    "upstream_busy": ErrorCode(502, Retry.never, "Order again later. Operators can add upstream keys."),
    "upstream_challenge": ErrorCode(502, Retry.never, "Operators should use another egress (`PROXIES`)."),
    "upstream_country": ErrorCode(502, Retry.never, "Operators should use an egress in another country (`PROXIES`)."),
    "upstream_error": ErrorCode(502, Retry.never, "Order again later."),
    "upstream_lost": ErrorCode(502, Retry.never, "Order again. The back end no longer knows the task."),
    "upstream_proxy": ErrorCode(502, Retry.never, "Operators should check the proxies (`PROXIES`)."),
    "upstream_rate_limited": ErrorCode(502, Retry.never, "Order again later. Operators can add upstream keys."),
    "upstream_unavailable": ErrorCode(
        502, Retry.never, "Order again later. Operators should check the address of the back end."
    ),
    "queue_timeout": ErrorCode(503, Retry.never, "Order again later. Operators can add upstream keys."),
    "generation_timeout": ErrorCode(
        504, Retry.never, "Retrieve the order later, if the message says that it continues."
    ),
    # This code is sent only in streams.
    "server_stopping": ErrorCode(503, Retry.never, "Resume the stream at the address in the message."),
}


def meaning_of(code: str) -> ErrorCode:
    """The meaning of a code. A stored code of an older version counts as `upstream_error`."""
    return ERROR_CODES.get(code, ERROR_CODES["upstream_error"])
