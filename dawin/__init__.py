"""DaWin in Python, for notebooks and scripts: run experiments and read their results.

Example:
    A first look, after `dawin quickstart`:

    ```python
    import dawin

    dawin.plan("dawin-quickstart/digits.yaml")  # computes nothing
    results = dawin.run("dawin-quickstart/digits.yaml")
    results.filter(metric="top1", method="dawin/samples").select("dataset", "value", "ci_low", "ci_high")
    ```

`import dawin` loads neither torch nor Prefect; the functions load them when they need them.
"""

from importlib.metadata import version

from dawin.functions import plan, predict, results, run

__version__ = version("dawin-pipeline")

__all__ = ["__version__", "plan", "predict", "results", "run"]
