"""The errors that the program raises on purpose, by their cause.

    SoraProxyError
    ├── ConfigurationError           the settings can't be used: the program exits with one line per fault
    ├── UnknownModel                 no model has the requested name
    ├── ModelsNotListed              no known model has the name, but a back end has not listed its models yet
    ├── IdempotencyMismatch          the client's idempotency key belongs to another order
    ├── InvalidOption                an option can't have the value that the operator sent
    │   └── UnknownOption            no option of this name can be changed while the server is running
    ├── KeyNotFound, KeyExists, KeyHasSource, KeyInUse
    │                                an upstream key can't be found, added or deleted
    ├── BackendNotFound, BackendExists, BackendHasSource, BackendInUse
    │                                a back end can't be found, added or deleted
    ├── SimulatorInUse               the simulator is in use, so an added key or back end would never be used
    ├── StorageUnavailable           the disk or the database failed
    ├── NoUpstreamKey                no upstream key can serve the order
    ├── DailyCapReached              the order would exceed the operator's daily cap on images
    ├── QueueFull                    too many orders are waiting, or the expected wait is too long
    ├── QueueTimeout                 an order waited too long for a key
    ├── Rerouted                     the back ends changed, so a waiting order has to wait at the current ones
    ├── Stopping                     this process is shutting down
    └── Fault                        a call or task failed at a back end
        ├── RequestFault             the order is at fault: reported to the client, never sent again, no key affected
        ├── KeyFault                 one account is at fault
        │   ├── KeyRejected          the key is invalid, or a person has to act: out of service until it is tested again
        │   ├── TooManyTasks         the account has its maximum number of tasks: the limit is learned
        │   └── RateLimited          the key is over its rate or quota: it cools down for a limited time
        ├── EgressFault              our egress failed (challenge page, proxy, country): it cools down, the key does not
        ├── TaskFailed               an accepted task failed: not sent again, no key affected
        │   └── TaskLost             the back end lost the task: sent again only if the operator chose that
        └── UpstreamFault            the back end is at fault
            ├── UpstreamUnavailable  the back end did not accept the call: nothing was registered
            │   └── ServerUnreachable no connection to a server: the server cools down for all keys
            ├── ResultRefused        the address of a result is not allowed: it is neither fetched nor shown
            └── SubmissionUnknown    the back end may have accepted the order: search before sending it again

Messages are written for clients and operators: they contain no token, prompt, address or body of a back end. The HTTP
answer to each error is decided in `api/http/refusals.py`.
"""

import traceback


class SoraProxyError(Exception):
    """Root of the tree; `str(error)` is safe to show."""


class ConfigurationError(SoraProxyError):
    """The settings can't be used. `faults` has one line per fault."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class UnknownModel(SoraProxyError):
    """No model has this name."""


class ModelsNotListed(SoraProxyError):
    """No known model has this name, but a back end has not listed its models yet."""


class IdempotencyMismatch(SoraProxyError):
    """The client used the same idempotency key for another order."""


class InvalidOption(SoraProxyError):
    """The option can't have this value. Nothing was changed."""

    def __init__(self, message: str, *, option: str) -> None:
        super().__init__(message)
        self.option = option


class UnknownOption(InvalidOption):
    """No option of this name can be changed while the server is running."""


class KeyNotFound(SoraProxyError):
    """No upstream key has this id."""


class KeyExists(SoraProxyError):
    """Another upstream key has this token. Nothing was added or changed."""


class KeyHasSource(SoraProxyError):
    """The upstream key can't be deleted: the next import from its source would add it again."""


class KeyInUse(SoraProxyError):
    """The upstream key can't be deleted while it has running tasks."""


class BackendNotFound(SoraProxyError):
    """No back end has this name."""


class BackendExists(SoraProxyError):
    """Another back end has this name. Nothing was changed."""


class BackendHasSource(SoraProxyError):
    """The back end can't be deleted: the next startup would add it again from the configuration."""


class BackendInUse(SoraProxyError):
    """The back end can't be deleted while it has orders."""


class SimulatorInUse(SoraProxyError):
    """The simulator is in use, so an added key or back end would never be used. Nothing was changed."""


class StorageUnavailable(SoraProxyError):
    """Data could not be read or committed. Nothing that depends on this data was done."""


class NoUpstreamKey(SoraProxyError):
    """Every upstream key is out of service until an operator acts."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or "No upstream key can take orders.")


class DailyCapReached(SoraProxyError):
    """The order would exceed a daily cap, and was not sent. `cap` is the option with its value, as text."""

    def __init__(self, cap: str) -> None:
        super().__init__(f"The daily cap {cap} leaves no room for this order. The next day begins at 00:00 UTC.")


class QueueFull(SoraProxyError):
    """Nothing was sent or stored; the order may be sent again after `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class QueueTimeout(SoraProxyError):
    """The order has waited too long for a key. No back end accepted it."""


class Rerouted(SoraProxyError):
    """The order left all lines without being sent. It keeps its place when it joins the lines of the current back
    ends."""


class Stopping(SoraProxyError):
    """Nothing was sent or stored; the order may be sent again, to another process."""


class Fault(SoraProxyError):
    """A call or task failed at a back end. The class states the cause for this program; `code` states it for
    clients."""

    code = "upstream_error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class RequestFault(Fault):
    code = "content_policy_violation"


class KeyFault(Fault):
    code = "upstream_auth"


class KeyRejected(KeyFault):
    """The account is invalid, or a person has to act; the message gives the reason."""


class TooManyTasks(KeyFault):
    """The account has reached its limit of tasks. `limit` is None if the back end does not state it."""

    code = "upstream_busy"

    def __init__(self, message: str, *, limit: int | None = None) -> None:
        super().__init__(message)
        self.limit = limit


class RateLimited(KeyFault):
    """The key may be used again after `retry_after` seconds, which is None if the back end does not state a time.

    `family` is the back end's own name for the limited model, or a prefix of such names followed by `*`; None if all
    models are limited.
    """

    code = "upstream_rate_limited"

    def __init__(self, message: str, *, retry_after: float | None = None, family: str | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.family = family


class EgressFault(Fault):
    """A fault on the path to the back end. `egress` is the proxy that the call used, or None if it used none."""

    code = "upstream_challenge"

    def __init__(self, message: str, *, egress: object, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.egress = egress


class TaskFailed(Fault):
    code = "generation_failed"


class TaskLost(TaskFailed):
    """The back end accepted the task and no longer knows it."""

    code = "upstream_lost"


class UpstreamFault(Fault):
    pass


class UpstreamUnavailable(UpstreamFault):
    code = "upstream_unavailable"


class ServerUnreachable(UpstreamUnavailable):
    """The server of the back end did not accept a direct connection, or its host name can't be resolved."""


class ResultRefused(UpstreamFault):
    """`host` is the host in the result's address, perhaps with a port. Only operators may see this host."""

    code = "result_unavailable"

    def __init__(self, host: str) -> None:
        super().__init__("The address of the result is not public, and RESULT_ALLOW does not list its host.")
        self.host = host[:100]


class SubmissionUnknown(UpstreamFault):
    code = "outcome_unknown"


def clear_frames(error: BaseException | None) -> None:
    """Clear the local variables in the tracebacks of an error and its causes. The variables may keep a large body in
    memory."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__
