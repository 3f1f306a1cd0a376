"""The clouds' API keys, looked up in the same places and order as the clouds' own command lines and SDKs."""
