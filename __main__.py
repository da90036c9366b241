"""`python .` in a checkout: the same program as `python -m sora_proxy`."""

import sys

from sora_proxy.__main__ import main

sys.exit(main())
