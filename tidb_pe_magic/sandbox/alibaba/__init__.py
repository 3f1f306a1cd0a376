"""Alibaba Cloud's PrivateLink, VPC and ECS APIs over HTTP, as far as an endpoint's owner needs them."""
