"""The program under a service manager: signals, notifications, and a hardened unit."""

import signal
import threading
from pathlib import Path

from tests.e2e.conftest import CHECKOUT, StartProgram

UNIT = CHECKOUT / "config" / "deploy" / "sora_proxy.service"
NGINX = CHECKOUT / "config" / "deploy" / "nginx.conf"


def test_sighup_reloads_the_key_file_and_never_ends_the_program(start_program: StartProgram, tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text('[{"key": "Bearer one"}]')
    settings = {"KEYS_STORAGE_FILE": "keys.json", "SORA_BASE_URL": "http://127.0.0.1:9"}
    with start_program(**settings) as program:
        stopped = threading.Event()

        def hang_up_again_and_again() -> None:
            """Until the program has ended, and so while it stops."""
            while not stopped.wait(0.002):
                program.process.send_signal(signal.SIGHUP)

        storm = threading.Thread(target=hang_up_again_and_again)
        storm.start()
        try:
            assert program.stop() == 0
        finally:
            stopped.set()
            storm.join()
    assert '"event":"key file reloaded"' in program.log
    assert program.log.splitlines()[-1].count('"event":"server stopped"') == 1
