"""A warning is logged about an upstream key that two servers on one host are using."""

import json
from pathlib import Path

from tests.e2e.conftest import Program, running_program
from tests.eventually import PATIENCE


def warnings(program: Program) -> list[str]:
    """Stop a program; returns the names of the keys about which it has logged a warning."""
    assert program.stop() == 0
    lines = map(json.loads, program.log.splitlines())
    return [line["key"] for line in lines if line["event"] == "upstream key used by another process"]


def keys(*names: str) -> dict[str, str]:
    return {
        "SORA_BASE_URL": "http://127.0.0.1:9",
        "API_KEYS": json.dumps([{"key": f"token-{name}", "name": name} for name in names]),
    }


def folders(folder: Path) -> tuple[Path, Path]:
    first, second = folder / "first", folder / "second"
    first.mkdir()
    second.mkdir()
    return first, second


def test_a_second_server_warns_about_the_keys_that_both_servers_have(tmp_path: Path) -> None:
    first, second = folders(tmp_path)
    with running_program(first, **keys("one", "shared"), TMPDIR=str(tmp_path)) as older:
        with running_program(second, **keys("shared", "two"), TMPDIR=str(tmp_path)) as newer:
            assert warnings(newer) == ["shared"]
        assert warnings(older) == []


def test_keys_of_a_killed_server_can_be_used_without_a_warning(tmp_path: Path) -> None:
    first, second = folders(tmp_path)
    with running_program(first, **keys("one"), TMPDIR=str(tmp_path)) as killed:
        killed.process.kill()
        killed.process.wait(PATIENCE)
    with running_program(second, **keys("one"), TMPDIR=str(tmp_path)) as program:
        assert warnings(program) == []


def test_a_server_that_cannot_claim_its_keys_still_runs(tmp_path: Path) -> None:
    (tmp_path / "sora_proxy.keys").symlink_to(tmp_path / "elsewhere")
    with running_program(tmp_path, **keys("one")) as program:
        assert warnings(program) == []
    assert not (tmp_path / "elsewhere").exists()


def test_built_in_simulators_do_not_share_a_key(tmp_path: Path) -> None:
    first, second = folders(tmp_path)
    with running_program(first, TMPDIR=str(tmp_path)), running_program(second, TMPDIR=str(tmp_path)) as program:
        assert warnings(program) == []


def test_a_folder_in_the_place_of_the_shared_file_stops_no_server(tmp_path: Path) -> None:
    (tmp_path / "sora_proxy.keys").mkdir()
    with running_program(tmp_path, **keys("one")) as program:
        assert warnings(program) == []
