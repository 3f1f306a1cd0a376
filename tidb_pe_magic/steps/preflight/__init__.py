"""What is checked before an endpoint is created."""
