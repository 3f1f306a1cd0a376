"""The sandbox's network: the VPC's gate, private hosts, and impostor servers."""
