"""Was it recovered, is it faithful: checks of an enhanced image against its input's pixels."""
