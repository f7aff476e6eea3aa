"""The check of this server: one file a subject, each finding with what it means and what to do."""
