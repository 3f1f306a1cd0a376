"""The checks before an endpoint is created."""
