"""Where the clouds' API keys are: the places that their own command lines and SDKs look in, in order."""
