"""Where flow runs run: in this process, or on the workers of a Prefect pool; and Prefect's own API."""
