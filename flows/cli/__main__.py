"""`python -m flows.cli`: the same as the console script `dawin`."""

import sys

from flows.cli.entry import main

sys.exit(main())
