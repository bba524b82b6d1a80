"""API tokens: how they are made, shown once, listed and revoked; by page and by API."""
