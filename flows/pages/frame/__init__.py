"""The frame of a page: from parts to one HTML file with its style, its script and its charts."""
