"""Weights and what is made of them: torch, no Prefect, no store."""
