"""Inside: the served copy."""
