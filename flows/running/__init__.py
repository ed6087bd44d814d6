"""Runs that begin in this process: the command line and the Python module start them the same way."""
