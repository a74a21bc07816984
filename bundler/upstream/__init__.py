"""Outside: the only code that talks to a network."""
