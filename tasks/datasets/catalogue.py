"""Public data sets known by name: the samples they should have, how they are scored, and where to get them.

The counts are those of the splits on which papers report (test or validation), from the data sets' papers and pages.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Record:
    """A public data set.

    Attributes:
        samples: number of samples; several numbers if several splits are in use.
        classes: number of classes.
        group: the group of a results table to which it belongs.
        label_space: name of the label space that maps a head's classes to its own; None if they are the same.
        prompts: its name in the lists of prompt templates and class names.
        source: where to get it.
    """

    samples: tuple[int, ...]
    classes: int
    group: str
    label_space: str | None = None
    prompts: str = "imagenet"
    source: str

    def expected(self, limit: int | None) -> tuple[int, ...]:
        """Return the numbers of samples that are accepted, given that an experiment takes at most `limit`."""
        return tuple(count if limit is None else min(count, limit) for count in self.samples)


_TORCHVISION = "torchvision.datasets.{}(root, split='test', download=True)"

CATALOGUE = {
    "imagenet": Record(
        samples=(50_000,),
        classes=1000,
        group="id",
        label_space="imagenet-1k",
        source="image-net.org, ILSVRC 2012 validation images, sorted into folders by synset",
    ),
    "imagenet-v2": Record(
        samples=(10_000,),
        classes=1000,
        group="ood",
        label_space="imagenet-1k",
        source="huggingface.co/datasets/vaishaal/ImageNetV2, matched-frequency",
    ),
    "imagenet-r": Record(
        samples=(30_000,), classes=200, group="ood", label_space="imagenet-r", source="github.com/hendrycks/imagenet-r"
    ),
    "imagenet-a": Record(
        samples=(7_500,),
        classes=200,
        group="ood",
        label_space="imagenet-a",
        source="github.com/hendrycks/natural-adv-examples",
    ),
    "imagenet-sketch": Record(
        samples=(50_889,),
        classes=1000,
        group="ood",
        label_space="imagenet-1k",
        source="github.com/HaohanWang/ImageNet-Sketch",
    ),
    "objectnet": Record(
        samples=(18_574,), classes=113, group="ood", label_space="objectnet", source="objectnet.dev, unzipped whole"
    ),
    "sun397": Record(
        samples=(19_850,),
        classes=397,
        group="tasks",
        prompts="sun397",
        source="torchvision.datasets.SUN397(root, download=True), and Testing_01.txt of the set's Partitions.zip",
    ),
    "cars": Record(
        samples=(8_041,), classes=196, group="tasks", prompts="cars", source=_TORCHVISION.format("StanfordCars")
    ),
    "resisc45": Record(
        samples=(6_300,),
        classes=45,
        group="tasks",
        prompts="resisc45",
        source="torchgeo.datasets.RESISC45(root, split='test', download=True)",
    ),
    "eurosat": Record(
        samples=(2_700, 27_000),
        classes=10,
        group="tasks",
        prompts="eurosat",
        source="torchvision.datasets.EuroSAT(root, download=True), all 27,000; task-vectors' test split has 2,700",
    ),
    "svhn": Record(samples=(26_032,), classes=10, group="tasks", prompts="svhn", source=_TORCHVISION.format("SVHN")),
    "gtsrb": Record(samples=(12_630,), classes=43, group="tasks", prompts="gtsrb", source=_TORCHVISION.format("GTSRB")),
    "mnist": Record(
        samples=(10_000,),
        classes=10,
        group="tasks",
        prompts="mnist",
        source="torchvision.datasets.MNIST(root, train=False, download=True)",
    ),
    "dtd": Record(samples=(1_880,), classes=47, group="tasks", prompts="dtd", source=_TORCHVISION.format("DTD")),
}
"""The public data sets by name."""
