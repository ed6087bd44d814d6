"""Pages: the report of a run and the leaderboard, each one HTML file that needs no network."""
