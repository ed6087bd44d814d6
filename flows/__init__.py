"""Orchestration: Prefect flows, the experiment file, the command line."""
