"""The table of error codes is complete, and clients get the same answers as from earlier versions."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

import sora_proxy
from sora_proxy.api.http.answers import error_object, error_response, failure_response
from sora_proxy.api.http.error_codes import ERROR_CODES, Retry
from sora_proxy.api.http.refusals import REFUSALS, ClientError
from sora_proxy.errors import (
    BackendExists,
    BackendHasSource,
    BackendInUse,
    BackendNotFound,
    DailyCapReached,
    Fault,
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
    Stopping,
    StorageUnavailable,
    UnknownModel,
    UnknownOption,
)
from sora_proxy.event_log import Failed

ROOT = Path(sora_proxy.__file__).parent

# Clients of earlier versions rely on the status of each code, and on the headers about retries.
NEVER = {"x-should-retry": "false"}
ANSWERS: dict[str, tuple[int, dict[str, str]]] = {
    "admin_key_required": (403, {}),
    "cancelled": (400, NEVER),
    "conflict": (409, NEVER),
    "content_policy_violation": (400, NEVER),
    "generation_failed": (502, NEVER),
    "generation_timeout": (504, NEVER),
    "loop_detected": (400, {}),
    "model_unavailable": (400, NEVER),
    "order_refused": (400, NEVER),
    "idempotency_mismatch": (400, {}),
    "insufficient_quota": (429, NEVER),
    "internal_error": (500, NEVER),
    "invalid_api_key": (401, {}),
    "invalid_body": (400, {}),
    "invalid_image": (400, {}),
    "invalid_json": (400, {}),
    "invalid_request": (400, {}),
    "invalid_value": (400, {}),
    "backend_exists": (409, {}),
    "backend_has_source": (409, {"x-should-retry": "false"}),
    "backend_in_use": (409, {"x-should-retry": "false"}),
    "key_exists": (409, {}),
    "key_has_source": (409, NEVER),
    "key_in_use": (409, NEVER),
    "method_not_allowed": (405, {}),
    "missing_required_parameter": (400, {}),
    "model_not_found": (404, {}),
    "no_upstream_key": (503, NEVER),
    "not_found": (404, {}),
    "origin_not_allowed": (403, {}),
    "models_not_listed": (503, {"retry-after": "5"}),
    "overloaded": (503, {"retry-after": "5"}),
    "previous_response_not_found": (400, {}),
    "previous_response_without_picture": (400, {}),
    "queue_timeout": (503, NEVER),
    "rate_limit_exceeded": (429, {}),
    "request_timeout": (408, {}),
    "request_too_large": (413, {}),
    "result_unavailable": (502, NEVER),
    "server_stopping": (503, NEVER),
    "simulator_in_use": (409, NEVER),
    "storage_unavailable": (503, {"retry-after": "10"}),
    "outcome_unknown": (502, NEVER),
    "unknown_parameter": (400, {}),
    "unsupported_media_type": (415, {}),
    "upstream_auth": (502, NEVER),
    "upstream_busy": (502, NEVER),
    "upstream_challenge": (502, NEVER),
    "upstream_country": (502, NEVER),
    "upstream_error": (502, NEVER),
    "upstream_lost": (502, NEVER),
    "upstream_proxy": (502, NEVER),
    "upstream_rate_limited": (502, NEVER),
    "upstream_unavailable": (502, NEVER),
    "webhook_refused": (400, {}),
}
TYPES = {401: "invalid_request_error", 403: "permission_error", 429: "rate_limit_error"}


def codes_in(tree: ast.Module) -> Iterator[ast.expr]:
    """Every expression that a module uses as an error code."""
    for node in ast.walk(tree):
        match node:
            case ast.keyword(arg="code", value=value):
                yield value
            case ast.Call(func=ast.Name("Failed") | ast.Attribute(attr="cut"), args=[code, *_]):
                yield code
            case ast.ClassDef(body=body):
                yield from (each.value for each in body if isinstance(each, ast.Assign) and names(each) == ["code"])
            case ast.arguments(kwonlyargs=arguments, kw_defaults=defaults):
                pairs = zip(arguments, defaults, strict=True)
                yield from (default for argument, default in pairs if argument.arg == "code" and default)
            case ast.Dict(keys=keys, values=values):
                pairs_of_dict = zip(keys, values, strict=True)
                yield from (
                    value for key, value in pairs_of_dict if isinstance(key, ast.Constant) and key.value == "code"
                )


def names(assignment: ast.Assign) -> list[str]:
    return [target.id for target in assignment.targets if isinstance(target, ast.Name)]


def codes_of_the_program() -> list[ast.expr]:
    paths = [path for path in ROOT.rglob("*.py") if "simulator" not in path.parts]
    return [value for path in paths for value in codes_in(ast.parse(path.read_bytes()))]


@pytest.mark.slow
def test_every_code_of_the_program_is_in_the_table_and_every_row_is_used() -> None:
    constants = {value.value for value in codes_of_the_program() if isinstance(value, ast.Constant)}
    assert constants - {None} == ERROR_CODES.keys()


@pytest.mark.slow
def test_an_error_code_that_is_not_a_literal_comes_from_a_variable_named_code() -> None:
    handed_on = {ast.unparse(value) for value in codes_of_the_program() if not isinstance(value, ast.Constant)}
    in_openai_words = "CODES.get(failed.code, 'server_error')"
    assert [code for code in handed_on - {in_openai_words} if not re.match(r"([a-z]+\.)*code\b", code)] == []


def test_no_module_of_the_api_sets_an_error_status_itself() -> None:
    for path in (ROOT / "api").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            match node:
                case ast.keyword(arg="status", value=ast.Constant(int(status))):
                    assert status < 300, path


def test_error_codes_have_the_same_statuses_types_and_headers_as_in_earlier_versions() -> None:
    answers = {code: error_response(ClientError("message", code=code)) for code in ERROR_CODES}
    seen = {}
    for code, answer in answers.items():
        headers = {name.lower(): value for name, value in answer.headers.items()}
        seen[code] = (
            answer.status,
            {name: headers[name] for name in ("x-should-retry", "retry-after") if name in headers},
        )
        kind = "server_error" if answer.status >= 500 else "invalid_request_error"
        assert isinstance(answer.body, bytes)
        kind = code if code == "insufficient_quota" else TYPES.get(answer.status, kind)
        error = {"message": "message", "type": kind, "param": None, "code": code}
        assert orjson.loads(answer.body) == {"error": error}
    assert seen == ANSWERS


def test_a_failed_generation_has_the_status_of_its_code_and_sdks_do_not_retry() -> None:
    failures = [fault.code for fault in every_fault()]
    failures += ["cancelled", "internal_error", "no_upstream_key", "queue_timeout", "generation_timeout"]
    for code in failures:
        answer = failure_response(Failed(code, "message"))
        assert answer.status == ANSWERS[code][0]
        assert answer.headers["x-should-retry"] == "false"


def test_a_stored_failure_with_an_unknown_code_is_answered_with_status_502() -> None:
    answer = failure_response(Failed("a_code_of_old", "message"))
    assert (answer.status, answer.headers["x-should-retry"]) == (502, "false")
    assert error_object("message", code="a_code_of_old")["error"]["type"] == "server_error"


@pytest.mark.parametrize(
    ("error", "code", "param"),
    [
        (BackendNotFound("m"), "not_found", "name"),
        (BackendExists("m"), "backend_exists", "name"),
        (BackendHasSource("m"), "backend_has_source", "name"),
        (BackendInUse("m"), "backend_in_use", "name"),
        (KeyNotFound("m"), "not_found", "id"),
        (KeyExists("m"), "key_exists", "key"),
        (KeyHasSource("m"), "key_has_source", "id"),
        (KeyInUse("m"), "key_in_use", "id"),
        (SimulatorInUse("m"), "simulator_in_use", None),
        (UnknownModel("m"), "model_not_found", "model"),
        (IdempotencyMismatch("m"), "idempotency_mismatch", "Idempotency-Key"),
        (UnknownOption("m", option="NAME"), "unknown_parameter", "NAME"),
        (InvalidOption("m", option="NAME"), "invalid_value", "NAME"),
        (QueueFull("m", retry_after=7), "rate_limit_exceeded", None),
        (NoUpstreamKey("m"), "no_upstream_key", None),
        (ModelsNotListed("m"), "models_not_listed", "model"),
        (DailyCapReached("CAP=1"), "insufficient_quota", None),
        (Stopping("m"), "overloaded", None),
        (StorageUnavailable("m"), "storage_unavailable", None),
        (Fault("m"), "internal_error", None),
        (ZeroDivisionError("m"), "internal_error", None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_each_exception_is_answered_with_its_status_code_and_parameter(
    error: Exception, code: str, param: str | None
) -> None:
    answer = error_response(error)
    assert isinstance(answer.body, bytes)
    told = orjson.loads(answer.body)["error"]
    assert (answer.status, told["code"], told["param"]) == (ANSWERS[code][0], code, param)
    shown = code not in ("storage_unavailable", "internal_error")
    assert (told["message"] == str(error)) == shown
    wait = str(error.retry_after) if isinstance(error, QueueFull) else ANSWERS[code][1].get("retry-after")
    assert answer.headers.get("Retry-After") == wait


def test_an_exception_class_that_is_matched_exactly_has_no_subclasses() -> None:
    assert [error for error in REFUSALS if error.__subclasses__()] == []


def test_the_table_of_error_codes_recommends_a_retry_if_the_sdks_retry() -> None:
    for code, (status, headers) in ANSWERS.items():
        sdk_retries = headers != NEVER and (status in (408, 409, 429) or status >= 500)
        retries = ERROR_CODES[code].retry in (Retry.yes, Retry.later)
        for_operators = code in ("key_exists", "backend_exists")  # operators use no SDK
        assert retries == sdk_retries or for_operators, code


def every_fault(kind: type[Fault] = Fault) -> Iterator[type[Fault]]:
    yield kind
    for each in kind.__subclasses__():
        yield from every_fault(each)
