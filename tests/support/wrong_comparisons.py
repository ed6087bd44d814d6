"""Wrong requests of `dawin compare` that need no run, each with the whole message that refuses it."""

COMPARISONS = {
    "comparisons in a folder that does not exist": (
        ["compare", "tiny", "--store", "{folder}/nowhere"],
        r"store file://{folder}/nowhere: no such folder",
    ),
    "a misspelt metric to compare by": (
        ["compare", "tiny", "--metric", "top2", "--store", "{folder}/one"],
        r"--metric top2: no such metric; did you mean top1 or top5\? known: top1, .*, auroc",
    ),
    "a metric that resembles none": (
        ["compare", "tiny", "--metric", "speed", "--store", "{folder}/one"],
        r"--metric speed: no such metric; known: top1, top5, .*, nll, .*",
    ),
    "a metric by which nothing is better": (
        ["compare", "tiny", "--metric", "top1", "entropy", "--store", "{folder}/one"],
        r"--metric entropy: ranks no methods, neither high nor low values are better; known: top1, .*",
    ),
    "a metric that no test is valid for": (
        ["compare", "tiny", "--metric", "worst_recall", "--store", "{folder}/one"],
        r"--metric worst_recall: no test of a difference is valid, chance alone decides extremes; known: top1, .*",
    ),
    "two forms of comparisons at once": (
        ["compare", "tiny", "--json", "--format", "csv"],
        r"compare: wanted --json or --format csv, got both",
    ),
}
"""By name: the words of the command line, and the message; {folder} is that of the experiment."""
