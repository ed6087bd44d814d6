"""The activation of a checkpoint's tower, which its tensors do not tell. Apart from torch: planning is quick."""

import json

from storage.errors import StorageError
from storage.locations import Location
from tasks.errors import CheckpointError


def check_activation(location: Location) -> None:
    """Refuse a tower whose settings, in a file beside it, say another activation than the one it would be built with.

    Tensors do not tell QuickGELU from GELU, and with the wrong one every number would be a little wrong.
    """
    folder = location.url.rpartition("/")[0]
    for name in ("config.json", "open_clip_config.json"):
        try:
            with Location(f"{folder}/{name}").open() as file:
                settings = json.loads(file.read())
            if name == "config.json":
                activation = settings.get("vision_config", settings).get("hidden_act", "quick_gelu")
            else:
                activation = "quick_gelu" if settings["model_cfg"].get("quick_gelu") else "gelu"
        except (StorageError, ValueError, KeyError, AttributeError):
            continue
        if activation != "quick_gelu":
            raise CheckpointError(
                f"{location.url}: its {name} says activation {activation}, but a tower read off its tensors is built "
                "with quick_gelu; name its `architecture`, an open_clip model, such as ViT-B-32"
            )
