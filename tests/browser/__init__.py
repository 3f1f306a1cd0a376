"""A package, so that all of its modules share one server and one browser as fixtures."""
