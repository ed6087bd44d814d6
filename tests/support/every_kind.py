"""A small experiment whose run leaves every kind of object in a store, a head of class names and a made model too."""

import tiny
import torch
from open_clip import CLIP

HEAD = {"classes": ["a cat", "a dog", "a bird"], "templates": ["a photo of {}."]}


def every_kind(folder, *, distance, **settings):
    """Write the experiment, with settings of its own, and two CLIP models with text towers; return its file.

    Args:
        folder: gets the file, the images and the checkpoints.
        distance: of the fine-tuned model's vision weights from the base's, standard deviations of noise.
        settings: of the experiment.
    """
    tower = {"image_size": 16, "patch_size": 8, "width": 64, "layers": 1, "head_width": 64}
    torch.manual_seed(0)
    clip = CLIP(16, vision_cfg=tower, text_cfg={"context_length": 77, "width": 64, "heads": 1, "layers": 1})
    file = tiny.experiment(folder, samples=12, heads={"*": HEAD}, **settings)
    torch.save(clip.state_dict(), folder / "base.pt")
    vision = {name: tensor for name, tensor in clip.state_dict().items() if name.startswith("visual.")}
    torch.save(
        {name: tensor + distance * torch.randn_like(tensor) for name, tensor in vision.items()}, folder / "tuned.pt"
    )
    return file
