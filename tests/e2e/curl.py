"""Replaces curl on machines without it. Has the options of curl that the printed and documented commands use."""

import argparse
import sys
import urllib.error
import urllib.request
from pathlib import Path

BOUNDARY = "boundary-of-the-form"


def form(fields: list[str]) -> bytes:
    """The body of a form with fields like `name=text` and `name=@file`."""
    body = b""
    for field in fields:
        name, _, value = field.partition("=")
        file = Path(value[1:]) if value.startswith("@") else None
        filename = f'; filename="{file.name}"' if file else ""
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{filename}\r\n\r\n'
        body += head.encode() + (file.read_bytes() if file else value.encode()) + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("-N", action="store_true")
parser.add_argument("-s", action="store_true")
parser.add_argument("-X", default=None)
parser.add_argument("-H", action="append", default=[])
parser.add_argument("-d", default=None)
parser.add_argument("-F", action="append", default=[])
parser.add_argument("-O", action="store_true")
parser.add_argument("-w", default="")
options = parser.parse_args()
headers = dict(header.split(": ", 1) for header in options.H)
body = None if options.d is None else options.d.encode()
if options.d == "@-":
    body = sys.stdin.buffer.read()
if options.F:
    body = form(options.F)
    headers["Content-Type"] = f"multipart/form-data; boundary={BOUNDARY}"
request = urllib.request.Request(options.url, body, headers, method=options.X)
try:
    answer = urllib.request.urlopen(request)
except urllib.error.HTTPError as error:  # curl prints the body of an error, and exits with 0
    answer = error
with answer:
    content = answer.read()
    if options.O:
        Path(options.url.rpartition("/")[2]).write_bytes(content)
    else:
        sys.stdout.write(content.decode())
    sys.stdout.write(options.w.replace("\\n", "\n").replace("%{http_code}", str(answer.status)))
