"""The conformance suite that a plugin author runs."""
