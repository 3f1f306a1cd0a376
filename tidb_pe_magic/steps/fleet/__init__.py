"""Fleets: many clusters and VPCs, from one file."""
