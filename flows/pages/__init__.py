"""Pages for browsers: the report of a run and the leaderboard, each one file that requests nothing from any network."""
