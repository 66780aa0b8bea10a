"""Evidence from other services."""
