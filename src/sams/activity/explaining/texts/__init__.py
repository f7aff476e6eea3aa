"""The texts of stages, by what they are about."""
