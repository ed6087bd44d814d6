"""Merging of model weights, in torch, without Prefect and without a store."""
