"""Who may start, arrive, be restored, or be managed."""
