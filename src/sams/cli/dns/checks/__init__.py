"""What DNS says, compared with what the configuration means: by meaning, not by text."""
