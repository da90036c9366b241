"""What of curl the printed and the documented lines need: -N, -s, -X, -H and -d. For machines without it."""

import argparse
import sys
import urllib.error
import urllib.request

parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("-N", action="store_true")
parser.add_argument("-s", action="store_true")
parser.add_argument("-X", default=None)
parser.add_argument("-H", action="append", default=[])
parser.add_argument("-d", default=None)
options = parser.parse_args()
headers = dict(header.split(": ", 1) for header in options.H)
body = None if options.d is None else options.d.encode()
request = urllib.request.Request(options.url, body, headers, method=options.X)
try:
    answer = urllib.request.urlopen(request)
except urllib.error.HTTPError as error:  # curl prints its body, and is content
    answer = error
with answer:
    sys.stdout.write(answer.read().decode())
