"""What is shown: for people, and for programs."""
