"""A webhook is delivered again if the server is killed during the delivery."""

import json
import socket
import threading
import urllib.request

from tests.conftest import CLIENT_KEY
from tests.e2e.conftest import StartProgram
from tests.eventually import PATIENCE
from tests.receiver import SECRET, let_time_pass, outbox_of
from tests.scripted import Server, answer, serving


def order(url: str, address: str) -> None:
    messages = [{"role": "user", "content": "a fox"}]
    body = {"model": "sora-1.0", "background": True, "messages": messages, "metadata": {"webhook_url": address}}
    headers = {"authorization": f"Bearer {CLIENT_KEY}"}
    request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as taken:
        assert taken.status == 200


def test_a_webhook_interrupted_by_a_kill_is_sent_again_with_the_same_id(start_program: StartProgram) -> None:
    came, killed, came_again = threading.Event(), threading.Event(), threading.Event()

    def receive(server: Server, sock: socket.socket) -> None:
        server.read(sock)
        if not killed.is_set():
            came.set()
            killed.wait(PATIENCE)  # the receiver has the message, but the sender does not know that
        else:
            answer(sock)
            came_again.set()

    with serving() as serve:
        receiver = serve(receive)
        host = f"127.0.0.1:{receiver.port}"
        settings = {"API_AUTH_TOKEN": CLIENT_KEY, "WEBHOOK_ALLOW": host, "WEBHOOK_SECRET": SECRET}
        with start_program(**settings, SIMULATOR_SECONDS="0.1", POLL_INTERVAL="0.1") as program:
            order(program.url, f"http://{host}/")
            assert came.wait(PATIENCE)
            program.process.kill()
            program.process.wait()
        killed.set()
        assert len(outbox_of(program.folder)) == 1
        let_time_pass(program.folder)
        with start_program(**settings) as program:
            assert came_again.wait(PATIENCE)
            assert program.stop() == 0

    first, second = receiver.requests
    assert (second.headers["webhook-id"], second.body) == (first.headers["webhook-id"], first.body)
