"""Measure how far the numbers of the method's public release can be from this pipeline's, on both quickstarts.

Run `make quickstart` and `make multi-task` before. The release's choices are written here after the behaviour of its
code. Coefficients are those of the tuned model, λ, or the largest difference over the models; each row has the largest
and the mean difference over the samples of all data sets, or over what it names.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import safetensors.torch
import torch
from numpy.typing import NDArray
from scipy.special import betaln, gammaln, logsumexp
from sklearn.cluster import KMeans

from benchmarks.reporting import report
from storage import scan
from tasks.merging.sign_election import elect
from tasks.merging.trim_threshold import trim_thresholds
from tasks.numerics.beta_mixture import BetaMixture
from tasks.numerics.dirichlet_mixture import DirichletMixture
from tasks.numerics.entropy import softmax_entropy
from tasks.numerics.expertise import interpolation_coefficients, simplex_coefficients

Floats = NDArray[np.float64]
TEMPERATURES = (0.9576, 0.9733)  # of the release, ViT-B/32
CLUSTERS = 3


def stored(store: str, experiment: str) -> Iterator[tuple[str, list[Floats]]]:
    """Yield the name of each data set and the logits (n, classes) of every model, the base first."""
    rows = scan("results", store=store).filter(experiment=experiment, metric="top1").collect()
    rows = rows.filter(run_id=rows.sort("created_at")["run_id"][-1])
    models = max(rows["models"].to_list(), key=len)  # of a method in which all take part
    for name in rows["dataset"].unique(maintain_order=True):
        found = []
        for model in models:
            row = rows.row(
                by_predicate=(pl.col("method") == f"individual/{model}") & (pl.col("dataset") == name), named=True
            )
            table = scan("outputs", store=store).filter(id=row["samples_id"]).sort("sample_index").collect()
            found.append(np.array(table["logits"].to_list(), dtype=np.float64))
        yield name, found


def single_precision(base: Floats, tuned: Floats) -> Floats:
    """Return λ with the offset as the release computes it: in float32 on logits of float32."""
    entropies = []
    for logits, temperature in zip((base, tuned), TEMPERATURES, strict=True):
        log_p = torch.log_softmax(torch.from_numpy(logits).float() / temperature, 1)
        entropies.append(-(log_p.exp() * log_p).sum(1))
    first, second = entropies
    b = (first.std() / first.mean() + second.std() / second.mean()) / 2
    w = (first.mean() + second.mean()) / first.mean()
    expertise = (-first).exp(), (-second).exp()
    return np.asarray(((expertise[1] + b / w) / (expertise[0] + expertise[1] + b)).double())


def beta_of_release(lam: Floats, seed: int) -> Floats:
    """Return each sample's cluster mean as the release fits it: k-means of all samples, seeds in a row, moments."""
    x, best, found = lam[:, None], -np.inf, np.empty(0)
    for start in range(3):
        labels = KMeans(CLUSTERS, n_init=1, random_state=seed + start).fit(x).labels_
        shares, previous = np.eye(CLUSTERS)[labels], np.inf
        for _ in range(1000):
            mass = shares.sum(0)
            mean = shares.T @ lam / mass
            variance = np.minimum(shares.T @ lam**2 / mass - mean**2, mean * (1 - mean) / 4)
            precision = mean * (1 - mean) / (variance + 1e-10) - 1
            alpha, beta = precision * mean, precision * (1 - mean)
            joint = (alpha - 1) * np.log(x) + (beta - 1) * np.log1p(-x) - betaln(alpha, beta) + np.log(mass / len(x))
            evidence = logsumexp(joint, axis=1)
            if abs(evidence.mean() - previous) < 1e-4:
                break
            previous, shares = evidence.mean(), np.exp(joint - evidence[:, None])
        if evidence.mean() > best:
            best, found = evidence.mean(), mean[joint.argmax(1)]
    return found


def first_component(pi: Floats) -> Floats:
    """Return the coefficients (M,) of a data set in the release: component 0 of M, whose concentrations sum to one."""
    best, found = -np.inf, np.empty(0)
    for start in range(5):
        shares = np.eye(pi.shape[1])[KMeans(pi.shape[1], n_init=1, random_state=start).fit(pi).labels_] + 1e-14
        previous = np.inf
        for _ in range(500):
            mass = shares.sum(0)
            alpha = shares.T @ pi / mass[:, None]
            normalizer = gammaln(alpha).sum(1) - gammaln(alpha.sum(1))
            joint = np.log(pi) @ (alpha - 1).T - normalizer + np.log(mass / mass.sum())
            evidence = logsumexp(joint, axis=1)
            if abs(evidence.mean() - previous) < 1e-5:
                break
            previous, shares = evidence.mean(), np.exp(joint - evidence[:, None]) + 1e-14
        if evidence.mean() > best:
            best, found = evidence.mean(), alpha[0]
    return found


def confidence_of_base(base: Floats) -> Floats:
    """Return λ of the release's `expconf_ratio`, which reads the base's logits for both models."""
    scores = [np.exp(np.exp(z - logsumexp(z, axis=1, keepdims=True)).max(1)) for z in (base / t for t in TEMPERATURES)]
    return np.asarray(scores[1] / (scores[0] + scores[1]))


def ties_sum(folder: Path, scale: float) -> list[float]:
    """Return the best s, and ‖0.3·sum − s·mean‖ / ‖0.3·sum‖ of TIES' agreeing numbers for `scale` and for the best."""
    states = {path.stem: safetensors.torch.load_file(path) for path in sorted(folder.glob("*.safetensors"))}
    base = states.pop("start")
    limits = trim_thresholds(base, list(states.values()), 0.2)
    kept = [elect(torch.stack([state[n] - base[n] for state in states.values()]), limits).flatten(1) for n in base]
    total = 0.3 * torch.cat([part.sum(0) for part in kept]).double()
    mean = torch.cat([part.sum(0) / (part != 0).sum(0).clamp(min=1) for part in kept]).double()
    best = float(total @ mean / (mean @ mean))
    return [best, *(float((total - s * mean).norm() / total.norm()) for s in (scale, best))]


def row(what: str, differences: list[Floats]) -> dict[str, Any]:
    """Return a row of the table."""
    apart = np.abs(np.concatenate([np.ravel(part) for part in differences]))
    return {"what": what, "largest": apart.max(), "mean": apart.mean()}


def main() -> None:
    """Print the differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", default="dawin-store", help="of both quickstarts")
    parser.add_argument("--checkpoints", default="dawin-multi-task/checkpoints", help="of the multi-task quickstart")
    arguments = parser.parse_args()
    rounding, clusters, seeds, wrong = [], [], [], []
    for _, (base, tuned) in stored(arguments.store, "digits"):
        lam = interpolation_coefficients(
            *(softmax_entropy(z, t) for z, t in zip((base, tuned), TEMPERATURES, strict=True))
        )
        rounding.append(single_precision(base, tuned) - lam)
        mixture = BetaMixture(CLUSTERS, random_state=1).fit(lam)
        theirs = beta_of_release(lam, 1)
        clusters.append(theirs - mixture.means_[mixture.predict(lam)])
        seeds += [beta_of_release(lam, seed) - theirs for seed in (2, 3, 4)]
        wrong.append(confidence_of_base(base) - 0.5)
    one, matched = [], []
    for _, outputs in stored(arguments.store, "digit-tasks"):
        pi = simplex_coefficients(np.column_stack([softmax_entropy(z) for z in outputs[1:]]))
        one.append(first_component(pi) - DirichletMixture(1, random_state=1).fit(pi).means_[0])
        matched.append(first_component(pi) - DirichletMixture(1, m_step="moments", random_state=1).fit(pi).means_[0])
    best, plain, scaled = ties_sum(Path(arguments.checkpoints), 0.3)
    rows = [
        row("λ in float32 − in float64", rounding),
        row("Beta clusters: λ that a sample is merged with, release − here", clusters),
        row("the same, release with other seeds − release", seeds),
        row("`expconf_ratio`: λ − 0.5", wrong),
        row("Dirichlet: coefficients of a data set, release − here with `clusters: 1`", one),
        row("the same, with `m_step: moments`", matched),
        {"what": "TIES: 0.3 × sum against 0.3 × mean, relative", "largest": plain, "mean": None},
        {"what": f"TIES: 0.3 × sum against {best:.2f} × mean, the nearest", "largest": scaled, "mean": None},
    ]
    report("release_differences", rows, arguments)


if __name__ == "__main__":
    main()
