"""The process of the embedded API: `python -m flows.workers.api_process PORT`, with `--ui` the pages of its runs too.

Python collects garbage many times during the import of Prefect's server, and finds none. So this module turns the
collection off before it imports anything else; `api_database.py` collects later.
"""

import asyncio
import gc
import sys

if __name__ == "__main__":
    gc.disable()
    from flows.workers.api_server import serve

    asyncio.run(serve(int(sys.argv[1]), ui="--ui" in sys.argv))
