"""Requirements from where people keep them: files beside the profile, read and never run."""
