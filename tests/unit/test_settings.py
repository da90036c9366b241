"""Settings: their sources, invalid values, and messages that never show a secret."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from sora_proxy.errors import ConfigurationError
from sora_proxy.settings.accounts import Proxy
from sora_proxy.settings.backends import BackendConfig
from sora_proxy.settings.derived import backends_of, database_path_of, egresses_of, images_dir_of
from sora_proxy.settings.options import Settings
from sora_proxy.settings.reading import load_settings, misspelt_options, signs_of_a_backend

SECRET = "eyJsupersecret0123456789"
SetEnvironment = Callable[..., None]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and an environment that sets no option."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> SetEnvironment:
    def set_all(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return set_all


def faults() -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    return caught.value.faults


def only_fault() -> str:
    (fault,) = faults()
    return fault


# --- Defaults and sources ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("api_host", ("0.0.0.0",)),  # noqa: S104
        ("api_port", 8890),
        ("base_url", None),
        ("proxy_host", None),
        ("proxy_port", None),
        ("proxy_user", None),
        ("proxy_pass", None),
        ("static_dir", None),
        ("image_save_dir", None),
        ("image_localization", None),
        ("api_keys", ()),
        ("admin_key", None),
        ("api_auth_token", None),
        ("keys_storage_file", Path("api_keys.json")),
        ("verbose_logging", False),
        ("upstream", "auto"),
        ("sora_base_url", "https://sora.chatgpt.com"),
        ("sora_extra_headers", {}),
        ("data_dir", Path("data")),
        ("sync_wait", 120.0),
        ("poll_interval", 1.0),
        ("settle_time", 20.0),
        ("on_unknown", "auto"),
        ("on_lost", "fail"),
        ("progress_style", "reasoning"),
        ("trusted_proxies", ()),
        ("cors_origins", ()),
    ],
)
def test_every_option_has_its_documented_default(name: str, value: object) -> None:
    assert getattr(load_settings(), name) == value


@pytest.mark.parametrize(
    "value", ["http://media.local", "media.local/a", "::1", "media.local:", "a b", "*", "bücher.example"]
)
def test_allowed_hosts_of_results_may_have_a_port(environment: SetEnvironment, value: str) -> None:
    environment(RESULT_ALLOW="media.local, Media.Local:8080,10.0.0.7,[fd00::7],[fd00::7]:8080")
    assert load_settings().result_allow == (
        "media.local",
        "Media.Local:8080",
        "10.0.0.7",
        "[fd00::7]",
        "[fd00::7]:8080",
    )
    environment(RESULT_ALLOW=f"media.local,{value}")
    assert "must be hosts like media.local or 10.0.0.7:8080" in only_fault()


def test_no_secret_has_a_default() -> None:
    settings = load_settings()
    secrets = (settings.admin_key, settings.api_auth_token, settings.proxy_pass, settings.api_keys)
    assert secrets == (None, None, None, ())


def test_the_paths_of_the_images_and_of_the_database_follow_their_options(environment: SetEnvironment) -> None:
    assert images_dir_of(load_settings()) == Path("data/images")
    assert database_path_of(load_settings()) == Path("data/sora_proxy.db")
    environment(DATA_DIR="/srv/sora", STATIC_DIR="static")
    assert images_dir_of(load_settings()) == Path("static/images")
    assert database_path_of(load_settings()) == Path("/srv/sora/sora_proxy.db")
    environment(IMAGE_SAVE_DIR="/pictures", DATABASE_URL="sqlite:////db/other.db")
    assert images_dir_of(load_settings()) == Path("/pictures")
    assert database_path_of(load_settings()) == Path("/db/other.db")


def test_the_environment_overrides_dot_env_which_overrides_the_file_in_config(
    folder: Path, environment: SetEnvironment
) -> None:
    (folder / "config").mkdir()
    (folder / "config/sora_proxy.env").write_text("API_PORT=1\nMAX_QUEUE=1\nSYNC_WAIT=1\n")
    (folder / ".env").write_text("API_PORT=2\nMAX_QUEUE=2\n")
    environment(API_PORT="3")
    settings = load_settings()
    assert (settings.api_port, settings.max_queue, settings.sync_wait) == (3, 2, 1.0)


def test_an_empty_variable_counts_as_unset_and_names_may_be_in_lower_case(environment: SetEnvironment) -> None:
    environment(API_PORT="", ADMIN_KEY="", API_KEYS="", max_queue="7")
    settings = load_settings()
    assert (settings.api_port, settings.admin_key, settings.api_keys, settings.max_queue) == (8890, None, (), 7)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("IMAGE_LOCALIZATION", "True", True),
        ("IMAGE_LOCALIZATION", "false", False),
        ("VERBOSE_LOGGING", "1", True),
        ("BASE_URL", "https://images.example.com/", "https://images.example.com"),
        ("BASE_URL", "http://[::1]:8890", "http://[::1]:8890"),
        ("CORS_ORIGINS", " https://a.example ,, https://b.example", ("https://a.example", "https://b.example")),
        ("SORA_EXTRA_HEADERS", '{"oai-device-id": "1"}', {"oai-device-id": "1"}),
    ],
)
def test_values_are_read_as_documented(environment: SetEnvironment, name: str, text: str, value: object) -> None:
    environment(**{name: text})
    assert getattr(load_settings(), name.lower()) == value


def test_a_network_may_be_written_with_or_without_a_mask(environment: SetEnvironment) -> None:
    environment(TRUSTED_PROXIES="127.0.0.1, 10.1.2.3/8,::1,unix")
    trusted = [str(network) for network in load_settings().trusted_proxies]
    assert trusted == ["127.0.0.1/32", "10.0.0.0/8", "::1/128", "unix"]


def test_addresses_to_listen_on_are_hosts_or_unix_sockets_without_duplicates(environment: SetEnvironment) -> None:
    environment(API_HOST="[::], 0.0.0.0,::,sora.local, unix:/run/sora proxy.sock")
    assert load_settings().api_host == ("::", "0.0.0.0", "sora.local", "unix:/run/sora proxy.sock")  # noqa: S104


@pytest.mark.parametrize(
    ("addresses", "fault"),
    [
        ("0.0.0.0,127.0.0.1", "must not list 127.0.0.1 beside 0.0.0.0, which contains it"),
        ("::1,::", "must not list ::1 beside ::, which contains it"),
    ],
)
def test_an_address_that_another_one_contains_is_refused(
    environment: SetEnvironment, addresses: str, fault: str
) -> None:
    environment(API_HOST=addresses)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert fault in caught.value.faults[0]


def test_the_credentials_of_a_proxy_are_separated_from_its_address(environment: SetEnvironment) -> None:
    environment(PROXY_HOST="proxy.example", PROXY_PORT="7890", PROXY_USER="user", PROXY_PASS=SECRET)
    settings = load_settings()
    assert egresses_of(settings) == (Proxy("http://proxy.example:7890", "user", SecretStr(SECRET)),)
    assert SECRET not in repr(settings) + repr(egresses_of(settings))


@pytest.mark.parametrize(
    ("text", "egresses"),
    [
        ("direct", (None,)),
        ("http://proxy.example:3128", (Proxy("http://proxy.example:3128"),)),
        ("https://proxy.example:8443/", (Proxy("https://proxy.example:8443"),)),
        ("socks5://10.0.0.1:1080 , direct", (Proxy("socks5h://10.0.0.1:1080"), None)),
        ("socks5h://[::1]:1080", (Proxy("socks5h://[::1]:1080"),)),
        ("http://a%40b:c%2Cd@p.example:1", (Proxy("http://p.example:1", "a@b", SecretStr("c,d")),)),
        ("http://user@p.example:1", (Proxy("http://p.example:1", "user"),)),
    ],
)
def test_egresses_are_read_from_proxy_addresses_and_the_word_direct(
    environment: SetEnvironment, text: str, egresses: tuple[Proxy | None, ...]
) -> None:
    environment(PROXIES=text, API_KEYS=json.dumps([{"key": "a", "proxy": text}, {"key": "b"}]))
    settings = load_settings()
    assert egresses_of(settings) == egresses
    assert [key.proxy for key in settings.api_keys] == [egresses, ()]


def test_the_option_proxies_overrides_proxy_host_and_the_default_is_direct(
    environment: SetEnvironment,
) -> None:
    assert egresses_of(load_settings()) == (None,)
    environment(PROXY_HOST="proxy.example", PROXY_PORT="7890")
    assert egresses_of(load_settings()) == (Proxy("http://proxy.example:7890"),)
    environment(PROXIES="direct")
    assert egresses_of(load_settings()) == (None,)


def test_a_key_may_be_bound_to_models_and_to_a_region(environment: SetEnvironment) -> None:
    environment(
        API_KEYS=json.dumps([{"key": "a", "models": ["wan2.6-t2i", "模型"], "region": "cn-beijing"}, {"key": "b"}])
    )
    bound, free = load_settings().api_keys
    assert (bound.models, bound.region) == (("wan2.6-t2i", "模型"), "cn-beijing")
    assert (free.models, free.region) == ((), None)


def test_the_notes_and_the_disabled_state_of_a_key_are_read(environment: SetEnvironment) -> None:
    environment(API_KEYS=json.dumps([{"key": "a", "enabled": False, "notes": "spare, 备用"}]))
    (key,) = load_settings().api_keys
    assert (key.enabled, key.notes) == (False, "spare, 备用")


# --- Keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [SECRET, f"Bearer {SECRET}", f"bearer {SECRET}", f"  Bearer   {SECRET} "])
def test_a_token_is_the_same_with_and_without_the_word_bearer(environment: SetEnvironment, text: str) -> None:
    environment(API_KEYS=json.dumps([{"key": text, "weight": 2, "max_rpm": 30}]))
    settings = load_settings()
    (key,) = settings.api_keys
    assert (key.token, key.weight, key.max_rpm, key.max_concurrent, key.name) == (SECRET, 2, 30, None, None)
    assert SECRET not in repr(settings)


@pytest.mark.parametrize("key", ["", " ", "Bearer", "Bearer ", "bearer  "])
def test_the_word_bearer_alone_is_not_a_token(environment: SetEnvironment, key: str) -> None:
    environment(API_KEYS=json.dumps([{"key": key}]))
    assert only_fault().startswith("API_KEYS[0].key: must be a token")


@pytest.mark.parametrize("name", ["API_KEYS", "CLIENT_KEYS", "SIDE_CALL_PROMPTS"])
def test_a_list_option_whose_value_is_not_a_list_is_a_configuration_error(
    environment: SetEnvironment, name: str
) -> None:
    environment(**{name: '{"key": "a"}'})
    assert "must be a JSON list" in only_fault()


# --- Configuration errors ---------------------------------------------------------------------------------------------

BAD: list[tuple[str, str]] = [
    ("API_PORT", "eighty"),
    ("API_PORT", "65536"),
    ("API_PORT", "-1"),
    ("API_HOST", "a host"),
    ("API_HOST", ","),
    ("API_HOST", "127.0.0.1,a host"),
    ("API_HOST", "127.0.0.1:8890"),
    ("API_HOST", "[::1]:8890"),
    ("API_HOST", "[::"),
    ("API_HOST", "unix:"),
    ("API_HOST", "unix:sora.sock"),
    ("API_HOST", "unix:/run/a\x07.sock"),
    ("BASE_URL", "images.example.com"),
    ("BASE_URL", "ftp://images.example.com"),
    ("BASE_URL", "javascript:alert(1)"),
    ("BASE_URL", "https://images.example.com/?a=b"),
    ("BASE_URL", "https://images.example.com/\nx-header: y"),
    ("BASE_URL", "https://images.exa\tmple.com"),
    ("BASE_URL", "https://images.example.com:99999"),
    ("BASE_URL", "https://images.example.com:port"),
    ("BASE_URL", "https://[::1"),
    ("BASE_URL", "http://0.0.0.0:8890"),
    ("BASE_URL", "http://[::]:8890"),
    ("SORA_BASE_URL", "https://"),
    ("COMFYUI_URL", "10.0.0.5:8188"),
    ("COMFYUI_URL", "http://10.0.0.5:8188?a=b"),
    ("COMFYUI_URL", "http://10.0.0.5:8188,http://10.0.0.5:8188/"),
    ("COMFYUI_URL", ","),
    ("COMFYUI_EXTRA_HEADERS", '{"Content-Length": "5"}'),
    ("COMFYUI_EXTRA_HEADERS", '{"Authorization": " Basic x"}'),
    ("WORKFLOWS_DIR", "nothing/there"),
    ("SORA_EXTRA_HEADERS", "oai-device-id: 1"),
    ("SORA_EXTRA_HEADERS", "[]"),
    ("SORA_EXTRA_HEADERS", '{"authorization": "x"}'),
    ("SORA_EXTRA_HEADERS", '{"x": "line\\nbreak"}'),
    ("SORA_EXTRA_HEADERS", '{"x y": "z"}'),
    ("SORA_EXTRA_HEADERS", '{"x": 1}'),
    ("SORA_EXTRA_HEADERS", '{"x": " y"}'),
    ("SORA_EXTRA_HEADERS", '{"x": "…"}'),
    ("SORA_EXTRA_HEADERS", '{"\u4e2d": "y"}'),
    ("SORA_EXTRA_HEADERS", '{"Content-Length": "5"}'),
    ("API_KEYS", '[{"key": "a", "headers": ["x: y"]}]'),
    ("API_KEYS", '[{"key": "a", "headers": "{}"}]'),
    ("API_KEYS", '[{"key": "a", "headers": {"x": "line\nbreak"}}]'),
    ("TRUSTED_PROXIES", "10.0.0.0/99"),
    ("TRUSTED_PROXIES", "the-proxy"),
    ("PROXY_HOST", "http://proxy.example"),
    ("PROXY_PORT", "0"),
    *(
        ("PROXIES", text)
        for text in (
            "proxy.example:3128",
            "http://proxy.example",
            "http://:3128",
            "http://proxy.example:0",
            "http://proxy.example:99999",
            "http://a b:3128",
            "http://proxy.example:3128/path",
            "http://proxy.example:3128?x=y",
            "ftp://proxy.example:21",
            "socks4://proxy.example:1080",
            "http://[::1:3128",
            "direct;direct",
            "socks5://user@proxy.example:1080",
            f"socks5://user:{'p' * 128}@proxy.example:1080",
        )
    ),
    ("API_KEYS", '[{"key": "a", "proxy": "nowhere"}]'),
    ("API_KEYS", '[{"key": "a", "proxy": [{"url": "ftp://x"}]}]'),
    ("API_KEYS", '[{"key": "a", "notes": "two\\nlines"}]'),
    ("API_KEYS", '[{"key": "a", "enabled": "perhaps"}]'),
    ("API_KEYS", '[{"key": "a", "models": "fox"}]'),
    ("API_KEYS", '[{"key": "a", "models": ["two\\nlines"]}]'),
    ("API_KEYS", '[{"key": "a", "region": "cn/beijing"}]'),
    ("POLL_INTERVAL", "0"),
    ("POLL_INTERVAL", "nan"),
    ("SETTLE_TIME", "-1"),
    ("ON_UNKNOWN", "perhaps"),
    ("GENERATION_TIMEOUT", "inf"),
    ("MAX_QUEUE", "0"),
    ("MAX_QUEUE_WAIT", "0"),
    ("SYNC_WAIT", "1e9"),
    ("PROGRESS_STYLE", "loud"),
    ("HEARTBEAT_INTERVAL", "ten"),
    ("DATABASE_URL", "postgresql://db.example/sora"),
    ("IMAGE_LOCALIZATION", "perhaps"),
    ("IMAGE_INPUT", "private"),
    ("MODEL_ALIASES", "dall-e-3"),
    ("MODEL_ALIASES", "dall-e-3="),
    ("MODEL_ALIASES", "a=b=c"),
    ("SHUTDOWN_GRACE", "-1"),
    ("VERBOSE_LOGGING", "loud"),
    ("LOG_FORMAT", "xml"),
    ("API_KEYS", "not json"),
    ("API_KEYS", "{}"),
    ("API_KEYS", "[{}]"),
    ("API_KEYS", '[{"key": 1}]'),
]


@pytest.mark.parametrize(("name", "text"), BAD)
def test_the_message_about_a_bad_value_contains_the_option_the_problem_and_an_example(
    environment: SetEnvironment, name: str, text: str
) -> None:
    environment(**{name: text})
    fault = only_fault()
    option, _, rest = fault.partition(": ")
    assert option.partition("[")[0].partition(".")[0] == name
    wrong, _, example = rest.partition(f" Example: {name}=")
    assert len(wrong) > 10
    assert example
    assert fault.isprintable()
    assert len(fault) < 300


def test_every_example_is_a_valid_value(environment: SetEnvironment, folder: Path) -> None:
    """The examples are set all at once, with the spelling that the error messages show."""
    (folder / "config" / "workflows").mkdir(parents=True)
    for name, field in Settings.model_fields.items():
        example = (field.examples or [""])[0]
        # BACKENDS and COMFYUI_URL can't be combined with some of the other options.
        if "KEY" not in name.upper() and name not in ("backends", "comfyui_url"):
            environment(**{name.upper(): example})
    environment(API_KEYS='[{"key": "Bearer eyJ", "weight": 1, "max_rpm": 60}]', SORA_EXTRA_HEADERS='{"x": "y"}')
    assert load_settings().proxy_port == 7890


def test_several_back_ends_are_given_as_a_list_or_as_a_file_name(environment: SetEnvironment, folder: Path) -> None:
    entry = '{"name": "main", "kind": "sora", "base_url": "https://sora.example.com/", "keys": [{"key": "secret"}]}'
    (folder / "backends.json").write_text(f"[{entry}]")
    for value in (f"[{entry}]", "backends.json"):
        environment(BACKENDS=value)
        (backend,) = load_settings().backends
        assert (backend.name, backend.base_url, backend.keys[0].token) == ("main", "https://sora.example.com", "secret")
        assert backend.models is None


@pytest.mark.parametrize(
    "value",
    [
        "[]",
        "{}",
        "[",
        "missing.json",
        '[{"name": "A B", "kind": "sora", "base_url": "https://x"}]',
        '[{"name": "a", "kind": "sora", "base_url": "x"}]',
        '[{"name": "a", "kind": "sora", "base_url": "https://x", "keys": [{"key": "secret"}, {"key": "secret"}]}]',
        '[{"name": "a", "kind": "sora", "base_url": "https://x", "more": 1}]',
        '[{"name": "a", "kind": "sora", "base_url": "https://x"}, {"name": "a", "kind": "sora", "base_url": "https://y"}]',
    ],
)
def test_the_message_about_an_unusable_list_of_back_ends_shows_no_secret(
    environment: SetEnvironment, value: str
) -> None:
    environment(BACKENDS=value)
    fault = only_fault()
    assert fault.startswith("BACKENDS")
    assert "secret" not in fault


OBJECT = "must be a JSON object"
MODELS = "must be a list of names, or an object that maps names for clients to names at the back end"
NAMES = "must contain names of 1 to 200 printable characters"
NO_NAMES: list[Any] = [
    [""],
    ["a\nb"],
    [5],
    [None],
    [[]],
    ["x" * 201],
    {"fox": ""},
    {"fox": 5},
    {"fox": "x" * 201},
    {"": "fox"},
]
VALUE = "the value of 'x' must be printable ASCII text without spaces around it"


@pytest.mark.parametrize(
    ("fields", "place", "words"),
    [
        ({"keys": [{"key": "t"}, {"key": "u", "wat": 2}]}, ".keys[1].wat", "is not a known field"),
        ({"keys": [1]}, ".keys[0]", OBJECT),
        ({"keys": {}}, ".keys", "must be a JSON list, in square brackets"),
        ({"keys": [{"key": "t", "models": "fox"}]}, ".keys[0].models", "must be a JSON list"),
        ({"keys": [{"key": "t", "headers": "{}"}]}, ".keys[0].headers", OBJECT),
        ({"options": []}, ".options", OBJECT),
        ({"options": None}, ".options", OBJECT),
        *(({"options": {"extra_headers": bad}}, ".options.extra_headers", OBJECT) for bad in ([1], "{}", 5, True)),
        *(
            ({"options": {"extra_headers": {"x": bad}}}, ".options.extra_headers", VALUE)
            for bad in ("\u4e2d", "a\r\nb")
        ),
        ({"options": {"extra_headers": {"x": 5}}}, ".options.extra_headers.x", "input should be a valid string"),
        (
            {"options": {"extra_headers": {"a\nb": "c"}}},
            ".options.extra_headers",
            "contains the header 'a\\nb', which can't",
        ),
        (
            {"options": {"extra_headers": {"Authorization": "c"}}},
            ".options.extra_headers",
            "contains the header 'Author",
        ),
        ({"options": {"extra_headers": {"x": "…"}}}, ".options.extra_headers", "has … for 'x', which stands for the"),
        *(({"models": bad}, ".models", MODELS) for bad in ("fox", 5, True)),
        ({"models": []}, ".models", "must contain at least one model. To serve all models"),
        ({"models": {}}, ".models", "must contain at least one model. To serve all models"),
        *(({"models": bad}, ".models", NAMES) for bad in NO_NAMES),
        ({"models": ["fox", "hare", "fox"]}, ".models", "contains the same name twice"),
    ],
    ids=str,
)
def test_the_message_about_an_invalid_entry_begins_with_the_path_of_the_field(
    environment: SetEnvironment, fields: dict[str, Any], place: str, words: str
) -> None:
    entry = {"name": "a", "kind": "sora", "base_url": "https://x", **fields}
    environment(BACKENDS=json.dumps([entry]))
    assert only_fault().startswith(f"BACKENDS[0]{place}: {words}")


def test_an_entry_that_is_not_an_object_is_a_configuration_error(environment: SetEnvironment) -> None:
    environment(BACKENDS="[1]")
    assert only_fault().startswith(f"BACKENDS[0]: {OBJECT}")


@pytest.mark.parametrize("cap", ["0", "-1", "1.5", "true", '"5"', "[]"])
def test_a_daily_cap_that_is_not_a_positive_number_is_a_configuration_error(
    environment: SetEnvironment, cap: str
) -> None:
    options = f'{{"max_images_per_day": {cap}, "extra_headers": {{"x": "secret"}}}}'
    environment(BACKENDS=f'[{{"name": "a", "kind": "sora", "base_url": "https://x", "options": {options}}}]')
    fault = only_fault()
    assert fault.startswith("BACKENDS[0].options.max_images_per_day: input should be ")
    assert "secret" not in fault


@pytest.mark.parametrize(
    "other",
    [
        {"UPSTREAM": "sora"},
        {"SORA_BASE_URL": "https://x"},
        {"API_KEYS": '[{"key": "x"}]'},
        {"KEYS_STORAGE_FILE": "x"},
        {"COMFYUI_URL": "http://10.0.0.5:8188"},
    ],
    ids=str,
)
def test_the_list_of_back_ends_cannot_be_combined_with_options_of_one_back_end(
    environment: SetEnvironment, other: dict[str, str]
) -> None:
    environment(BACKENDS='[{"name": "a", "kind": "sora", "base_url": "https://x"}]', **other)
    assert only_fault().startswith(f"BACKENDS: can't be combined with {next(iter(other))}")


def test_all_configuration_errors_are_reported_at_once(environment: SetEnvironment) -> None:
    environment(API_PORT="x", MAX_QUEUE="x", IMAGE_INPUT="x")
    assert [fault.partition(":")[0] for fault in faults()] == ["API_PORT", "MAX_QUEUE", "IMAGE_INPUT"]


def test_misspelt_options_are_reported_and_variables_of_other_programs_are_ignored(
    environment: SetEnvironment, folder: Path
) -> None:
    environment(ADMINKEY="x", COMPOSE_PROJECT_NAME="x", HTTP_PROXY="x", SORA_PROXY_PORT="x")
    (folder / ".env").write_text(f"UPSTREM=sora\nPOLL_INTERVAL=1\n{SECRET}\nPOSTGRES_PASSWORD=x\n")
    assert list(misspelt_options()) == [("ADMINKEY", "ADMIN_KEY"), ("UPSTREM", "UPSTREAM")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ADMIN_KEY", f"{SECRET}\nsecond line"),
        ("API_AUTH_TOKEN", f" {SECRET}"),
        ("API_KEYS", SECRET),
        ("API_KEYS", f'"{SECRET}"'),
        ("API_KEYS", f'["{SECRET}"]'),
        ("API_KEYS", f'[{{"{SECRET}": "key"}}]'),
        ("API_KEYS", f'[{{"key": ["{SECRET}"]}}]'),
        ("API_KEYS", f'[{{"key": "a", "weight": "{SECRET}"}}]'),
        ("API_KEYS", f'[{{"key": "a", "Bearer {SECRET}": 1}}]'),
        ("SORA_EXTRA_HEADERS", f'{{"openai-sentinel-token": "{SECRET}'),
        ("SORA_EXTRA_HEADERS", f'{{"openai-sentinel-token": ["{SECRET}"]}}'),
        ("SORA_EXTRA_HEADERS", f'{{"openai-sentinel-token": "{SECRET}\\n"}}'),
        ("PROXY_HOST", f"http://user:{SECRET}@proxy.example"),
        ("PROXY_PORT", f"7890@{SECRET}"),
        ("PROXIES", f"http://user:{SECRET}@proxy.example"),
        ("PROXIES", f"http://user:{SECRET}@[proxy.example:1"),
        ("PROXIES", f"http://user:{SECRET}@\u2100.example:1"),
        ("PROXIES", f"http://user:{SECRET}/proxy.example:1"),
        ("PROXIES", f"socks5://{SECRET}@proxy.example:1"),
        ("API_KEYS", f'[{{"key": "a", "proxy": "http://user:{SECRET}@proxy.example"}}]'),
        ("BASE_URL", f"https://user:{SECRET}@images.example.com"),
        ("BASE_URL", f"https://:{SECRET}@images.example.com"),
        ("SORA_BASE_URL", f"https://{SECRET}@images.example.com"),
        ("COMFYUI_URL", f"http://10.0.0.5:8188,http://user:{SECRET}@10.0.0.6:8188"),
        ("COMFYUI_EXTRA_HEADERS", f'{{"Authorization": ["Bearer {SECRET}"]}}'),
        ("TRUSTED_PROXIES", f"http://user:{SECRET}@10.0.0.1"),
        ("DATABASE_URL", f"postgresql://user:{SECRET}@db.example/sora"),
    ],
)
def test_the_message_about_a_configuration_error_never_shows_a_secret(
    environment: SetEnvironment, name: str, text: str
) -> None:
    environment(**{name: text})
    told = "".join(faults())
    assert told.startswith(name)
    assert "supersecret" not in told


@pytest.mark.parametrize(
    ("given", "missing"),
    [({"PROXY_HOST": "p"}, "PROXY_PORT"), ({"PROXY_USER": "u"}, "PROXY_HOST")],
)
def test_an_incomplete_proxy_is_a_configuration_error(
    environment: SetEnvironment, given: dict[str, str], missing: str
) -> None:
    environment(**given)
    assert only_fault().startswith(f"{missing}: must be set if")
    assert f" Example: {missing}=" in only_fault()


@pytest.mark.parametrize("key", ["sk-12345", "admin", "a" * 15])
@pytest.mark.parametrize(
    ("host", "refused"),
    [
        ("0.0.0.0", True),  # noqa: S104
        ("192.0.2.1", True),
        ("::", True),
        ("sora.example.com", True),
        ("127.0.0.1", False),
        ("::1", False),
        ("localhost", False),
        ("127.0.0.1,[::1],unix:/run/sora.sock", False),
        ("::1,0.0.0.0", True),
        ("unix:/run/sora.sock,::", True),
    ],
)
def test_a_guessable_admin_key_is_accepted_only_on_loopback(
    environment: SetEnvironment, key: str, host: str, *, refused: bool
) -> None:
    environment(ADMIN_KEY=key, API_HOST=host)
    if not refused:
        assert load_settings().admin_key
        return
    fault = only_fault()
    assert fault.startswith("ADMIN_KEY: must have 16 characters or more")
    assert key not in fault


@pytest.mark.parametrize("key", ["sk-123456", "sk-youradminkey", "your-auth-token"])
@pytest.mark.parametrize("name", ["ADMIN_KEY", "API_AUTH_TOKEN"])
@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])  # noqa: S104
def test_a_key_copied_from_the_readme_of_sora_api_is_refused(
    environment: SetEnvironment, name: str, key: str, host: str
) -> None:
    environment(API_HOST=host, BASE_URL="http://0.0.0.0:8890", **{name: key})
    base_url, copied = faults()
    assert base_url.startswith("BASE_URL: 'http://0.0.0.0:8890' is an address to listen on. Leave it unset")
    assert copied.startswith(f"{name}: is a published example. Choose a key of 16 characters or more")


def test_a_settings_file_that_is_not_text_is_a_configuration_error(folder: Path) -> None:
    (folder / ".env").write_bytes(b"API_HOST=\xff\xfe\n")
    assert ".env: can't be read as UTF-8 text" in only_fault()


def test_environment_variables_that_are_not_text_are_configuration_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the server accepted a key with such bytes, every request would fail."""
    for name in ("ADMIN_KEY", "API_HOST"):
        monkeypatch.setenv(name, b"caf\xe9".decode(errors="surrogateescape"))
    assert {fault.partition(":")[0] for fault in faults()} == {"ADMIN_KEY", "API_HOST"}


def test_settings_cannot_be_changed_after_they_are_read() -> None:
    settings: Any = load_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.api_port = 1


# --- ComfyUI ----------------------------------------------------------------------------------------------------------


def test_the_address_of_comfyui_alone_selects_comfyui(environment: SetEnvironment) -> None:
    assert backends_of(load_settings()) == ()
    environment(COMFYUI_URL="http://10.0.0.5:8188/, http://10.0.0.6:8189,https://gpu.example.com/comfy/3")
    (entry,) = backends_of(load_settings())
    assert (entry.name, entry.kind, entry.base_url) == ("comfyui", "comfyui", "http://10.0.0.5:8188")
    assert [(key.name, key.base_url, key.token, key.max_rpm, key.max_concurrent) for key in entry.keys] == [
        ("10.0.0.5:8188", "http://10.0.0.5:8188", "", 10_000, None),
        ("10.0.0.6:8189", "http://10.0.0.6:8189", "", 10_000, None),
        ("gpu.example.com-comfy-3", "https://gpu.example.com/comfy/3", "", 10_000, None),
    ]


def test_the_default_address_of_comfyui_is_on_this_machine(environment: SetEnvironment) -> None:
    environment(UPSTREAM="comfyui")
    (entry,) = backends_of(load_settings())
    assert [key.base_url for key in entry.keys] == [entry.base_url] == ["http://127.0.0.1:8188"]


def test_servers_with_long_or_odd_names_become_keys_with_distinct_names(environment: SetEnvironment) -> None:
    hosts = [f"comfy-{number}.comfy-headless.images.svc.cluster.local" for number in range(12)]
    environment(COMFYUI_URL=",".join(f"http://{host}" for host in (*hosts, "[::1]:8188", "[fd00::7]:8188")))
    (entry,) = backends_of(load_settings())
    names = [str(key.name) for key in entry.keys]
    assert (names[0], names[-2:]) == ("comfy-0.comfy-headless.images.svc.clus-1", ["::1-:8188", "fd00::7-:8188"])
    assert len(set(names)) == len(names)


def test_the_address_of_comfyui_is_ignored_if_another_back_end_is_chosen(environment: SetEnvironment) -> None:
    environment(COMFYUI_URL="http://10.0.0.5:8188", UPSTREAM="openai", OPENAI_API_KEY="sk-1")
    assert [entry.name for entry in backends_of(load_settings())] == ["openai"]
    environment(UPSTREAM="simulator")
    assert backends_of(load_settings()) == ()


@pytest.mark.parametrize("chosen", [{"UPSTREAM": "comfyui"}, {"COMFYUI_URL": "http://10.0.0.5:8188"}], ids=str)
def test_options_of_another_service_cannot_be_combined_with_comfyui(
    environment: SetEnvironment, chosen: dict[str, str]
) -> None:
    environment(API_KEYS='[{"key": "x"}]', SORA_BASE_URL="https://x", **chosen)
    name = "UPSTREAM=comfyui" if "UPSTREAM" in chosen else "COMFYUI_URL"
    assert faults() == [
        f"{option}: can't be used with {name}. Use COMFYUI_URL alone, or BACKENDS"
        for option in ("API_KEYS", "SORA_BASE_URL")
    ]


def test_the_headers_for_comfyui_may_contain_credentials(environment: SetEnvironment) -> None:
    login = {"Authorization": "Basic dXNlcjpwYXNz"}
    environment(UPSTREAM="comfyui", COMFYUI_EXTRA_HEADERS=json.dumps(login))
    (entry,) = backends_of(load_settings())
    assert entry.options.extra_headers == login
    assert entry.secrets == ["Basic dXNlcjpwYXNz"]


def test_the_headers_of_an_entry_may_contain_credentials_and_are_stored_unchanged(environment: SetEnvironment) -> None:
    options = {"extra_headers": {"Authorization": "Basic dXNlcjpwYXNz"}, "max_images_per_day": 5}
    entry = {"name": "a", "kind": "comfyui", "base_url": "http://x", "options": options}
    environment(BACKENDS=json.dumps([entry]))
    (config,) = load_settings().backends
    assert config.record()["options"] == options
    assert BackendConfig.model_validate(config.record()) == config
    environment(BACKENDS=json.dumps([entry | {"options": {"extra_headers": {"x": 5}}}]))
    assert only_fault().startswith("BACKENDS[0].options.extra_headers.x: input should be a valid string")


def test_a_configured_folder_of_workflows_must_exist(environment: SetEnvironment, folder: Path) -> None:
    assert load_settings().workflows_dir == Path("config/workflows")
    environment(WORKFLOWS_DIR=str(folder / "mine"))
    assert only_fault().startswith(f"WORKFLOWS_DIR: '{folder / 'mine'}' is not a folder")
    (folder / "mine").mkdir()
    assert load_settings().workflows_dir == folder / "mine"


def test_an_empty_comfyui_url_counts_as_an_attempt_to_configure_a_back_end(environment: SetEnvironment) -> None:
    environment(COMFYUI_URL="")
    assert [sign.partition(":")[0] for sign in signs_of_a_backend()] == ["COMFYUI_URL"]


def test_the_message_about_a_short_client_key_counts_characters(environment: SetEnvironment) -> None:
    environment(CLIENT_KEYS='[{"key": "sk-", "name": "a"}]')
    assert only_fault().startswith("CLIENT_KEYS[0].key: value should have at least 8 characters, not 3")
