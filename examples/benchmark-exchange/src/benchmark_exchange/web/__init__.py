"""The exchange over HTTP: a JSON interface, and pages that need no JavaScript."""
