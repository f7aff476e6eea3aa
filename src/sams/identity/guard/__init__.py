"""The guard against guessing: counts wrong passwords in memory that all workers share, and locks who guesses."""
