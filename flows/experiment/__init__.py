"""The experiment file: its settings, how it is read, and the experiments that come with the project."""
