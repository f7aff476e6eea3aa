"""Password hashes of other systems: read with bounds, verified once, and then replaced by one of ours.

`reader.py` knows which forms there are. What can be read can be verified; so an import refuses what could not.
"""
