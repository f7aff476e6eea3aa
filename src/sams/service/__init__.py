"""The processes: a supervisor that opens what is scarce, and equal workers that serve."""
