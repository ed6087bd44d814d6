"""Experiment files and settings that cost much, expand, or hold text that must not reach a terminal or a log."""

SECRET = "AKIA0SECRET:wJalr/XUtn+FEMI"


def _grown(line):
    """Eleven lines, each of which refers ten times to the one before."""
    lines = ["a0: &a0 {x: 1}"]
    return "\n".join([*lines, *(line.format(i, ", ".join([f"*a{i - 1}"] * 10)) for i in range(1, 12))])


FILES = {
    "aliases of aliases": (_grown("a{0}: &a{0} [{1}]"), "more than 25,000 values"),
    "merge keys of merge keys": (_grown("a{0}: &a{0} {{<<: [{1}]}}"), "merge keys (<<) are not read"),
    "an alias of what it stands in": ("a: &a [*a]", "an alias of what it stands in"),
    "a setting 5,000 times": ("seed: 1\n" * 5_000, "seed is set twice"),
    "20,000 settings": ("".join(f"k{i}: 1\n" for i in range(20_000)), "more than 25,000 values"),
    "4,000 settings": ("".join(f"k{i}: 1\n" for i in range(4_000)), "k0: no such setting"),
    "a number in base 60": ("seed: " + ":".join(["1"] * 100_000), "a number of 199,999 characters"),
    "a number of 200,000 digits": ("seed: " + "9" * 200_000, "a number of 200,000 characters"),
    "lists in lists": ("a: " + "[" * 100_000, "values more than 32 deep inside of one another"),
    "two megabytes": ("#" * 2_000_000, "2,000,000 bytes, wanted at most 1,048,576"),
    "300,000 characters": ("- a\n" * 75_000, "300,000 characters, wanted at most 262,144"),
    "a list as a setting": ("? [1, 2]\n: 1", "a list or a mapping as the name of a setting"),
    "code": ("!!python/object/apply:os.system ['touch ran']", "os.system is not read"),
    "a set": ("baselines: !!set {a, b}", "tag tag:yaml.org,2002:set is not read"),
    "a date that does not exist": (
        "a: 2020-99-99",
        "line 1, column 4: a value that is not of its kind: wanted a date, got '2020-99-99'",
    ),
    "an empty number": ("seed: !!int ''", "a value that is not of its kind"),
    "other than UTF-8": (b"name: \xff\xfe", "not text in UTF-8, byte 6"),
    "a name of 300 letters": ("name: " + "a" * 300, "name: wanted at most 100 characters, got 300"),
    "2,000 models": (
        "models:\n" + "- {name: a, checkpoint: b}\n" * 2000,
        "models: wanted at most 1,000 models, got 2,000",
    ),
    "escape sequences": ('"\\e]0;owned\\a": 1', r"\x1b]0;owned\x07: no such setting"),
    "text that runs backwards": ('"a\\u202eb": 1', r"a\u202eb: no such setting"),
    "half a character": ('name: "\\ud800"', "name: "),
    "credentials as a name": (f"name: s3://{SECRET}@bucket/x", "got 's3://…@bucket/x"),
    "credentials of S3": (
        f"models: [{{name: a, checkpoint: 's3://{SECRET}@bucket/x'}}]",
        "s3://…@bucket/x: an address holds no credentials; credentials belong in AWS_ACCESS_KEY_ID",
    ),
    "credentials of a server": (
        f"datasets: [{{name: a, images: 'https://{SECRET}@host/x'}}]",
        "https://…@host/x: an address holds no credentials",
    ),
    "a chain of file systems": (
        "datasets: [{name: a, images: 'simplecache::s3://bucket/x'}]",
        "scheme 'simplecache::s3' is not known",
    ),
}
"""By name: the content of a file, and a text that its refusal has to hold."""

SETTINGS = {
    "aliases of aliases": ("models=" + _grown("a{0}: &a{0} [{1}]"), "more than 25,000 values"),
    "a number of 100,000 digits": ("seed=" + "9" * 100_000, "a number of 100,000 characters"),
    "a number in base 60": ("seed=" + ":".join(["1"] * 50_000), "a number of 99,999 characters"),
    "a setting 50,000 deep": ("a." * 50_000 + "a=1", "wanted key=value"),
    "an item of many digits": ("models." + "9" * 10_000 + ".name=x", "wanted a number from 0 to 1"),
    "credentials": (f"models.0.checkpoint=s3://{SECRET}@bucket/x", "s3://…@bucket/x: an address holds no credentials"),
    "credentials in a misspelt setting": (f"model.0=s3://{SECRET}@bucket/x", "model: no such setting"),
    "credentials that are not YAML": (f"models.0.checkpoint=[s3://{SECRET}@bucket/x", "is not YAML"),
    "escape sequences": ("\x1b[2J=1", r"\x1b[2J: no such setting"),
}
"""By name: an argument of `--set`, and a text that its refusal has to hold."""
