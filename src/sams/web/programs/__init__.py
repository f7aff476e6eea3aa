"""Mail programs: which there are, on which systems, and what is to be typed into them."""
