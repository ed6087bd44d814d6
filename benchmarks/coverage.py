"""The towers of open_clip that per-sample merging covers, found by a dry run of each without weights."""

import sys
import warnings

import open_clip

from benchmarks.options import options
from benchmarks.reporting import report


def _uncovered(name: str) -> str:
    import torch

    from tasks.errors import UncoveredLayer
    from tasks.merging.per_sample import merge_per_sample
    from tasks.models.tower import build_named_tower

    with torch.device("meta"):
        tower = build_named_tower(name).eval()
    size = tower.image_size
    side = int(size[0] if isinstance(size, tuple) else size)  # type: ignore[index, arg-type]
    state = tower.state_dict()
    try:
        merge_per_sample(tower, [state, state]).prepare((3, side, side))
    except UncoveredLayer as error:
        return str(error).removeprefix("per-sample merging: ").split(";", maxsplit=1)[0]
    return ""


def main() -> None:
    """Try all towers, or the one of --arch, and print those that are not covered."""
    arguments = options(__doc__, arch="all").parse_args()
    warnings.simplefilter("ignore")  # timm warns about its own models
    names = open_clip.list_models() if arguments.arch == "all" else [arguments.arch]
    reasons = {name: _uncovered(name) for name in names}
    print(f"covered: {sum(not reason for reason in reasons.values())} of {len(names)}")
    report(
        "coverage", [{"tower": name, "not covered": reason} for name, reason in reasons.items() if reason], arguments
    )


if __name__ == "__main__":
    sys.exit(main())
