"""Was it recovered, is it faithful: checks of an output against its input."""
