"""How an import of keys from the configuration changes the keys that already exist."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from sora_proxy.key_keeping import imports
from sora_proxy.key_keeping.store import KeyRecord, Origin
from sora_proxy.settings.access import fingerprint
from sora_proxy.settings.backends import DEFAULT_BACKEND
from sora_proxy.settings.kinds import UpstreamKey


def changes(existing: Iterable[KeyRecord], entries: Sequence[UpstreamKey], origin: Origin) -> list[KeyRecord]:
    """The changes that an import of these entries makes if they belong to the default back end."""
    return imports.changes(existing, [(DEFAULT_BACKEND, entry) for entry in entries], origin)


def key(token: str = "token-a", **fields: Any) -> UpstreamKey:
    return UpstreamKey.model_validate({"key": token, **fields})


def record(config: UpstreamKey, origin: Origin = Origin.file, imported: UpstreamKey | None = None) -> KeyRecord:
    return KeyRecord(fingerprint("token-a"), config, origin, 1700000000.0, imported)


def imported(*entries: UpstreamKey) -> KeyRecord:
    """The only key that an import of these entries creates if no key exists yet."""
    (made,) = changes([], entries, Origin.file)
    return made


def test_a_new_entry_becomes_a_key_whose_id_is_the_fingerprint_of_its_token() -> None:
    made = imported(key(name="first", weight=2))
    assert (made.id, made.origin, made.config.name, made.config.weight) == (
        fingerprint("token-a"),
        Origin.file,
        "first",
        2,
    )


def test_importing_an_unchanged_file_again_changes_nothing() -> None:
    entries = [key(weight=2), key("token-b", proxy="socks5://u:p@h:1,direct", notes="x", models=["fox"], region="eu")]
    known = changes([], entries, Origin.file)
    assert len(known) == 2
    assert changes(known, entries, Origin.file) == []


@pytest.mark.parametrize(
    ("operator", "edited", "after"),
    [
        # Each row: what the operator changed, what was edited in the file, and the fields after the import.
        ({"weight": 5.0}, {}, {"weight": 5.0}),
        ({}, {"weight": 3}, {"weight": 3}),
        ({"weight": 5.0}, {"weight": 3}, {"weight": 3}),
        ({"weight": 5.0}, {"max_rpm": 10}, {"weight": 5.0, "max_rpm": 10}),
        ({"enabled": False}, {}, {"enabled": False}),
        ({"enabled": False}, {"name": "again"}, {"enabled": False, "name": "again"}),
        ({"name": "mine"}, {"name": None}, {"name": None}),
        ({"notes": "mine"}, {"enabled": False}, {"notes": "mine", "enabled": False}),
        ({"models": ("fox",)}, {"region": "eu"}, {"models": ("fox",), "region": "eu"}),
    ],
    ids=str,
)
def test_an_import_overwrites_an_operators_change_only_if_the_field_was_edited_in_the_file(
    operator: dict[str, Any], edited: dict[str, Any], after: dict[str, Any]
) -> None:
    entry: dict[str, Any] = {"weight": 2, "name": "first"}
    known = imported(key(**entry))
    known = replace(known, config=known.config.model_copy(update=operator))
    found = changes([known], [key(**(entry | edited))], Origin.file) or [known]
    assert found[0].config.record() == key(**(entry | after)).record()


def test_an_import_does_not_replace_a_token_set_by_an_operator_with_the_old_token() -> None:
    known = replace(imported(key()), config=key("token-new"))
    assert changes([known], [key()], Origin.file) == []
    (after,) = changes([known], [key(weight=3)], Origin.file)
    assert (after.id, after.config.token, after.config.weight) == (known.id, "token-new", 3)


def test_a_key_keeps_its_id_when_its_new_token_appears_in_the_file() -> None:
    known = replace(imported(key(name="first")), config=key("token-new", name="first"))
    (after,) = changes([known], [key("token-new", name="first")], Origin.file)
    assert (after.id, after.config.token, after.origin) == (known.id, "token-new", Origin.file)
    assert changes([after], [key("token-new", name="first")], Origin.file) == []


def test_the_second_of_two_entries_for_one_key_is_ignored() -> None:
    known = replace(imported(key()), config=key("token-new"))
    found = changes([known], [key("token-new", weight=2), key(weight=3)], Origin.file)
    assert [(each.config.token, each.config.weight) for each in found] == [("token-new", 2)]


def test_a_different_token_in_the_file_creates_a_key_and_disables_the_old_one() -> None:
    known = imported(key())
    new, old = changes([known], [key("token-b")], Origin.file)
    assert (new.id, new.config.enabled) == (fingerprint("token-b"), True)
    assert (old.id, old.config.enabled, old.origin) == (known.id, False, Origin.removed)


def test_an_imported_key_is_enabled_only_while_the_file_contains_its_entry() -> None:
    known = imported(key(weight=2))
    (off,) = changes([known], [], Origin.file)
    assert (off.config.enabled, off.origin, off.id) == (False, Origin.removed, known.id)
    assert changes([off], [], Origin.file) == []
    (back,) = changes([off], [key(weight=2)], Origin.file)
    assert back == known


def test_a_key_that_an_operator_enabled_again_stays_enabled_without_an_entry_in_the_file() -> None:
    (off,) = changes([imported(key())], [], Origin.file)
    his = replace(off, config=off.config.model_copy(update={"enabled": True}), origin=Origin.admin)
    assert changes([his], [], Origin.file) == []


def test_a_key_added_by_an_operator_is_unchanged_until_the_file_contains_the_key() -> None:
    his = record(key(weight=4, name="mine"), Origin.admin)
    assert changes([his], [], Origin.file) == []
    (after,) = changes([his], [key(max_rpm=10)], Origin.file)
    assert (after.config.weight, after.config.name, after.config.max_rpm) == (4, "mine", 10)
    assert after.origin is Origin.file


def test_only_the_origin_changes_if_a_key_moves_from_the_file_to_the_environment() -> None:
    known = imported(key())
    (after,) = changes([known], [key()], Origin.environment)
    assert after == replace(known, origin=Origin.environment)


def test_a_thousand_keys_can_be_changed_in_one_import() -> None:
    entries = [key(f"token-{n}") for n in range(1000)]
    known = changes([], entries, Origin.file)
    assert len(changes(known, [key(f"token-{n}", weight=2) for n in range(1000)], Origin.file)) == 1000


def test_a_key_of_a_named_back_end_is_identified_by_name_not_by_token() -> None:
    (first,) = imports.changes([], [("main", key("token-a", name="gpu"))], Origin.environment)
    assert (first.id, first.backend) == (fingerprint("main/gpu"), "main")
    (rotated,) = imports.changes([first], [("main", key("token-b", name="gpu"))], Origin.environment)
    assert (rotated.id, rotated.config.token) == (first.id, "token-b")
    other, gone = imports.changes([first], [("spare", key("token-a", name="gpu"))], Origin.environment)
    assert (other.id, other.backend) == (fingerprint("spare/gpu"), "spare")
    assert (gone.id, gone.origin) == (first.id, Origin.removed)


def test_a_key_without_a_token_is_identified_by_its_name() -> None:
    (made,) = imports.changes([], [("comfy", UpstreamKey(name="comfy"))], Origin.environment)
    assert made.id == fingerprint("comfy/comfy")
