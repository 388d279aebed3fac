"""What the exchange does: one class a concern, given its repositories, free of web and SQL."""
