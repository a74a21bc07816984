"""What can be said about a bundle."""
