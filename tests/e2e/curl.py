"""What of curl the printed and the documented lines need: -N, -s, -X, -H, -d, -O and -w. For machines without it."""

import argparse
import sys
import urllib.error
import urllib.request
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("-N", action="store_true")
parser.add_argument("-s", action="store_true")
parser.add_argument("-X", default=None)
parser.add_argument("-H", action="append", default=[])
parser.add_argument("-d", default=None)
parser.add_argument("-O", action="store_true")
parser.add_argument("-w", default="")
options = parser.parse_args()
headers = dict(header.split(": ", 1) for header in options.H)
body = None if options.d is None else options.d.encode()
request = urllib.request.Request(options.url, body, headers, method=options.X)
try:
    answer = urllib.request.urlopen(request)
except urllib.error.HTTPError as error:  # curl prints its body, and is content
    answer = error
with answer:
    content = answer.read()
    if options.O:
        Path(options.url.rpartition("/")[2]).write_bytes(content)
    else:
        sys.stdout.write(content.decode())
    sys.stdout.write(options.w.replace("\\n", "\n").replace("%{http_code}", str(answer.status)))
