"""Mainstem: one governed stream of customer data, and health scores that explain themselves."""

__version__ = "0.1.0"

__all__ = ["__version__"]
