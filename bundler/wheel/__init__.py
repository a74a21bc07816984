"""What is in a wheel, read without running any of it."""
