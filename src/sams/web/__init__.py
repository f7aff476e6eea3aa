"""Pages: set-up by hand and by itself, the live connection doctor. A process of its own with no rights of its own."""
