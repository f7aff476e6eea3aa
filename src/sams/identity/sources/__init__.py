"""Sources of accounts that ask somebody else: one file for each kind of directory, and what all have in common."""
