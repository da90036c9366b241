"""The server, forked from a process that has imported all modules, because imports take most of a start."""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.contract.program import run_in
from tests.e2e.conftest import LISTENS, clean_environment, read_banner
from tests.eventually import PATIENCE

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([run_in.__module__])


@dataclass
class Forked:
    """A running server."""

    process: BaseProcess
    url: str
    folder: Path

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.process.join(PATIENCE)


@contextlib.contextmanager
def forked_program(folder: Path, **variables: str) -> Iterator[Forked]:
    """Run the server in a folder, with these environment variables only, on a port that the system chooses."""
    environment = clean_environment(API_HOST="127.0.0.1", API_PORT="0", **variables)
    reader, writer = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=run_in, args=(folder, environment, writer))
    process.start()
    writer.close()
    try:
        with os.fdopen(os.dup(reader.fileno())) as out:
            said = read_banner(out)
        found = LISTENS.search(said)
        assert found is not None, (folder / "log").read_text()
        yield Forked(process, found[1], folder)
    finally:
        process.kill()
        process.join()
        process.close()
        reader.close()
