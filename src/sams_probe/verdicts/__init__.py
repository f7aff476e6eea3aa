"""From findings to verdicts: what each means for people, and what to do."""
