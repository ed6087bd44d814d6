"""Parent flow: a fitted method's predictions on images that were not part of its run."""
