"""A plain pass with channels_last and with torch.compile, against the pass of the engine, which uses neither.

Vision transformers gain nothing from them. The program also prints the seconds of the compilation.
"""

import sys
import time

from benchmarks.options import options, settle
from benchmarks.reporting import report, spread


def main() -> None:
    """Measure and print the table."""
    arguments = options(__doc__, batch=16).parse_args()
    settle(arguments)
    import torch

    from benchmarks.models import classifiers, in_turn, preprocessing_of, ratio
    from tasks.streaming.inference import DTYPES

    model, _ = classifiers(arguments.arch, 1, arguments.device)
    other, _ = classifiers(arguments.arch, 1, arguments.device)
    other = other.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    compiled = torch.compile(model)
    size = preprocessing_of(model).size
    images = torch.randn(arguments.batch, 3, size, size, device=arguments.device)
    last = images.to(memory_format=torch.channels_last)
    dtype = DTYPES[arguments.dtype]
    with torch.inference_mode(), torch.autocast(arguments.device, dtype=dtype, enabled=arguments.dtype != "fp32"):
        start = time.perf_counter()
        compiled(images)
        compiling = time.perf_counter() - start
        seconds = in_turn(
            {
                "as it is": lambda: model(images),
                "channels_last": lambda: other(last),
                "torch.compile": lambda: compiled(images),
            },
            arguments,
        )
    rows = [
        {"pass": name, "s": spread(values), "× as it is": ratio(values, seconds["as it is"])}
        for name, values in seconds.items()
    ]
    report("layouts", rows, arguments)
    print(f"compiling took {compiling:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
