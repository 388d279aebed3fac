"""From the files that others publish to results that can be submitted."""
