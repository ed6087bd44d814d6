"""Classify normalised images, float32 (n, 3, h, w), with the models of this folder: `python router.py images.pt`."""

import json
import sys
from collections import namedtuple
from functools import partial
from pathlib import Path

import torch
from torch.nn import functional

Routed = namedtuple("Routed", "predictions clusters coefficients logits entropies")

def read(file):
    """Return the tensors of a safetensors file of float32 numbers, which is mapped."""
    pages = torch.from_file(str(file), size=file.stat().st_size, dtype=torch.uint8)
    start = 8 + int.from_bytes(bytes(pages[:8].tolist()), "little")
    entries, numbers = json.loads(bytes(pages[8:start].tolist())), pages[start:].view(torch.float32)
    places = {name: [n // 4 for n in e["data_offsets"]] for name, e in entries.items() if "shape" in e}
    return {name: numbers[begin:end].view(entries[name]["shape"]) for name, (begin, end) in places.items()}

def forward(folder, rules, files, shares, images):
    """Return the logits (n, classes) of models merged with shares (n, M): each step is linear in the weights."""
    models, tower, groups = [read(folder / file) for file in files], rules["tower"], rules["groups"]
    def mixed(step):
        return sum(c.view(-1, *[1] * (y.ndim - 1)) * y for c, y in zip(shares.T, map(step, models), strict=True))
    def layer(x, name, step=functional.linear):
        return mixed(lambda model: step(x, weight=model[f"{name}weight"], bias=model[f"{name}bias"]))
    norm = partial(functional.layer_norm, normalized_shape=[tower["width"]], eps=tower["epsilon"])
    patches = mixed(lambda model: functional.conv2d(images, model["visual.conv1.weight"], stride=tower["patch_size"]))
    first = mixed(lambda model: model["visual.class_embedding"][None, None])
    x = torch.cat([first, patches.flatten(2).transpose(1, 2)], 1)
    x = layer(x + mixed(lambda model: model["visual.positional_embedding"][None]), "visual.ln_pre.", norm)
    for at in (f"visual.transformer.resblocks.{number}." for number in range(tower["layers"])):
        packed = layer(layer(x, f"{at}ln_1.", norm), f"{at}attn.in_proj_").unflatten(-1, (3, tower["heads"], -1))
        attended = functional.scaled_dot_product_attention(*packed.permute(2, 0, 3, 1, 4)).transpose(1, 2)
        x = x + layer(attended.flatten(2), f"{at}attn.out_proj.")
        y = layer(layer(x, f"{at}ln_2.", norm), f"{at}mlp.c_fc.")
        y = y * torch.sigmoid(1.702 * y) if tower["gelu"] == "quick" else functional.gelu(y, approximate=tower["gelu"])
        x = x + layer(y, f"{at}mlp.c_proj.")
    x = layer(x[:, 0], "visual.ln_post.", norm)
    z = layer(functional.normalize(mixed(lambda model: x @ model["visual.proj"]), dim=-1), "head.")
    return torch.stack([z[:, group].amax(1) for group in groups], 1) if groups else z

class Router:
    """The models of a folder and the rules that were fitted to them: Router(folder)(images)."""
    def __init__(self, folder=Path(__file__).parent):
        self.folder, self.rules = Path(folder), json.loads((Path(folder) / "router.json").read_text())

    def route(self, logits):
        """Return clusters (n,), coefficients and entropies (n, M) from the models' logits, (n, classes) each."""
        rules, table = self.rules, partial(torch.tensor, dtype=torch.float64)
        log_p = [functional.log_softmax(z.double() / t, 1) for z, t in zip(logits, rules["temperatures"], strict=True)]
        entropies = torch.stack([-(p.exp() * p).sum(1) for p in log_p], 1)
        own = functional.normalize((-entropies).exp() + table(rules["offset"]), p=1, dim=1)
        if rules["kind"] == "samples":
            return torch.zeros(len(own), dtype=torch.long), own @ table(rules["coefficients"]), entropies
        if rules["kind"] == "clusters":  # of highest density; the Beta of two models is the Dirichlet of (1 − λ, λ)
            alpha = table(rules["concentration"])
            constants = table(rules["weights"]).log() + alpha.sum(1).lgamma() - alpha.lgamma().sum(1)
            found = (own.clamp(min=1e-6).log() @ (alpha - 1).T + constants).argmax(1)
        elif rules["centres"]:
            found = torch.cdist(own, table(rules["centres"])).argmin(1)
        else:
            found = (own[:, 1:] >= table(rules["borders"])).sum(1)
        return found, table(rules["coefficients"])[found], entropies

    @torch.inference_mode()
    def __call__(self, images):
        """Return the classes of images (n,), and everything that they were made of."""
        rules, run, ones = self.rules, partial(forward, self.folder, self.rules), torch.ones(len(images), 1)
        outputs = [run([file], ones, images) for file in rules["compared"]]
        found, coefficients, entropies = self.route(outputs)
        shares, logits = coefficients.float() if rules["kind"] == "samples" else ones, torch.empty_like(outputs[0])
        for k in found.unique():
            logits[found == k] = run(rules["merged"][k], shares[found == k], images[found == k])
        return Routed(logits.argmax(1), found, coefficients, logits, entropies)

if __name__ == "__main__":
    print(*Router()(torch.load(sys.argv[1], weights_only=True)).predictions.tolist(), sep="\n")
