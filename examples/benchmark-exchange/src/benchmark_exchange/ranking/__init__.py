"""From measurements with uncertainty to ranks that claim no more than those support."""
