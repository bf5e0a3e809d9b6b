"""A plugin that cannot be imported."""

lensproc_api = 1

raise RuntimeError("its data files are missing")
