"""The display of runs on a terminal and in logs of a console: header, progress, warnings, results, next commands."""
