"""Run the command line as `python -m flows.cli`, which does the same as the console script `dawin`."""

import sys

from flows.cli.entry import main

sys.exit(main())
