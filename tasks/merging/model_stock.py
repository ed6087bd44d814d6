"""Model Stock: how far to go from the base to the average, by the angle between tuned models.

Source: Jang et al., ECCV 2024, section 4. The authors published no code; the paper gives the angle of two models and
leaves open how more are taken together. Choices, and those of other toolkits (`python -m benchmarks.method_choices`
measures how far apart the merged task vectors come out, on the multi-task quickstart):

- More than two models: the mean of the pairs' cosines, as mergekit; FusionBench averages the pairs' angles: 0.005 away.
- Negative mean cosine: t = 0, the base, and t is kept within [0, 1] throughout. mergekit leaves t as it comes: below 0,
  and without bound where 1 + (N − 1) cos θ is near 0: 0.033 away.
- A task vector that is zero in a tensor has no angle: t = 0, the base's tensor. mergekit counts its cosines as 0.
"""

import torch


def model_stock(tasks: torch.Tensor) -> torch.Tensor:
    """Return the merged task vector of one tensor, t · mean_t τ_t with t = N cos θ / (1 + (N − 1) cos θ).

    cos θ is the mean over pairs of task vectors, of one tensor at a time; t is kept within [0, 1], and 0 where a task
    vector is zero.

    Args:
        tasks: (N, …) one tensor of each of N ≥ 2 task vectors.
    """
    count = len(tasks)
    if count < 2:
        raise ValueError(f"model stock: wanted at least 2 tuned models, got {count}")
    flat = tasks.reshape(count, -1).double()
    norms = flat.norm(dim=1)
    if not bool((norms > 0).all()):
        return torch.zeros_like(tasks[0])
    cosines = (flat @ flat.T) / torch.outer(norms, norms)
    cosine = float((cosines.sum() - cosines.diagonal().sum()) / (count * (count - 1)))
    denominator = 1 + (count - 1) * cosine
    share = min(max(count * cosine / denominator, 0.0), 1.0) if denominator > 0 else 0.0
    return tasks.mean(0) * share
