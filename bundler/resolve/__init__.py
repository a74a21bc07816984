"""What is needed, for which target, and why."""
