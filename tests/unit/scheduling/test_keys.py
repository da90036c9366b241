"""The state of a key. These tests need no event loop."""

from sora_proxy.scheduling.circuits import Circuit, Egress
from sora_proxy.scheduling.keys import Key
from sora_proxy.settings.kinds import UpstreamKey


def test_only_the_methods_of_a_key_change_its_state() -> None:
    key = Key("id", UpstreamKey(key="token"), [Egress()], Circuit("server"))
    assert [name for name in vars(key) if not name.startswith("_")] == ["id"]
    properties = [value for value in vars(Key).values() if isinstance(value, property)]
    assert properties
    assert all(value.fset is None for value in properties)


def test_the_account_of_a_key_has_the_keys_own_options() -> None:
    config = UpstreamKey(key="token", base_url="https://one.example", headers={"x-team": "fox"}, region="cn-beijing")
    account = Key("id", config, [Egress()], Circuit("server")).account(0.0)
    assert (account.base_url, account.headers, account.region) == (config.base_url, config.headers, "cn-beijing")


def test_the_representation_of_an_account_hides_its_token() -> None:
    key = Key("id", UpstreamKey(key="the-token"), [Egress()], Circuit("server"))
    assert key.account(0.0).token == "the-token"
    assert "the-token" not in repr(key.account(0.0)) + repr(key)
