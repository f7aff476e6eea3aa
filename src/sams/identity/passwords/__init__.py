"""Passwords: hashed, compared and remembered; which new ones are refused; hashes of other systems."""
