"""Create work pools, unless they exist.

    PREFECT_API_URL=… python infra/create_pools.py [--type warm-process] [--base-job-template FILE] cpu gpu

An existing pool keeps its variables, such as the image of a Kubernetes pool. One of another type is an error: Prefect
cannot change the type of a pool, and `prefect work-pool create --overwrite` would silently keep it.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists
from prefect.workers.utilities import get_default_base_job_template_for_infrastructure_type


async def create(names: Sequence[str], kind: str, template: Path | None = None) -> None:
    """Create the pools that do not exist.

    Args:
        names: of the pools.
        kind: their type, such as `warm-process`.
        template: file of their base job template; None: the type's own.

    Raises:
        RuntimeError: a pool of this name has another type, or the type is unknown.
    """
    own = None if template else await get_default_base_job_template_for_infrastructure_type(kind)
    content = json.loads(template.read_text()) if template else own
    if content is None:
        raise RuntimeError(f"type of work pool {kind}: no installed package has a worker of this type")
    async with get_client() as client:
        for name in names:
            try:
                found = await client.create_work_pool(WorkPoolCreate(name=name, type=kind, base_job_template=content))
            except ObjectAlreadyExists:
                found = await client.read_work_pool(name)
            if found.type != kind:
                remedy = f"delete it with prefect work-pool delete {name}"
                raise RuntimeError(f"work pool {name}: wanted the type {kind}, got {found.type}; {remedy}")


def main(arguments: Sequence[str]) -> int:
    """Create the pools of a command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", help="of the pools")
    parser.add_argument("--type", default="warm-process", help="of the pools (default: warm-process)")
    parser.add_argument("--base-job-template", type=Path, help="file of the base job template; default: the type's own")
    options = parser.parse_args(arguments)
    try:
        asyncio.run(create(options.names, options.type, options.base_job_template))
    except RuntimeError as error:
        print(f"create_pools.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
