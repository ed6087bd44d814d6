"""Wrong published numbers and tuned models, each with the message that refuses it as a regular expression."""


def datasets(**changes):
    """Return the data sets of the experiment, the second one changed."""
    return [{"name": "one", "images": "one", "group": "id"}, {"name": "two", "images": "two", **changes}]


def number(**changes):
    """Return a published number of the experiment, with changes."""
    return {"method": "wise-ft/0.50", "dataset": "one", "value": "79.97 %", "source": "a paper", **changes}


PUBLISHED = {
    "a published number of a misspelt method and data set": (
        {"published": [number(method="wise-ft/0.5", dataset="onee")]},
        r"published\.0\.method: this experiment has no method 'wise-ft/0\.5'; did you mean wise-ft/0\.50\?; "
        r"published\.0\.dataset: this experiment has no data set 'onee'; did you mean one\?",
    ),
    "a published percentage without its sign": (
        {"published": [number(value=79.97)]},
        r"published\.0\.value: wanted a percentage up to 100 %, such as 79\.97 %, or a fraction from 0 to 1, got "
        r"79\.97; did you mean 79\.97 %\?",
    ),
    "a published number without a source, of a misspelt metric": (
        {"published": [number(source="", metric="top-1")]},
        r"published\.0\.source: wanted a text, got an empty text; published\.0\.metric: no such metric 'top-1'; did "
        r"you mean top1\?",
    ),
    "two published numbers for one row": (
        {"published": [number(), number(value=0.5)]},
        r"published: 2 numbers for wise-ft/0\.50 on one, top1; wanted one at most",
    ),
    "a published mean over groups where there is one group": (
        {"datasets": datasets(group="id"), "published": [number(dataset="mean/all")]},
        r"published\.0\.dataset: no mean over several groups, since the experiment has one; it is mean/id",
    ),
    "a base in the place of the model tuned on a data set": (
        {"datasets": datasets(tuned_model="base")},
        r"datasets\.1\.tuned_model: wanted a fine-tuned model, got the base, base; known: tuned",
    ),
}
"""By name: settings over those of the experiment, and the message."""
