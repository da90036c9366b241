"""Every error we raise on purpose, and whose fault it is.

    SoraProxyError
    ├── ConfigurationError           the operator's: the start ends with one line per fault
    ├── UnknownModel                 the client's: there is no such model
    ├── ModelsNotListed              a back end has not listed its models yet: any name may be one
    ├── IdempotencyMismatch          the client's: its idempotency key belongs to another order
    ├── InvalidOption                the operator's: an option can't have this value
    │   └── UnknownOption            no option of this name can be changed while the server runs
    ├── KeyNotFound, KeyExists, KeyHasSource, KeyInUse
    │                                the operator's: an upstream key can't be found, added or deleted
    ├── BackendNotFound, BackendExists, BackendHasSource, BackendInUse
    │                                the operator's: the same for a back end
    ├── SimulatorInUse               the operator's: neither can be added
    ├── StorageUnavailable           ours: the disk or the database refused
    ├── NoUpstreamKey                ours: no key is left that could serve
    ├── DailyCapReached              the operator's cap on images a day leaves no room for an order
    ├── QueueFull                    ours: more orders wait than we promise to serve in time
    ├── QueueTimeout                 ours: an order waited too long for a key
    ├── Rerouted                     the back ends changed while an order waited: it waits at those that there are now
    ├── Stopping                     ours: this process is shutting down
    └── Fault                        what a back end did to one call or task
        ├── RequestFault             the order itself: reported to the client, never sent again, no key affected
        ├── KeyFault                 one account
        │   ├── KeyRejected          dead, or it needs a human: out of service until it is tested again
        │   ├── TooManyTasks         it has as many tasks as it may have: the limit is learned
        │   └── RateLimited          it is at its rate or quota: it cools down as the back end says, within bounds
        ├── EgressFault              our egress (challenge page, proxy, country): it cools down, the key does not
        ├── TaskFailed               the task that it accepted failed: not sent again, no key affected
        │   └── TaskLost             it forgot the task: sent again only if the operator chose that
        └── UpstreamFault            the back end
            ├── UpstreamUnavailable  it did not accept the call: nothing was registered
            │   └── ServerUnreachable no connection to its server: it cools down for all keys
            ├── ResultRefused        it named an address for a result that is neither fetched nor shown
            └── SubmissionUnknown    it may have accepted the order: look for it before sending it again

Messages are written for clients and operators: they contain no token, prompt, address or body of a back end. How each
error is answered over HTTP is decided in `api/http/refusals.py`.
"""

import traceback


class SoraProxyError(Exception):
    """Root of the tree; `str(error)` is safe to show."""


class ConfigurationError(SoraProxyError):
    """The settings can't be used. `faults` holds one line each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class UnknownModel(SoraProxyError):
    """No model has this name."""


class ModelsNotListed(SoraProxyError):
    """No model of this name is known so far."""


class IdempotencyMismatch(SoraProxyError):
    """The client sent another order with the same key before."""


class InvalidOption(SoraProxyError):
    """The option can't have this value. Nothing was changed."""

    def __init__(self, message: str, *, option: str) -> None:
        super().__init__(message)
        self.option = option


class UnknownOption(InvalidOption):
    """No option of this name can be changed while the server runs."""


class KeyNotFound(SoraProxyError):
    """No upstream key has this id."""


class KeyExists(SoraProxyError):
    """Another upstream key has this token. Nothing was added or changed."""


class KeyHasSource(SoraProxyError):
    """The upstream key can't be deleted: the next import from its source would add it again."""


class KeyInUse(SoraProxyError):
    """The upstream key can't be deleted while tasks run on it."""


class BackendNotFound(SoraProxyError):
    """No back end has this name."""


class BackendExists(SoraProxyError):
    """Another back end has this name. Nothing was changed."""


class BackendHasSource(SoraProxyError):
    """The back end can't be deleted: the next start would add it again from the configuration."""


class BackendInUse(SoraProxyError):
    """The back end can't be deleted while it has orders."""


class SimulatorInUse(SoraProxyError):
    """The simulator answers, so that what is added would never be used. Nothing was changed."""


class StorageUnavailable(SoraProxyError):
    """The store could not commit or read. Nothing that depends on it was done."""


class NoUpstreamKey(SoraProxyError):
    """Every upstream key is out of service until an operator acts."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or "No upstream key can take orders.")


class DailyCapReached(SoraProxyError):
    """`cap` names an option and its value. Nothing was sent."""

    def __init__(self, cap: str) -> None:
        super().__init__(f"The daily cap {cap} leaves no room for this order. The next day begins at 00:00 UTC.")


class QueueFull(SoraProxyError):
    """Nothing was sent or stored; the order may be repeated after `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class QueueTimeout(SoraProxyError):
    """The order was never accepted by a back end."""


class Rerouted(SoraProxyError):
    """The order left the line. It was not sent, and keeps its place where it waits again."""


class Stopping(SoraProxyError):
    """Nothing was sent or stored; another process, or the next one, will take the order."""


class Fault(SoraProxyError):
    """A call to a back end failed; the class says whose fault it was, `code` names it for clients."""

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
    """The account is dead or needs a human; the message gives the reason."""


class TooManyTasks(KeyFault):
    """The account already has `limit` tasks (None: the back end did not say)."""

    code = "upstream_busy"

    def __init__(self, message: str, *, limit: int | None = None) -> None:
        super().__init__(message)
        self.limit = limit


class RateLimited(KeyFault):
    """The account may try again in `retry_after` seconds (None: the back end did not say).

    `family` is what the limit is for: a model by the back end's own name, or several by the beginning of their names
    with `*` behind it; None: all of them.
    """

    code = "upstream_rate_limited"

    def __init__(self, message: str, *, retry_after: float | None = None, family: str | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.family = family


class EgressFault(Fault):
    """A fault of the path to the back end. `egress` is the proxy of the call; None: a direct connection."""

    code = "upstream_challenge"

    def __init__(self, message: str, *, egress: object, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.egress = egress


class TaskFailed(Fault):
    code = "generation_failed"


class TaskLost(TaskFailed):
    """The back end does not know a task any more that it accepted."""

    code = "upstream_lost"


class UpstreamFault(Fault):
    pass


class UpstreamUnavailable(UpstreamFault):
    code = "upstream_unavailable"


class ServerUnreachable(UpstreamUnavailable):
    """The server of the back end did not accept a direct connection, or its name has no address."""


class ResultRefused(UpstreamFault):
    """`host` is that of the address, perhaps with a port. It is for operators only."""

    code = "result_unavailable"

    def __init__(self, host: str) -> None:
        super().__init__("The address of the result is not public, and RESULT_ALLOW does not list its host.")
        self.host = host[:100]


class SubmissionUnknown(UpstreamFault):
    code = "outcome_unknown"


def clear_frames(error: BaseException | None) -> None:
    """Clear the local variables of the calls that failed: they would keep a large body until garbage is collected."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__
