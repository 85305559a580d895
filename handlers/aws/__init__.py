"""Settle on AWS Lambda: the same doors and work, called with events. serverless.yml names these functions.

A container is frozen as soon as it has answered, so nothing here is left to the background.
"""
