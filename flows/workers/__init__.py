"""The places where flow runs are executed: this process or the workers of a Prefect pool; and Prefect's API."""
