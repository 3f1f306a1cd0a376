"""A package, so that one server and one browser can be fixtures of all its modules."""
