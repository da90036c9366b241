"""What of curl the printed line needs: -N, -H and -d. For machines without it."""

import argparse
import sys
import urllib.request

parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("-N", action="store_true")
parser.add_argument("-H", action="append", default=[])
parser.add_argument("-d", default="")
options = parser.parse_args()
headers = dict(header.split(": ", 1) for header in options.H)
with urllib.request.urlopen(urllib.request.Request(options.url, options.d.encode(), headers)) as answer:
    sys.stdout.write(answer.read().decode())
