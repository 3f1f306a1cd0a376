"""What happens in which order: requests, operations, steps, and the Python API over them."""
