"""Password hashes in a process of their own: what it is asked, and by whom."""
