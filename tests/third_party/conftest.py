"""The sources under packages/ are for pip to install, not for pytest to import."""

collect_ignore = ["packages"]
