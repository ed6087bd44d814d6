"""Results and plans as text, tables and pictures, for a terminal, for papers and for the Prefect UI."""
