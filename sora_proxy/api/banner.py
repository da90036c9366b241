"""The banner: what the program prints once it is listening, including a command that orders a first image.

On a terminal, the banner shows the client key itself, so the command works in any other terminal and folder. Without a
terminal, the output may be stored as a log, so the banner shows a command that reads the key instead.
"""

import os
import shlex
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from sora_proxy import __version__
from sora_proxy.api.context import BACKENDS_IN_USE, MODELS
from sora_proxy.api.http.context import ACCESS
from sora_proxy.orders.backend import Backend
from sora_proxy.settings.access import Access
from sora_proxy.settings.listening import socket_path
from sora_proxy.upstream.model_names import GPT_IMAGES

# For each value of the environment variable `container`, which the image or the container engine sets: the command that
# runs another command in the container.
ENGINES = {"docker": "docker exec", "podman": "podman exec", "oci": "podman exec"}

MESSAGE = '{"role": "user", "content": "a red fox in the snow"}'


@dataclass(frozen=True, slots=True)
class Place:
    """Where the program is running, and whether a terminal shows its output. The prefix `command` makes a shell command
    run in that place, such as a container, even if the command is entered outside."""

    terminal: bool
    command: tuple[str, ...] = ()

    @classmethod
    def here(cls) -> "Place":
        """The place of this process. In a container, the host name is the container's name or id."""
        if "KUBERNETES_SERVICE_HOST" in os.environ:
            command = f"kubectl exec {socket.gethostname()} --"
        elif engine := ENGINES.get(os.environ.get("container", "")):  # noqa: SIM112  # systemd chose this name
            command = f"{engine} {socket.gethostname()}"
        else:
            command = ""
        return cls(sys.stdout.isatty(), tuple(command.split()))

    def reading(self, file: Path) -> str:
        """A command that shows the content of a file."""
        return shlex.join([*self.command, "cat", str(file.absolute())])


def banner(app: web.Application, addresses: Sequence[str], why_simulated: str | None, place: Place) -> str:
    """The text to print. An address is a URL, or `unix:/PATH`. If the simulator makes the images, `why_simulated` is
    the reason for that."""
    access = app[ACCESS]
    model = next((model.id for model in app[MODELS].listed), GPT_IMAGES[0])  # an alias if no model is listed
    urls = sorted((address for address in addresses if address.startswith("http")), key=_is_name, reverse=True)
    curl, url = "curl -N", urls[0] if urls else "http://localhost"
    if not urls:
        curl += f" --unix-socket {shlex.quote(str(socket_path(addresses[0])))}"
    order = f'{{"model": "{model}", "stream": true, "messages": [{MESSAGE}]}}'
    advice = f"Open {url} in a browser and enter the client key. Or paste this into another terminal:"
    lines = [
        f"sora_proxy {__version__} listens on {' and '.join(addresses)}",
        f"  back end:    {_backends(app[BACKENDS_IN_USE].enabled, why_simulated)}",
        f"  client key:  {_client_key(access, place)}",
        f"  admin key:   {_stored(access.admin_key_file) if access.admin_key_file else 'the value of ADMIN_KEY'}",
        "",
        advice if urls else "Paste this into another terminal:",
        "",
        f"  {curl} {url}/v1/chat/completions \\",
        f'    -H {_authorization(access, place)} -H "Content-Type: application/json" \\',
        f"    -d '{order}'",
        "",
    ]
    return "\n".join(lines)


def _is_name(url: str) -> bool:
    """Whether the URL can be pasted into a shell without quotes. A URL with an IPv6 address can't, since zsh expands
    the brackets."""
    return "[" not in url


def _client_key(access: Access, place: Place) -> str:
    file = access.client_key_file
    if file is None:
        if place.terminal:
            return f"{access.client_key} (the value of API_AUTH_TOKEN)"
        return f"the value of API_AUTH_TOKEN{'' if place.command else ', which the other terminal needs, too'}"
    return f"{access.client_key} ({_stored(file)})" if place.terminal else f"the output of `{place.reading(file)}`"


def _stored(file: Path) -> str:
    return f"stored in {file.absolute()}"


def _authorization(access: Access, place: Place) -> str:
    """The header with the client key, quoted as one argument of a shell command."""
    if place.terminal:
        return shlex.quote(f"Authorization: Bearer {access.client_key}")
    if access.client_key_file:
        key = f"$({place.reading(access.client_key_file)})"
    elif place.command and "API_AUTH_TOKEN" in os.environ:
        key = f"$({shlex.join([*place.command, 'printenv', 'API_AUTH_TOKEN'])})"
    else:
        key = "$API_AUTH_TOKEN"
    return f'"Authorization: Bearer {key}"'


def _backends(backends: Sequence[Backend], why_simulated: str | None) -> str:
    if not backends:
        return "none: orders are refused until a back end is added"
    first, *others = backends
    if why_simulated:
        return f"the built-in simulator on {first.upstream.base_url} ({why_simulated})"
    if others:
        return ", ".join(f"{backend.name} ({_accounts(backend)})" for backend in backends)
    return f"{first.name} on {first.upstream.base_url} ({_accounts(first)})"


def _accounts(backend: Backend) -> str:
    """The number of keys of a back end, or the number of its servers if they need no keys."""
    enabled = [key.config for key in backend.keys.keys if key.config.enabled]
    if not enabled:
        return "no key: orders are refused until a key is added"
    noun = "key" if any(config.token for config in enabled) else "server"
    return f"1 {noun}" if len(enabled) == 1 else f"{len(enabled)} {noun}s"
