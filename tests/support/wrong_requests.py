"""Wrong requests, each with the whole message that refuses it as a regular expression."""

import re

from wrong_published import PUBLISHED, datasets, number

AN_ADDRESS = r"an address \(a path, file://, s3:// or hf://\)"
A_NAME = r"a name of lower-case letters, digits, '\.', '_' and '-' that begins with a letter"
HOLDS = r"{folder} holds .*base\.pt, .*tuned\.pt"


def pattern_of(folder, part):
    return part.replace("{folder}", f"file://{re.escape(str(folder))}")


def models(**changes):
    """Return the models of the experiment, the tuned one changed."""
    return [{"name": "base", "checkpoint": "base.pt"}, {"name": "tuned", "checkpoint": "tuned.pt", **changes}]


FILES = {
    "a misspelt setting of a section": (
        {"merge": {"clusers": 3}},
        r"merge\.clusers: no such setting; did you mean merge\.clusters\?",
    ),
    "a setting in the wrong section": ({"clusters": 3}, r"clusters: no such setting; did you mean merge\.clusters\?"),
    "a setting of an earlier version": (
        {"merge": {"ties_keep": 0.3, "adamerging": {"steps": 5}}},
        r"merge\.ties_keep: no such setting; it is methods\.ties\.keep now; "
        r"merge\.adamerging: no such setting; did you mean methods\.adamerging\?",
    ),
    "a setting that resembles none": (
        {"preprocess": {"colour": 1}},
        r"preprocess\.colour: no such setting; known: size, mean, std, interpolation, resize_mode, fill, tag",
    ),
    "a misspelt choice": (
        {"merge": {"kind": "interpolaton"}},
        r"merge\.kind: wanted one of interpolation, task-vectors, got 'interpolaton'; did you mean interpolation\?",
    ),
    "a misspelt label space": (
        {"datasets": datasets(label_space="imagenet_r")},
        r"datasets\.1\.label_space: wanted one of imagenet-1k, imagenet-r, .*, or null, got 'imagenet_r'; "
        r"did you mean imagenet-r\?",
    ),
    "a misspelt data set of the catalogue": (
        {"datasets": datasets(catalogue="minst")},
        r"datasets\.1\.catalogue: no data set 'minst' in the catalogue; did you mean mnist\?",
    ),
    "a misspelt architecture": (
        {"architecture": "ViT-B-23"},
        r"architecture: no open_clip model 'ViT-B-23'; did you mean ViT-B-32( or \S+)?\?",
    ),
    "a name with capitals and spaces": (
        {"name": "My Exp"},
        rf"name: wanted {A_NAME}, got 'My Exp'; did you mean my-exp\?",
    ),
    "one model": (
        {"models": models()[:1], "baselines": []},
        r"models: wanted a list of at least two models, got one",
    ),
    "a number that is too small": ({"batch_size": 0}, r"batch_size: wanted a whole number of at least 1, got 0"),
    "a text in the place of a number": (
        {"seed": "one"},
        r"seed: wanted a whole number of at least 0, got 'one'",
    ),
    "a missing setting": (
        {"models": [models()[0], {"name": "tuned"}], "baselines": []},
        rf"models\.1\.checkpoint: not set, wanted {AN_ADDRESS}",
    ),
    "a misspelt method": ({"baselines": ["wise-fit"]}, r"baselines: no method 'wise-fit'; did you mean wise-ft\?"),
    "a method that resembles none": (
        {"baselines": ["average"]},
        r"baselines: no method 'average'; (known: individual, wise-ft, .*|did you mean weight-average\?)",
    ),
    "a misspelt member of a method": (
        {"baselines": ["individual/tune"]},
        r"baselines: no method 'individual/tune'; did you mean individual/tuned\?",
    ),
    "a scale with one decimal": (
        {"baselines": ["wise-ft/0.5"]},
        r"baselines: no method 'wise-ft/0\.5'; did you mean wise-ft/0\.50\?",
    ),
    "a head of no data set": (
        {"heads": {"twoo": "zero-shot"}},
        r"heads: no data set 'twoo'; did you mean two\?",
    ),
    "a misspelt word for heads made of class names": (
        {"heads": {"two": "zeroshot"}},
        rf"head of two: checkpoint {{folder}}/zeroshot: no such file; did you mean zero-shot\? {HOLDS}",
    ),
    "a held-out data set that does not exist": (
        {"baselines": ["greedy-soup"], "methods": {"greedy-soup": {"held_out": "onee"}}},
        r"baselines: greedy-soup needs a data set to choose by, got methods\.greedy-soup\.held_out=onee; "
        r"did you mean one\?",
    ),
    "an option without effect": (
        {"baselines": ["adamerging/task-wise"], "methods": {"adamerging": {"keep": 0.5}}},
        r"methods\.adamerging\.keep: has no effect: it belongs to members with \+\+, such as "
        r"adamerging/layer-wise\+\+; "
        r"baselines names adamerging/task-wise",
    ),
    "options of a method that has none": (
        {"methods": {"oracle": {"keep": 1}}},
        r"methods\.oracle: oracle has no options; methods with options are ties, greedy-soup, adamerging",
    ),
    **PUBLISHED,
    "a missing checkpoint": (
        {"models": models(checkpoint="tunde.pt")},
        rf"model tuned: checkpoint {{folder}}/tunde\.pt: no such file; did you mean tuned\.pt\? {HOLDS}",
    ),
    "a missing folder of images": (
        {"datasets": datasets(images="three", source="ask Anna")},
        r"data set two: images {folder}/three: no such folder; to be had: ask Anna",
    ),
    "a checkpoint with a broken scheme": (
        {"models": models(checkpoint="s3:/bucket/tuned.pt")},
        r"models\.1\.checkpoint: s3:/bucket/tuned\.pt: wanted a path or s3://, got s3 without ://; did you mean "
        r"s3://bucket/tuned\.pt\? A folder of that name is \./s3:/bucket/tuned\.pt",
    ),
    "images with an unknown scheme": (
        {"datasets": datasets(images="gs://bucket/two")},
        r"datasets\.1\.images: gs://bucket/two: scheme 'gs' is not known, wanted one of file, memory, s3, hf",
    ),
    "a variable that is not set": (
        {"models": models(checkpoint="${DAWIN_NOWHERE}/tuned.pt")},
        r"DAWIN_NOWHERE is not set, wanted for \$\{DAWIN_NOWHERE\}/tuned\.pt",
    ),
    "a tab": ("name: tiny\nmerge:\n\tclusters: 5\n", r"not YAML: line 3, column 1: a tab, wanted spaces for .*"),
    "no space after a colon": (
        "name:tiny\nseed: 1\n",
        r"not YAML: line 1, column 6: wanted a space after the colon",
    ),
    "an open bracket": (
        "baselines: [a, b\nname: x\n",
        r"not YAML: line 1, column 12: a \[ that no \] closes, or a comma is missing after it",
    ),
    "a setting given twice": ("seed: 1\nseed: 2\n", r"not YAML: line 2, column 1: seed is set twice"),
    "a list in the place of settings": (
        "- a\n",
        r"wanted a mapping of settings, such as `name: my-experiment`, got a list",
    ),
}
"""By name: changes of the settings, or the whole text of the file; and the message after the file's name."""

OF_INPUTS = {
    "a missing checkpoint",
    "a missing folder of images",
    "a misspelt word for heads made of class names",
}
"""The files whose settings are right, so that the message does not begin with the file's name."""

COMMANDS = {
    "a misspelt command": (["rum", "my.yaml"], r"no such command 'rum'; did you mean run\?"),
    "a command that resembles none": (["xyzzy"], r"no such command 'xyzzy'; known: quickstart, init, run, plan, .*"),
    "a misspelt option": (["run", "my.yaml", "--sotre", "x"], r"run: no such option --sotre; did you mean --store\?"),
    "a misspelt format": (
        ["results", "--format", "tabel"],
        r"results: argument --format: wanted one of table, csv, json, .*, got 'tabel'; did you mean table\?",
    ),
    "no experiment": (["run"], r"run: the following arguments are required: EXPERIMENT\.yaml\|NAME"),
    "a misspelt file": (
        ["plan", "{folder}/tinny.yaml"],
        r"experiment {folder}/tinny\.yaml: no such file; did you mean tiny\.yaml\? there are: .*; by name: eight-.*",
    ),
    "a misspelt built-in experiment": (
        ["plan", "eight-task-vit-b32"],
        r"experiment eight-task-vit-b32: no such file; did you mean eight-tasks-vit-b32\? there are: .*",
    ),
    "a folder in the place of a file": (
        ["plan", "{folder}"],
        r"experiment {folder}: a folder, wanted a file of settings",
    ),
    "a setting without a value": (
        ["plan", "{folder}/tiny.yaml", "--set", "merge.clusters"],
        r"experiment {folder}/tiny\.yaml: --set merge\.clusters: wanted key=value, such as merge\.clusters=5",
    ),
    "a misspelt setting": (
        ["plan", "{folder}/tiny.yaml", "--set", "merge.cluster=5"],
        r"experiment {folder}/tiny\.yaml: --set merge\.cluster: no such setting; did you mean merge\.clusters\?",
    ),
    "a model that does not exist": (
        ["plan", "{folder}/tiny.yaml", "--set", "models.7.name=x"],
        r"experiment {folder}/tiny\.yaml: --set models\.7\.name=x: wanted a number from 0 to 1, got '7'",
    ),
    "a value that is not YAML": (
        ["plan", "{folder}/tiny.yaml", "--set", "merge.clusters=[1"],
        r"experiment {folder}/tiny\.yaml: --set merge\.clusters=\[1: '\[1' is not YAML: line 1, column 1: a \[ that .*",
    ),
    "a data set to calibrate on": (
        ["calibrate", "{folder}/tiny.yaml", "--on", "onee", "--store", "{folder}/none"],
        r"--on onee: no such data set; did you mean one\? the experiment has one, two",
    ),
    "a checkpoint to inspect": (
        ["inspect", "{folder}/tunde.pt"],
        r"inspect: checkpoint file://{folder}/tunde\.pt: no such file; did you mean tuned\.pt\? file:.* holds .*",
    ),
    "a checkpoint to convert": (
        ["convert", "s3:/bucket/tuned.pt", "x.safetensors"],
        r"s3:/bucket/tuned\.pt: wanted a path or s3://, got s3 without ://; did you mean s3://bucket/tuned\.pt\? .*",
    ),
    "one word too many": (["run", "my.yaml", "your.yaml"], r"unrecognized arguments: your\.yaml"),
    "a store that is a file": (
        ["plan", "{folder}/tiny.yaml", "--store", "{folder}/base.pt"],
        r"store file://{folder}/base\.pt: wanted a folder, but it is a file",
    ),
    "a store below a file": (
        ["run", "{folder}/tiny.yaml", "--store", "{folder}/base.pt/store"],
        r"store file://{folder}/base\.pt/store: wanted a folder, but {folder}/base\.pt is a file",
    ),
    "a store with a broken scheme": (
        ["run", "{folder}/tiny.yaml", "--store", "s3//bucket/x"],
        r"store s3//bucket/x: wanted a path or s3://, got s3 without ://; did you mean s3://bucket/x\? A folder of .*",
    ),
    "a store with a scheme in capitals": (
        ["plan", "{folder}/tiny.yaml", "--store", "S3://bucket/x"],
        r"store S3://bucket/x: scheme 'S3' is not known, wanted one of .*; did you mean s3://bucket/x\?",
    ),
    "a store with an unknown scheme": (
        ["results", "--store", "http://host/x"],
        r"http://host/x: scheme 'http' is not known, wanted one of file, memory, s3, hf",
    ),
    "results of a folder that does not exist": (
        ["results", "--store", "{folder}/on"],
        r"store file://{folder}/on: no such folder; did you mean one\?",
    ),
    "a leaderboard of a folder that does not exist": (
        ["leaderboard", "--store", "{folder}/nowhere"],
        r"store file://{folder}/nowhere: no such folder",
    ),
    "results of a folder without any": (
        ["results", "--store", "{folder}/one"],
        r"file://{folder}/one: no results yet; `dawin run EXPERIMENT\.yaml` or `dawin quickstart`",
    ),
}
"""By name: the words of the command line, and the message; {folder} is that of the experiment."""

EVERYTHING = {
    "merge": {"clusers": 3},
    "models": [*models(checkpoint="tune.pt", temperature=0), {"name": "third", "checkpoint": "third.pt"}],
    "datasets": datasets(images="three", limit="all"),
    "heads": {"one": "head.pt"},
    "baselines": ["individual/tune", "wise-fit", "random"],
    "methods": {"ties": {"keep": 2}},
    "published": [number(dataset="twoo", value="120 %")],
}
PARTS = [
    r"merge\.clusers: no such setting; did you mean merge\.clusters\?",
    rf"model tuned: checkpoint {{folder}}/tune\.pt: no such file; did you mean tuned\.pt\? {HOLDS}",
    r"models\.1\.temperature: wanted a number from 0\.01 to 100, got 0",
    rf"model third: checkpoint {{folder}}/third\.pt: no such file; {HOLDS}",
    r"data set two: images {folder}/three: no such folder",
    r"datasets\.1\.limit: wanted a whole number of at least 1, or null, got 'all'",
    rf"head of one: checkpoint {{folder}}/head\.pt: no such file; {HOLDS}",
    r"baselines: no method 'individual/tune'; did you mean individual/tuned\?",
    r"baselines: no method 'wise-fit'; did you mean wise-ft\?",
    r"baselines: random draws one number per sample, so it needs two models, got 3",
    r"methods\.ties\.keep: wanted a number above 0, at most 1, got 2",
    r"published\.0\.dataset: this experiment has no data set 'twoo'; did you mean two\?",
    r"published\.0\.value: wanted a percentage up to 100 %, such as 79\.97 %, or a fraction from 0 to 1, got 120 %",
    r"--set precison: no such setting; did you mean precision\?",
    r"--set models\.9\.name=x: wanted a number from 0 to 2, got '9'",
    r"store s3//bucket/x: wanted a path or s3://, got s3 without ://; did you mean s3://bucket/x\? A folder of that "
    r"name is \./s3//bucket/x",
]
WRONG = ("--set", "precison=fp16", "--set", "models.9.name=x", "--store", "s3//bucket/x")
