"""Everything a plugin sees: hooks, the manifest, what goes into a stage and what comes out."""

API = 1
"""Number of the contract. It grows when a plugin written for the older one would no longer work."""
