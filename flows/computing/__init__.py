"""The course of a run: its parts are computed as soon as their own inputs are there, and damage is repaired."""
