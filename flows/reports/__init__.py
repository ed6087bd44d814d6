"""Results for readers: tables, the leaderboard, artifacts of the Prefect UI."""
