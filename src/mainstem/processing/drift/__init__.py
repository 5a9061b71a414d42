"""Drift: how streams depart from their contracts, found batch by batch on columns and on small samples."""
