"""Looking: one connection at a time, and what it found as a value."""
