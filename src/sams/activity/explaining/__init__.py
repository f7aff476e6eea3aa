"""What happened, stage by stage, for people who ask why something does not work."""
