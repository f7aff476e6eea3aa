"""The configuration: its types, how a file becomes one, and the reference text made from them."""
