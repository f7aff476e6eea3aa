"""The composition root: configuration in, object graph out. The only room that knows every part."""
