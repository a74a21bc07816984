"""Who vouches for what: keys, the authority outside, the gate inside."""
