"""Alibaba Cloud's PrivateLink, VPC and ECS APIs, over its SDK."""
