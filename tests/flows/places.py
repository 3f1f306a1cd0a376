"""The sandbox account's resources, by name."""

from __future__ import annotations

VPC = "vpc-t4nanalytics0k3m7x"
OTHER_VPC = "vpc-t4nother5d9r1z"
LEGACY_VPC = "vpc-t4nlegacy8p2q6w"
JAKARTA_VPC = "vpc-k1ajakarta4h8n2v"
GROUP = "sg-t4nanalytics"
DEMO_ID = "10430185274093617152"
