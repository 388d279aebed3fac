"""What keeps the house in order: contracts, checks, the next skeleton."""
