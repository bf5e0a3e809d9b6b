"""One page of a run: images side by side, sources with their verdicts, quality values with their colours."""
