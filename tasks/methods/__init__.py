"""Methods: one file a family of methods, and the registry."""
