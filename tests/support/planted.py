"""Samples of mixtures whose components are known."""

import numpy as np

BETAS = np.array([[2.0, 20.0], [30.0, 30.0], [20.0, 2.0]])
"""(K, 2) α and β, in ascending order of the mean."""
DIRICHLETS = np.array([[2.0, 2, 15, 3], [12, 2, 2, 2]])
"""(K, M) concentrations, in ascending order of the first mean."""


def beta_samples(count, seed=0):
    """Return samples (n,) of three Beta distributions, and the component of each."""
    random = np.random.default_rng(seed)
    components = random.integers(0, 3, count)
    return random.beta(*BETAS[components].T), components


def dirichlet_samples(count, seed=0):
    """Return samples (n, 4) of two Dirichlet distributions, and the component of each."""
    random = np.random.default_rng(seed)
    components = random.integers(0, 2, count)
    return np.stack([random.dirichlet(DIRICHLETS[component]) for component in components]), components
